"""What is seen of a build, on a terminal and in a log."""

import io

import pytest

from dev.controlplane.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def shown(stream: io.StringIO, ticks: int) -> str:
    clock = Clock()
    progress = Progress(stream, 2, clock)
    for program in ("etcd", "kwok"):
        progress.start(program)
        for _ in range(ticks):
            clock.now += 20
            progress.tick()
        progress.end("built")
    return stream.getvalue()


def test_a_log_gets_a_line_at_the_start_and_the_end_and_every_half_minute() -> None:
    assert shown(io.StringIO(), 3).splitlines()[:3] == [
        "[1/2] etcd: building ...",
        "[1/2] etcd: building ... 40 s",
        "[1/2] etcd: built after 60 s",
    ]


def test_a_terminal_gets_one_line_per_program() -> None:
    lines = shown(Terminal(), 3).split("\n")
    assert len(lines) == 3
    assert lines[0].count("\r") == 5
    assert lines[1].endswith("[2/2] kwok: built after 60 s\x1b[K")


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()], ids=["log", "terminal"])
def test_every_line_begins_with_which_of_how_many(stream: io.StringIO) -> None:
    parts = shown(stream, 1).replace("\r", "\n").split("\n")
    assert all(part.startswith(("[1/2]", "[2/2]")) for part in parts if part)
