"""Where built programs are kept, under which key, and who may build into it.

A key covers all that decides the result, so a program found under its key is the right one.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.controlplane.programs import Program

__all__ = ["Cache", "default_root"]


def default_root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "resourcepolicy", "programs")


@dataclass(frozen=True, slots=True)
class Cache:
    root: Path
    go_version: str

    def key(self, program: Program) -> str:
        digest = hashlib.sha256()
        recipe = [self.go_version, *program.build_arguments(Path(program.name))]
        files = [(program.module / name).read_bytes() for name in ("go.mod", "go.sum")]
        for part in [part.encode() for part in recipe] + files:
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()[:16]

    def path(self, program: Program) -> Path:
        return self.root / self.key(program) / program.name

    def missing(self, programs: tuple[Program, ...]) -> tuple[Program, ...]:
        return tuple(program for program in programs if not self.path(program).exists())

    @contextmanager
    def locked(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the build lock; call `waiting` once if somebody else has it."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield  # closing the file unlocks, and so does the death of its process
