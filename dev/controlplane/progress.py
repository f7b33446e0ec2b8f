"""What a person sees of a long build: which of how many, and for how long.

A terminal gets one line that is kept up to date, anything else a plain line now and then.
"""

import time
from collections.abc import Callable
from typing import TextIO

__all__ = ["Progress"]

PLAIN_INTERVAL = 30.0


class Progress:
    def __init__(self, stream: TextIO, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._total = total
        self._clock = clock
        self._live = stream.isatty()
        self._number = 0
        self._what = ""
        self._started = self._said = clock()

    def start(self, what: str) -> None:
        self._number += 1
        self._what = what
        self._started = self._said = self._clock()
        self._say("building ...")

    def tick(self) -> None:
        if self._live or self._clock() - self._said >= PLAIN_INTERVAL:
            self._say(f"building ... {self._elapsed()}")

    def end(self, outcome: str) -> None:
        self._say(f"{outcome} after {self._elapsed()}")
        if self._live:
            self._stream.write("\n")
            self._stream.flush()

    def note(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def _elapsed(self) -> str:
        return f"{self._clock() - self._started:.0f} s"

    def _say(self, text: str) -> None:
        line = f"[{self._number}/{self._total}] {self._what}: {text}"
        # \x1b[K clears what a longer line left behind.
        self._stream.write(f"\r{line}\x1b[K" if self._live else f"{line}\n")
        self._stream.flush()
        self._said = self._clock()
