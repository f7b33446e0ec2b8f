"""What runs beside the plane: the extender as users start it, what stands before it, another scheduler."""

import contextlib
import json
import os
import signal
import socket
import socketserver
import threading
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Self

import urllib3
from prometheus_client.parser import text_string_to_metric_families

from dev.controlplane import ControlPlane, Object
from dev.controlplane.build import build
from dev.controlplane.processes import Process, free_ports, listening
from dev.controlplane.scheduler import scheduler_configuration
from dev.harness.program import NAMESPACE, Program

__all__ = ["ACCOUNT", "EXTENDER", "Extender", "Service", "second_scheduler"]

EXTENDER = "resourcepolicy-extender"
ACCOUNT = (NAMESPACE, EXTENDER)


class Extender(Program):
    """`resourcepolicy serve` where the plane's scheduler looks for it, or on a `port` of its own."""

    def __init__(self, plane: ControlPlane, name: str = "extender", port: int | None = None) -> None:
        super().__init__(plane, "serve", EXTENDER, name)
        self.address = (plane.extender_address[0], port or plane.extender_address[1])
        self._http = urllib3.PoolManager(retries=False, timeout=5)
        self._as_usual = True

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.address
        return f"http://{host}:{port}"

    def start(self, *, kubeconfig: Path | None = None, **settings: object) -> None:
        """Start it and wait until it is ready; `settings` are those of config/extender.yaml."""
        self.begin_with(kubeconfig=kubeconfig, **settings)
        self.wait_ready()

    def begin_with(self, *, kubeconfig: Path | None = None, **settings: object) -> None:
        """Start it, and do not wait."""
        host, port = self.address
        self._as_usual = not settings and kubeconfig is None
        self.begin(settings, "--bind", f"{host}:{port}", kubeconfig=kubeconfig)

    def kill(self) -> None:
        """As a crash; its port is free afterwards."""
        if self._process is not None:
            super().kill()
            self._plane.wait(lambda: not listening(self.address[1]), what=f"{self._name}'s port to be free")

    def worker(self) -> int:
        """The process that answers, a child of the server; 0 while there is none."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return int(children[0]) if children else 0

    def kill_worker(self) -> None:
        """As if the kernel had no memory left for it."""
        os.kill(self.worker(), signal.SIGKILL)

    def restart(self, *, kubeconfig: Path | None = None, **settings: object) -> None:
        """Kill it and start another one."""
        self.kill()
        self.start(kubeconfig=kubeconfig, **settings)

    def restore(self) -> None:
        """Have it run with its defaults, whatever a test did to it."""
        if not (self.alive and self._as_usual):
            self.restart()

    def wait_ready(self) -> None:
        """Until its caches have synced."""
        self._plane.wait(self.ready, what=f"{self._name} to be ready", seconds=60)

    def asked(self) -> float:
        """How often the scheduler asked it, since its start."""
        return self._sum("resourcepolicy_extender_requests_total")

    def outcome(self, outcome: str) -> float:
        """How often it gave this answer, since its start."""
        return self._sum("resourcepolicy_extender_requests_total", outcome=outcome)

    def cached(self, resource: str) -> float:
        """How many objects of a resource it knows."""
        return self._sum("resourcepolicy_cached_objects", resource=resource)

    def age(self, resource: str) -> float:
        """How old its view of a resource may be, in seconds."""
        return self._sum("resourcepolicy_cache_staleness_seconds", resource=resource)

    def lists(self, path: str) -> int:
        """How often it has listed a resource, over all its starts."""
        return self.log.read_text().count(f"{path}: listed ")

    def _sum(self, name: str, **labels: str) -> float:
        text = self._get("/metrics").data.decode()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def ready(self) -> bool:
        self.require_alive()
        return self.why_not() == ""

    def why_not(self) -> str:
        """What /readyz says; empty if it is ready."""
        try:
            answer = self._get("/readyz")
        except urllib3.exceptions.HTTPError as error:
            return f"no answer: {error}"
        return "" if answer.status == HTTPStatus.OK else answer.data.decode()

    def filtered(self, body: bytes) -> Object:
        """Its answer to a request that is not the scheduler's."""
        answered: Object = self._http.request("POST", f"{self.url}/filter", body=body).json()
        return answered

    def _get(self, path: str) -> urllib3.BaseHTTPResponse:
        return self._http.request("GET", f"{self.url}{path}")


class Service:
    """As a Service does: connections to the plane's address go to the replica that is ready. A context."""

    def __init__(self, plane: ControlPlane, *replicas: Extender) -> None:
        self.replicas = replicas
        self.leaders: list[Extender] = []  # each for as long as nobody else was ready
        self.two_at_once = 0
        self._ready: Extender | None = None
        self._over = threading.Event()
        self._listener = _Balancer(plane.extender_address, _balancing(self))
        self._threads = [
            threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True),
            threading.Thread(target=self._probe, daemon=True),
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.shutdown()
        self._listener.server_close()
        for thread in self._threads:
            thread.join(10)

    def connect(self) -> socket.socket | None:
        """To the replica that was ready when last asked; None without one."""
        try:
            return socket.create_connection(self._ready.address, timeout=5) if self._ready else None
        except OSError:
            return None

    def _probe(self) -> None:
        while not self._over.wait(0.05):
            ready = [replica for replica in self.replicas if not replica.why_not()]
            # The first was asked before the others: only if it still is ready were there two.
            if len(ready) > 1 and not ready[0].why_not():
                self.two_at_once += 1
            self._ready = ready[-1] if ready else None
            if self._ready and self.leaders[-1:] != [self._ready]:
                self.leaders.append(self._ready)


class _Balancer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True


def _balancing(service: Service) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            behind = service.connect()
            if behind is None:
                return
            with behind:
                behind.settimeout(None)
                back = threading.Thread(target=_pump, args=(behind, self.request), daemon=True)
                back.start()
                _pump(self.request, behind)
                back.join()

    return Handler


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """All bytes from one to the other, and the end."""
    with contextlib.suppress(OSError):
        while chunk := source.recv(1 << 16):
            sink.sendall(chunk)
    for side in (source, sink):
        with contextlib.suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def second_scheduler(plane: ControlPlane, name: str, kubeconfig: Path | None = None) -> Iterator[Process]:
    """Another kube-scheduler, for pods of that schedulerName, that asks the same extender."""
    reaches = kubeconfig or plane.kubeconfig
    configuration = scheduler_configuration(reaches, plane.extender_address[1], None)
    profiles = [profile | {"schedulerName": name} for profile in configuration["profiles"]]
    written = plane.directory / f"{name}.json"
    written.write_text(json.dumps(configuration | {"profiles": profiles}))
    (port,) = free_ports(1)
    command = [
        str(build()["kube-scheduler"]),
        f"--config={written}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={plane.directory / f'{name}-certificates'}",
        "-v=2",
    ]
    process = Process(name, command, plane.directory / f"{name}.log", {})
    try:
        plane.wait(lambda: listening(port), what=f"{name} to listen", seconds=60)
        yield process
    finally:
        process.kill()
