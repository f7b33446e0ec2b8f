"""Virtual time: what is to happen next, and when."""

from collections.abc import Callable
from heapq import heappop, heappush

__all__ = ["EPOCH", "Loop"]

EPOCH = 1_000_000_000.0
"""Events count from here: a Unix time, as every clock of the real code is one."""
_BEFORE = 10.0
"""Seconds in which everything starts before the first event."""


class Loop:
    """A queue of callbacks and the time of the one that runs."""

    __slots__ = ("_queue", "_serial", "now")

    def __init__(self) -> None:
        self.now = EPOCH - _BEFORE
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0

    def clock(self) -> float:
        """Unix seconds."""
        return self.now

    def at(self, time: float, call: Callable[[], None]) -> None:
        """Call back at a time, or at once if that is past."""
        self._serial += 1
        heappush(self._queue, (max(time, self.now), self._serial, call))

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Call back so much later."""
        self.at(self.now + seconds, call)

    def run(self, until: float) -> None:
        """Run everything up to and including a time."""
        queue = self._queue
        while queue and queue[0][0] <= until:
            self.now, _, call = heappop(queue)
            call()
        self.now = until
