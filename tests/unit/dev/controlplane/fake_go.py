"""A `go` that answers and fails as told by its environment, and writes down how it was called."""

from dataclasses import dataclass
from pathlib import Path

from dev.controlplane.toolchain import Toolchain

__all__ = ["FakeGo", "fake_go"]

# `build`: says that it began, waits while the file `hold` is there, leaves half an output, fails if
# the file `fail` is there, else leaves a whole one.
SCRIPT = """#!/bin/sh
here=$(dirname "$0")
if [ "$1" = version ]; then echo "go version {version} linux/amd64"; exit; fi
echo "$@" >> "$here/calls"
while [ "$1" != -o ]; do shift; done
echo half > "$2"
while [ -e "$here/hold" ]; do sleep 0.02; done
if [ -e "$here/fail" ]; then echo "no such module"; exit 1; fi
echo whole > "$2"
"""


@dataclass(frozen=True, slots=True)
class FakeGo:
    directory: Path

    @property
    def toolchain(self) -> Toolchain:
        return Toolchain(self.directory / "go", "go version go1.26.8 linux/amd64")

    @property
    def calls(self) -> list[str]:
        calls = self.directory / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def hold(self) -> None:
        (self.directory / "hold").touch()

    def go_on(self) -> None:
        (self.directory / "hold").unlink()

    def fail(self) -> None:
        (self.directory / "fail").touch()


def fake_go(directory: Path, version: str = "go1.26.8") -> FakeGo:
    directory.mkdir(parents=True, exist_ok=True)
    go = directory / "go"
    go.write_text(SCRIPT.format(version=version))
    go.chmod(go.stat().st_mode | 0o111)
    return FakeGo(directory)
