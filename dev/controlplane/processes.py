"""Starting programs, knowing whether they live, killing them by handle; free ports for them.

A program has its own process group, so that Ctrl-C in a terminal reaches only us, who then decide.
"""

import os
import random
import socket
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

from dev.controlplane.launch import launched

__all__ = ["Process", "ProgramExitedError", "free_ports", "listening"]

# Below the ephemeral ports, so that no outgoing connection takes one before its program starts, or
# while it restarts.
PORTS = range(20000, 32000)
SHUTDOWN_SECONDS = 60

# A program dies with the thread that started it: this one lasts as long as the interpreter.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")


class ProgramExitedError(Exception):
    pass


class Process:
    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        starting = _STARTER.submit(_start, command, log, {**os.environ, **environment})
        try:
            self._popen = starting.result()
        except KeyboardInterrupt:  # it starts all the same, and nobody would have its handle
            self._popen = starting.result()
            self.kill()
            raise

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    def kill(self) -> None:
        """SIGKILL, as a crash does: on SIGTERM the autoscaler would delete all of its nodes."""
        self._popen.kill()
        self._popen.wait()

    def terminate(self) -> int:
        """SIGTERM, as a shutdown does, and an error if it goes on for too long; its exit code."""
        self._popen.terminate()
        return self._popen.wait(SHUTDOWN_SECONDS)

    def require_alive(self) -> None:
        if not self.alive:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])
            status = self._popen.returncode
            raise ProgramExitedError(f"{self.name} exited with {status}, see {self.log}:\n{tail}")


def _start(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:  # appended to, so that a restart keeps what came before
        return subprocess.Popen(
            launched(command),
            cwd=log.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )


def free_ports(count: int) -> list[int]:
    """Different loopback ports on which nothing listens."""
    ports: list[int] = []
    with ExitStack() as held:
        for port in random.sample(PORTS, len(PORTS)):
            if len(ports) == count:
                break
            candidate = held.enter_context(socket.socket())
            with suppress(OSError):
                candidate.bind(("127.0.0.1", port))
                ports.append(port)
    return ports


def listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
