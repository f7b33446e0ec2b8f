"""The Go programs of the benchmark, built into the user's cache as the control plane's are.

Facts: the peer shares its dependencies with the scheduler's build, so it is built in seconds after that.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

import click

from dev.controlplane.build_cache import Cache, default_root
from dev.controlplane.launch import launched
from dev.controlplane.programs import Program
from dev.controlplane.toolchain import Toolchain, find_toolchain

__all__ = ["CLIENT", "PEER", "build"]

_HERE = Path(__file__).parent
_FLAGS = ("-buildvcs=false", "-mod=readonly")
CLIENT = Program("bench-client", _HERE / "go", ".", flags=_FLAGS)
PEER = Program("bench-peer", _HERE / "peer", ".", flags=_FLAGS)


def build() -> tuple[Path, Path]:
    """The paths of the client and the peer; what the cache lacks is built first."""
    toolchain = find_toolchain()
    cache = Cache(default_root(), toolchain.version)
    with cache.locked(lambda: click.echo("waiting for another build to end ...", err=True)):
        return _built(CLIENT, toolchain), _built(PEER, toolchain)


def _built(program: Program, toolchain: Toolchain) -> Path:
    path = default_root() / _key(program, toolchain) / program.name
    if not path.exists():
        click.echo(f"building {program.name} ...", err=True)
        path.parent.mkdir(exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        command = launched([str(toolchain.go), *program.build_arguments(unfinished)])
        subprocess.run(command, cwd=program.module, env=toolchain.environment, stdout=sys.stderr, check=True)
        unfinished.replace(path)
    return path


def _key(program: Program, toolchain: Toolchain) -> str:
    digest = hashlib.sha256()
    recipe = [toolchain.version, *program.build_arguments(Path(program.name))]
    sources = sorted(file for file in program.module.iterdir() if file.suffix in {".go", ".mod", ".sum"})
    texts = [text for file in sources for text in (file.name.encode(), file.read_bytes())]
    for part in [part.encode() for part in recipe] + texts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]
