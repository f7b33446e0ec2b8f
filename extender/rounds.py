"""A thread that does one thing again and again.

Owns its pace, its end, and that a bug in one round does not end it; must not know what a round does.
"""

import logging
from collections.abc import Callable
from threading import Event, Thread

__all__ = ["Rounds"]

log = logging.getLogger(__name__)


class Rounds:
    """`seconds` lie between the end of one round and the next."""

    def __init__(self, name: str, seconds: float, once: Callable[[], None]) -> None:
        self._seconds = seconds
        self._once = once
        self._stop = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the thread."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self._once()
            except Exception:
                log.exception("%s: a bug; going on", self._thread.name)
