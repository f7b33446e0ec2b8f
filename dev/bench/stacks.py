"""The extenders under test as processes: ours as users start it, and the peer with two GC settings."""

import contextlib
import json
import os
import signal
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from dev.bench.cluster import Shape
from dev.controlplane.processes import Process, free_ports, listening
from dev.controlplane.waiting import wait_for

__all__ = ["BRIEF", "Api", "Kind", "Stack", "brief", "ceiling", "kinds", "ours", "serving", "started"]

BRIEF = "ours-brief"
"""Ours with `refused_nodes: one` and `scored_nodes: sampled`."""

_ROOT = Path(__file__).parents[2]
_COMMAND = Path(sysconfig.get_path("scripts")) / "resourcepolicy"
_PYTHON = Path(sysconfig.get_path("scripts")) / "python"
_READY_SECONDS = 300.0
_POLL = 0.01
_OK = 200


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to answer."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def kinds(peer: Path, directory: Path) -> tuple[Kind, Kind, Kind]:
    """Ours, the peer, and the peer with the memory that saves it most collections."""
    return (
        ours("ours", directory),
        Kind("go", [str(peer)]),
        Kind("go-gogc800", [str(peer)], {"GOGC": "800"}),
    )


def ceiling() -> Kind:
    """One that does next to nothing: what a scheduler loses with any."""
    return Kind("ceiling", [str(_PYTHON), "-m", "dev.bench.ceiling"], {"PYTHONPATH": str(_ROOT)})


def brief(directory: Path) -> Kind:
    """Ours, where as few names as can be go back."""
    return ours(BRIEF, directory, refused_nodes="one", scored_nodes="sampled")


def ours(name: str, directory: Path, **settings: str) -> Kind:
    """Ours, with these settings."""
    file = directory / f"{name}.yaml"
    # Nothing was under way when it started.
    file.write_text(json.dumps({"handover_grace_seconds": 0, **settings}))
    return Kind(name, [str(_COMMAND), "serve", "--config", str(file)])


class Stack:
    """One running extender."""

    def __init__(self, kind: Kind, kubeconfig: Path, port: int, directory: Path) -> None:
        self.name = kind.name
        self.url = f"http://127.0.0.1:{port}"
        self._http = urllib3.PoolManager(retries=False, timeout=30)
        arguments = ["--kubeconfig", str(kubeconfig), "--bind", f"127.0.0.1:{port}"]
        log = directory / f"{kind.name}.log"
        self.began = time.monotonic()
        self._process = Process(kind.name, [*kind.command, *arguments], log, kind.environment)

    @property
    def group(self) -> int:
        return self._process.pid

    def wait_ready(self) -> float:
        """Seconds from its start until it says that it is ready."""
        deadline = self.began + _READY_SECONDS
        while not self._ready():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} was not ready after {_READY_SECONDS:.0f} s")
            time.sleep(_POLL)
        return time.monotonic() - self.began

    def ask(self, verb: str, body: bytes) -> object:
        """The answer to one request, decoded."""
        return json.loads(self._http.request("POST", f"{self.url}/{verb}", body=body).data)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._http.clear()

    def _ready(self) -> bool:
        self._process.require_alive()
        try:
            return self._http.request("GET", f"{self.url}/readyz").status == _OK
        except urllib3.exceptions.HTTPError:
            return False


class Api:
    """A running `dev.bench.apiserver`."""

    def __init__(self, shape: Shape, directory: Path) -> None:
        self.directory = directory
        self._port = free_ports(1)[0]
        numbers = map(str, (self._port, shape.nodes, shape.pods, shape.policies))
        command = [str(_PYTHON), "-m", "dev.bench.apiserver", *numbers]
        paths = {"PYTHONPATH": str(_ROOT)}
        self._process = Process("apiserver", command, directory / "apiserver.log", paths)
        wait_for(self._up, seconds=60, what="the static API server")

    def kubeconfig(self, client: str) -> Path:
        """One for each client, so that it can be told from the others."""
        file = self.directory / f"{client}.kubeconfig"
        server = {"server": f"http://127.0.0.1:{self._port}/{client}"}
        written = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "bench",
            "clusters": [{"name": "bench", "cluster": server}],
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
            "users": [{"name": "bench", "user": {"token": "none"}}],
        }
        file.write_text(json.dumps(written))
        return file

    def send_events(self, client: str, rate: int) -> int:
        """From now on so many a second, 0: none; the number sent so far, to whomever."""
        url = f"http://127.0.0.1:{self._port}/events/{client}/{rate}"
        sent: int = json.loads(urllib3.request("POST", url, timeout=30).data)["sent"]
        return sent

    def kill(self) -> None:
        self._process.kill()

    def _up(self) -> bool:
        self._process.require_alive()
        return listening(self._port)


@contextlib.contextmanager
def serving(shape: Shape, directory: Path) -> Iterator[Api]:
    """A static API server with a cluster of this shape."""
    api = Api(shape, directory)
    try:
        yield api
    finally:
        api.kill()


@contextlib.contextmanager
def started(kind: Kind, api: Api) -> Iterator[Stack]:
    """An extender that watches the API server; not waited for."""
    stack = Stack(kind, api.kubeconfig(kind.name), free_ports(1)[0], api.directory)
    try:
        yield stack
    finally:
        stack.kill()
