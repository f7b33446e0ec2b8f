"""Writes down on each placed pod the unit it was placed through (L3), so that a restart counts it there.

Owns when the record is written: once, soon after the binding, never in the way of a decision. Must not know
how the unit was found.
"""

import logging
from collections.abc import Callable
from itertools import islice
from threading import Event, Thread

from extender.cache import Cache
from policy.objects import Pod

__all__ = ["Recorder"]

log = logging.getLogger(__name__)

_PERIOD = 0.2
_AT_ONCE = 100


class Recorder:
    """One thread. `write` annotates a pod with its record, and says whether that is done."""

    def __init__(self, cache: Cache, write: Callable[[Pod, str], bool]) -> None:
        self._cache = cache
        self._write = write
        self._stop = Event()
        self._thread = Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the thread."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(_PERIOD):
            try:
                self.round()
            except Exception:
                log.exception("recorder: a bug; going on")

    def round(self) -> None:
        """Write the records that are due; one that could not be written stays due."""
        with self._cache.lock:
            due = list(islice(self._cache.unrecorded.items(), _AT_ONCE))
        for uid, (pod, record) in due:
            if not self._write(pod, record):
                return
            with self._cache.lock:
                self._cache.unrecorded.pop(uid, None)
