"""Pods that changed since somebody last looked, for one who acts on each as soon as it is bound."""

from collections.abc import Collection
from threading import Event, Lock

from policy.api.objects import Pod

__all__ = ["PodChangeQueue"]

_MOST = 1_000
"""Pods that are kept: nobody takes them from one who does not lead."""


class PodChangeQueue:
    """Told by the informers, taken by one other thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._some = Event()
        self._pods: dict[str, Pod] = {}
        self._all = False

    def pod(self, pod: Pod) -> None:
        """It is as this now."""
        with self._lock:
            self._pods[pod.uid] = pod
            if len(self._pods) > _MOST:
                self._pods, self._all = {}, True
            self._some.set()

    def everything(self) -> None:
        """So much may have changed that every pod is to be looked at."""
        with self._lock:
            self._all = True
            self._some.set()

    def wait(self, seconds: float) -> None:
        """Until there is some, or for so long."""
        self._some.wait(seconds)

    def take(self) -> Collection[Pod] | None:
        """What changed since the last time, each pod as it was told last; None: everything may have."""
        with self._lock:
            told = None if self._all else self._pods.values()
            self._pods, self._all = {}, False
            self._some.clear()
            return told
