"""Pods that overflowed: placed in a later unit than the first, or outside all (O3 to O7, U6).

Each is counted once, when it is placed. What was placed before we
looked was counted by whoever looked then.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from threading import Event

from cluster.cache.cache import Cache
from cluster.kube.periodic import repeat
from policy.api.objects import Pod
from policy.podmetadata.desired_metadata import RECORDED_WITHIN, lacks_record, unit_of_pod
from policy.scheduling.matching import is_managed

__all__ = ["OverflowCounter"]

_PERIOD = 1.0


@dataclass(slots=True)
class OverflowCounter:
    """One thread's work. `clock` gives Unix seconds, `count` takes the policy's key and the place."""

    cache: Cache
    managed_resources: Collection[str]
    clock: Callable[[], float]
    count: Callable[[str, str], None]
    _counted: set[str] | None = None
    """The uids of placed pods that were looked at; None before the first look."""

    def run(self, stop: Event) -> None:
        """Round after round until `stop`."""
        self._counted = None  # another leader may have counted meanwhile
        repeat("overflow", _PERIOD, self.reconcile, stop)

    def reconcile(self) -> None:
        """Count who was placed since."""
        with self.cache.lock:
            placed = {pod.uid: pod for pod in self.cache.pods() if _is_placed(pod)}
            before = placed.keys() if self._counted is None else self._counted & placed.keys()
            new = [placed[uid] for uid in placed.keys() - before]
            counted = [pod for pod in new if not self._is_open(pod)]
            places = list(filter(None, map(self._beyond_the_first, counted)))
        self._counted = {*before, *(pod.uid for pod in counted)}
        for policy, place in places:
            self.count(policy, place)

    def _is_open(self, pod: Pod) -> bool:
        """Whether its record, which may be on its way, is what tells its unit."""
        policy = self.cache.policies.governing(pod)
        lately = self.clock() - (pod.bound_at or pod.created) < RECORDED_WITHIN
        return policy is not None and lately and lacks_record(pod, policy, self.cache)

    def _beyond_the_first(self, pod: Pod) -> tuple[str, str] | None:
        policy = self.cache.policies.governing(pod) if is_managed(pod, self.managed_resources) else None
        place = None if policy is None else unit_of_pod(pod, policy, self.cache)
        if policy is None or not place:
            return None
        return policy.key, str(place) if place < len(policy.units) else "outside"


def _is_placed(pod: Pod) -> bool:
    return bool(pod.node_name) and not pod.finished
