"""docs/five-minutes.md as a test: a new user's walk, each command run in order, each output compared.

The page is right or this fails.
"""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/five-minutes.md").read_text()
_BLOCK = re.compile(r"^```(?P<kind>yaml (?P<file>\S+)|console)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """What is typed, and what is read."""

    typed: str
    read: str


def walk() -> list[Command | tuple[str, str]]:
    """The page in order: files to write, and commands."""
    found: list[Command | tuple[str, str]] = []
    for block in _BLOCK.finditer(PAGE):
        if block["file"]:
            found.append((block["file"], block["text"]))
        else:
            found += [Command(*match.groups()) for match in _COMMAND.finditer(block["text"])]
    return found


def run(typed: str, directory: Path) -> str:
    """As a user of this checkout's environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "80"}
    return subprocess.run(  # noqa: S602  the page's commands are ours
        typed,
        shell=True,
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    ).stdout


def agrees(shown: Sequence[str], real: Sequence[str]) -> bool:
    """Line by line; `...` stands for any number of lines."""
    if not shown:
        return not real
    if shown[0] == "...":
        return any(agrees(shown[1:], real[skipped:]) for skipped in range(len(real) + 1))
    return bool(real) and shown[0] == real[0] and agrees(shown[1:], real[1:])


def test_the_walk_is_as_it_is_told(tmp_path: Path) -> None:
    for step in walk():
        if isinstance(step, tuple):
            name, text = step
            (tmp_path / name).write_text(text)
            continue
        real = run(step.typed, tmp_path)
        assert agrees(step.read.splitlines(), real.splitlines()), f"$ {step.typed}\n{real}"


def test_the_walk_goes_through_every_command_for_authors() -> None:
    typed = " ".join(step.typed for step in walk() if isinstance(step, Command))
    for part in (
        "--help",
        "lint web.yaml",
        "simulate --policy",
        "--compare",
        "-o html",
        "--add-nodes",
        "--nodes-start",
        "status web",
        "explain web-4",
        "--snapshot -",
    ):
        assert part in typed


@pytest.mark.parametrize(
    ("shown", "real", "expected"),
    [
        pytest.param(["a", "..."], ["a", "b", "c"], True, id="dots stand for lines"),
        pytest.param(["a", "...", "c"], ["a", "c"], True, id="or for none"),
        pytest.param(["a"], ["a", "b"], False, id="a line too many"),
        pytest.param(["a", "b"], ["a"], False, id="a line too few"),
    ],
)
def test_dots_in_an_output(shown: list[str], real: list[str], *, expected: bool) -> None:
    assert agrees(shown, real) is expected
