"""The programs of one plane: which run, and starting and stopping each by its name."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dev.controlplane.commands import Command
from dev.controlplane.processes import Process

__all__ = ["ProgramSet"]


class ProgramSet:
    def __init__(self, paths: Mapping[str, Path], commands: Mapping[str, Command], directory: Path) -> None:
        self._paths = paths
        self._commands = commands
        self._directory = directory
        self._flags: dict[str, Sequence[str]] = dict.fromkeys(commands, ())
        self._running: dict[str, Process] = {}  # in order of their start

    def log(self, name: str) -> Path:
        return self._directory / f"{name}.log"

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def start(self, name: str, *flags: str) -> None:
        """With the flags of its last start, or new ones, after those that it always has."""
        if name in self._running:
            raise ValueError(f"{name} runs already")
        self._flags[name] = flags or self._flags[name]
        command = self._commands[name]
        arguments = [str(self._paths[name]), *command.arguments, *self._flags[name]]
        self._running[name] = Process(name, arguments, self.log(name), command.environment)

    def kill(self, name: str) -> None:
        self._running.pop(name).kill()

    def terminate(self, name: str) -> None:
        self._running.pop(name).terminate()

    def kill_all(self) -> None:
        while self._running:
            # Forgotten only once it is dead, so that a Ctrl-C in between loses no handle.
            name, process = next(reversed(self._running.items()))
            process.kill()
            del self._running[name]

    def require_alive(self) -> None:
        for process in self._running.values():
            process.require_alive()
