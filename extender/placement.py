"""Writes on placed pods what their policy wants there: the deletion cost (L2).

Owns when a pod is patched: once, with all that it lacks, and again only if the watch does not show it. Must
not know which rule wants what: that is in `policy.placement`.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from threading import Event

from extender.cache import Cache
from extender.connection import ApiError, Connection, Unreachable
from extender.rounds import repeat
from policy.match import is_sent
from policy.objects import Pod
from policy.placement import Change, changes
from policy.resourcepolicy import ResourcePolicy

__all__ = ["Placement"]

log = logging.getLogger(__name__)

_PERIOD = 0.2
_AT_ONCE = 50
"""Patches in one round. Adopting thousands of pods must not crowd out the API server's other clients."""
_AGAIN = 5.0
"""Seconds after which a patch is repeated that the watch does not show."""
_REFUSED_AGAIN = 60.0
_RECORDED_WITHIN = 10.0
"""Seconds that the server has to write a pod's record (L3): then the pod's node decides (U5)."""
_GONE = (404, 409)
"""The pod is deleted, or another one has its name."""


@dataclass(slots=True)
class Placement:
    """One thread's work. `clock` is monotonic."""

    connection: Connection
    cache: Cache
    clock: Callable[[], float]
    managed_resources: Collection[str]
    _again_at: dict[str, tuple[Change, float]] = field(default_factory=dict)
    """By uid: what was written last, and when it may be written again."""
    _bound_since: dict[str, float] = field(default_factory=dict)
    """By uid: when each pod that lacks its record was first seen on a node."""

    def run(self, stop: Event) -> None:
        """Write what is due, round after round, until `stop`."""
        repeat("placement", _PERIOD, self.round, stop)

    def round(self) -> None:
        """Write what is due now; the rest, and what could not be written, is due in the next round."""
        for change in self._due()[:_AT_ONCE]:
            try:
                wait = self._patch(change)
            except Unreachable as error:
                log.warning("placed pods are not written: %s", error)
                return
            self._again_at[change.pod.uid] = change, self.clock() + wait

    def _due(self) -> list[Change]:
        now = self.clock()
        with self.cache.lock:
            pods = self.cache.pods()
            before, self._bound_since = self._bound_since, {}

            def may_be_recorded(pod: Pod) -> bool:
                since = self._bound_since[pod.uid] = before.get(pod.uid, now)
                return now - since < _RECORDED_WITHIN

            wanted = list(changes(pods, self._governing, self.cache, may_be_recorded))
        self._again_at = {uid: (last, at) for uid, (last, at) in self._again_at.items() if now < at}
        return [change for change in wanted if not self._is_written(change)]

    def _governing(self, pod: Pod) -> ResourcePolicy | None:
        sent = is_sent(pod, self.managed_resources)
        return self.cache.policies.governing(pod) if sent else None

    def _is_written(self, change: Change) -> bool:
        last = self._again_at.get(change.pod.uid)
        return last is not None and last[0].annotations == change.annotations

    def _patch(self, change: Change) -> float:
        """Write, and tell for how long the same need not be written again."""
        pod = change.pod
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
        try:
            # The uid makes the API server refuse another pod of the same name.
            metadata = {"uid": pod.uid, "annotations": change.annotations}
            self.connection.patch(path, {"metadata": metadata})
        except ApiError as error:
            if error.status in _GONE:
                return _AGAIN
            # One pod that cannot be written, by an admission policy perhaps, must not stop the rest.
            log.warning("%s/%s could not be patched: %s", pod.namespace, pod.name, error)
            return _REFUSED_AGAIN
        log.info("%s/%s: %s", pod.namespace, pod.name, _words(change))
        return _AGAIN


def _words(change: Change) -> str:
    written = (f"{key}={value}" for key, value in change.annotations.items() if value is not None)
    removed = (f"{key} removed" for key, value in change.annotations.items() if value is None)
    return ", ".join((*written, *removed))
