"""Extender and watcher on one control plane, started and stopped together."""

from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

from dev.controlplane import ControlPlane
from dev.harness.extender import EXTENDER, Extender
from dev.harness.program import Program, Settings, install
from dev.harness.watcher import WATCHER

__all__ = ["Programs"]

Answer = TypeVar("Answer")


class Programs:
    """Use as a context inside the plane's: it stops what it started.

    A program is named for its service account, EXTENDER or WATCHER.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._running: dict[str, Program] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def extender_url(self) -> str:
        """Where the plane's scheduler asks."""
        host, port = self._plane.extender_address
        return f"http://{host}:{port}"

    def log(self, name: str) -> Path:
        """Of a program, all its starts."""
        return self._plane.directory / f"{name}.log"

    def install(self, *optional: str) -> None:
        """Namespace, CRD and rights, and `optional` manifests by name."""
        install(self._plane, *optional)

    def start_extender(self, settings: Settings | None = None) -> None:
        """Start `resourcepolicy serve` where the plane's scheduler asks, and wait until it is ready."""
        extender = Extender(self._plane, EXTENDER)
        self._running[EXTENDER] = extender
        extender.start(**(settings or {}))

    def start_watcher(self, settings: Settings | None = None) -> None:
        """Start `resourcepolicy watch`, without waiting: it answers nobody."""
        watcher = Program(self._plane, "watch", WATCHER, WATCHER)
        self._running[WATCHER] = watcher
        watcher.begin(settings or {})

    def kill(self, name: str) -> None:
        """As a crash."""
        self._running.pop(name).kill()

    def stop(self) -> None:
        """Kill what runs, last started first."""
        while self._running:
            self.kill(next(reversed(self._running)))

    def wait(self, question: Callable[[], Answer | None], *, what: str, seconds: float) -> Answer:
        """As `ControlPlane.wait`; the death of one of these programs ends it, too."""

        def answer() -> Answer | None:
            self.require_alive()
            return question()

        return self._plane.wait(answer, what=what, seconds=seconds)

    def require_alive(self) -> None:
        """Raise with the end of the log of a program that died."""
        for program in self._running.values():
            program.require_alive()
