"""Our two programs on a control plane, each with the rights of its own service account, and no more.

Used by
the demo and by tests/conformance.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.error import URLError
from urllib.request import urlopen

import yaml

from dev.controlplane import ControlPlane
from dev.controlplane.processes import Process

__all__ = ["EXTENDER", "MANIFESTS", "WATCHER", "Programs", "Settings"]

MANIFESTS = Path(__file__).parents[2] / "manifests"
INSTALLED = ("namespace", "crd", "rbac")  # not the deployment: the programs run beside the plane's
NAMESPACE = "resourcepolicy"
EXTENDER = "resourcepolicy-extender"
WATCHER = "resourcepolicy-watcher"
READY_SECONDS = 30.0

Settings = Mapping[str, Any]
Answer = TypeVar("Answer")


class Programs:
    """Use as a context inside the plane's: it stops what it started.

    A program is named for its service account, EXTENDER or WATCHER. Its log is `log(name)`, in the
    plane's directory. `settings` is what config/extender.yaml may hold.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._running: dict[str, Process] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def extender_url(self) -> str:
        host, port = self._plane.extender_address
        return f"http://{host}:{port}"

    def log(self, name: str) -> Path:
        return self._plane.directory / f"{name}.log"

    def install(self) -> None:
        """Namespace, CRD and RBAC; again does no harm."""
        for name in INSTALLED:
            self._plane.api.apply(yaml.safe_load_all((MANIFESTS / f"{name}.yaml").read_text()))

    def start_extender(self, settings: Settings | None = None) -> None:
        """Start `resourcepolicy serve` where the plane's scheduler expects it, and wait until it is ready."""
        host, port = self._plane.extender_address
        self._start(EXTENDER, settings, "serve", "--verbose", "--bind", f"{host}:{port}")
        self.wait(self._extender_is_ready, what="the extender to be ready", seconds=READY_SECONDS)

    def start_watcher(self, settings: Settings | None = None) -> None:
        """Start `resourcepolicy watch`, without waiting: it answers nobody."""
        self._start(WATCHER, settings, "watch", "--verbose")

    def kill(self, name: str) -> None:
        """As a crash: SIGKILL, to the worker of gunicorn as well."""
        process = self._running[name]
        if process.alive:  # so the number is still its own; a program leads its process group
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        del self._running[name]

    def terminate(self, name: str) -> None:
        """As a shutdown: SIGTERM."""
        self._running[name].terminate()
        del self._running[name]

    def stop(self) -> None:
        """Kill what runs, last started first."""
        while self._running:
            self.kill(next(reversed(self._running)))

    def wait(self, question: Callable[[], Answer | None], *, what: str, seconds: float) -> Answer:
        """As `ControlPlane.wait`; the death of one of these programs ends it, too."""

        def asked() -> Answer | None:
            self.require_alive()
            return question()

        return self._plane.wait(asked, what=what, seconds=seconds)

    def require_alive(self) -> None:
        for process in self._running.values():
            process.require_alive()

    def _start(self, name: str, settings: Settings | None, verb: str, *flags: str) -> None:
        if name in self._running:
            raise ValueError(f"{name} runs already")
        kubeconfig = self._plane.service_account_kubeconfig(NAMESPACE, name)
        command = [
            str(Path(sys.executable).with_name("resourcepolicy")),
            verb,
            "--kubeconfig",
            str(kubeconfig),
        ]
        if settings is not None:
            command += ["--config", str(self._written(name, settings))]
        self._running[name] = Process(name, [*command, *flags], self.log(name), {})

    def _written(self, name: str, settings: Settings) -> Path:
        path = self._plane.directory / f"{name}.settings.yaml"
        path.write_text(json.dumps(settings))  # JSON is YAML
        return path

    def _extender_is_ready(self) -> bool:
        try:
            with urlopen(f"{self.extender_url}/readyz", timeout=1) as answer:  # noqa: S310  our own loopback
                ready: bool = answer.status == 200  # noqa: PLR2004
                return ready
        except (URLError, OSError):
            return False
