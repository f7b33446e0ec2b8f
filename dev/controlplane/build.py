"""Builds what the cache lacks, one program after another, and never half of one.

Facts: two cores gain nothing from parallel builds, as Go uses both; a cold build takes 16 minutes.
"""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from dev.controlplane.build_cache import Cache, default_root
from dev.controlplane.launch import launched
from dev.controlplane.programs import PROGRAMS, Program
from dev.controlplane.progress import Progress
from dev.controlplane.toolchain import Toolchain, find_toolchain

__all__ = ["BuildError", "build"]

TICK = 0.5
UNFINISHED = ".unfinished"
HINT = (
    "Go needs its module proxy (see `go env GOPROXY`) and 9 GB of room for its caches. "
    "Running the command again goes on from here."
)


class BuildError(Exception):
    pass


def build(
    toolchain: Toolchain | None = None,
    root: Path | None = None,
    programs: tuple[Program, ...] = PROGRAMS,
) -> dict[str, Path]:
    """The path of every program by name; those not in the cache are built first."""
    toolchain = toolchain or find_toolchain()
    cache = Cache(root or default_root(), toolchain.version)
    if missing := cache.missing(programs):
        progress = Progress(sys.stderr, len(missing))
        with cache.locked(lambda: progress.note("waiting for another build to end ...")):
            for program in missing:
                _build_one(program, cache.path(program), toolchain, progress)
    return {program.name: cache.path(program) for program in programs}


def _build_one(program: Program, path: Path, toolchain: Toolchain, progress: Progress) -> None:
    progress.start(program.name)
    if path.exists():  # another build was faster
        progress.end("found")
        return
    # Under the lock, so whatever is there was left by a build that was killed.
    workshop = path.parent.with_suffix(UNFINISHED)
    shutil.rmtree(workshop, ignore_errors=True)
    workshop.mkdir()
    try:
        log = path.parents[1] / f"{program.name}.log"
        _run_go(program, workshop, log, toolchain, progress)
        path.parent.mkdir(exist_ok=True)
        (workshop / program.name).replace(path)
    except BaseException:
        progress.end("failed")
        raise
    finally:
        shutil.rmtree(workshop)
    progress.end("built")


def _run_go(program: Program, workshop: Path, log: Path, toolchain: Toolchain, progress: Progress) -> None:
    # In a copy, as -mod=mod may write to go.mod, and a checkout's version control is no concern.
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(program.module / name, workshop / name)
    with log.open("w") as output:
        go = subprocess.Popen(
            launched([str(toolchain.go), *program.build_arguments(workshop / program.name)]),
            cwd=workshop,
            env=toolchain.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        try:
            status = _wait(go, progress)
        except BaseException:
            # The whole group: Go's compilers would outlive it.
            with suppress(ProcessLookupError):
                os.killpg(go.pid, signal.SIGKILL)
            go.wait()
            raise
    if status:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise BuildError(f"{program.name} could not be built:\n{tail}\n\n{HINT}\nAll output: {log}")


def _wait(go: subprocess.Popen[bytes], progress: Progress) -> int:
    while True:
        try:
            return go.wait(TICK)
        except subprocess.TimeoutExpired:
            progress.tick()
