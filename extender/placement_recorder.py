"""Writes down on each placed pod the unit it was placed through (L3), so that a restart counts it there."""

from collections.abc import Callable
from itertools import islice

from cluster.cache.cache import Cache
from cluster.kube.periodic import PeriodicTask
from policy.api.objects import Pod

__all__ = ["PlacementRecorder"]

_PERIOD = 0.2
_AT_ONCE = 100


class PlacementRecorder:
    """One thread. `write` annotates a pod with its record, and says whether that is done."""

    def __init__(self, cache: Cache, write: Callable[[Pod, str], bool]) -> None:
        self._cache = cache
        self._write = write
        rounds = PeriodicTask("recorder", _PERIOD, self.round)
        self.start, self.stop = rounds.start, rounds.stop

    def round(self) -> None:
        """Write the records that are due; one that could not be written stays due."""
        with self._cache.lock:
            due = list(islice(self._cache.placement_records.unrecorded.items(), _AT_ONCE))
        for uid, (pod, record) in due:
            if not self._write(pod, record):
                return
            with self._cache.lock:
                self._cache.placement_records.unrecorded.pop(uid, None)
