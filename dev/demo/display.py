"""Where the story is shown: a table that is kept up to date on a terminal, lines on anything else.

A reader that goes away, a closed terminal or `head`, ends the demo as Ctrl-C does.
"""

from contextlib import suppress
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live

from dev.demo.model import Scene
from dev.demo.view import lines, phase_lines, table

__all__ = ["Display", "say"]

FRAME_SECONDS = 0.1


class Display:
    """A context during which a scene is shown; what it showed last remains."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._told = 0
        self._drawn = -FRAME_SECONDS

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            with suppress(OSError):  # nobody is there to see it
                self._live.stop()

    def show(self, scene: Scene, *, last: bool = False) -> None:
        """Print what is new in `scene`; ten times a second is enough for the table."""
        told = phase_lines(scene) if self._live else lines(scene)
        for line in told[self._told :]:
            say(self._console, line, style="bold" if self._live else "")
        self._told = len(told)
        if self._live and (last or scene.now - self._drawn >= FRAME_SECONDS):
            self._drawn = scene.now
            with _reader():
                self._live.update(table(scene), refresh=True)


def say(console: Console, text: str, style: str = "") -> None:
    """A line as it is: neither wrapped on a pipe nor taken for markup."""
    with _reader():
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
        console.file.flush()


class _reader:  # noqa: N801  reads as a statement
    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError | SystemExit):  # rich makes the latter of a broken pipe
            raise KeyboardInterrupt from error
