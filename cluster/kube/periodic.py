"""A function called again and again until it is told to stop. An exception in one call does not end it."""

import logging
from collections.abc import Callable
from threading import Event, Thread
from time import monotonic

__all__ = ["PeriodicTask", "repeat"]

log = logging.getLogger(__name__)


def repeat(
    name: str,
    seconds: float,
    once: Callable[[], None],
    stop: Event,
    ends: Callable[[float], bool] | None = None,
) -> None:
    """Again and again in this thread, until `stop`; `seconds`, at least, lie between one and the next.

    In a cluster so large that a round takes longer, others get as much time as it took: one lock serves all.
    `ends` may stand for that pause, be over sooner, and tell whether `stop` is.
    """
    pause = seconds
    while not (ends or stop.wait)(pause):
        began = monotonic()
        try:
            once()
        except Exception:
            log.exception("%s: a bug; going on", name)
        pause = max(seconds, monotonic() - began)


class PeriodicTask:
    """`repeat` in a thread of its own."""

    def __init__(self, name: str, seconds: float, once: Callable[[], None]) -> None:
        self._stop = Event()
        self._thread = Thread(target=repeat, args=(name, seconds, once, self._stop), name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the thread."""
        self._stop.set()
        self._thread.join(timeout=5)
