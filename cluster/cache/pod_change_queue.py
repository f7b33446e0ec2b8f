"""A queue of changed pods, for a thread that acts on each pod as soon as it is bound."""

from collections.abc import Collection
from threading import Event, Lock

from policy.api.objects import Pod

__all__ = ["PodChangeQueue"]

_MOST = 1_000
"""Above this many pods all are dropped, and every pod counts as changed: only the leader drains the queue."""


class PodChangeQueue:
    """The informers add, one other thread takes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._some = Event()
        self._pods: dict[str, Pod] = {}
        self._all = False

    def pod(self, pod: Pod) -> None:
        """Add a pod as it is now."""
        with self._lock:
            self._pods[pod.uid] = pod
            if len(self._pods) > _MOST:
                self._pods, self._all = {}, True
            self._some.set()

    def everything(self) -> None:
        """Every pod may have changed."""
        with self._lock:
            self._all = True
            self._some.set()

    def wait(self, seconds: float) -> None:
        """Block until there is a change, for so long at most."""
        self._some.wait(seconds)

    def take(self) -> Collection[Pod] | None:
        """Remove and return the changed pods, each in its last version; None: every pod may have changed."""
        with self._lock:
            changed = None if self._all else self._pods.values()
            self._pods, self._all = {}, False
            self._some.clear()
            return changed
