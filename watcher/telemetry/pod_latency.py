"""How long pods wait: from the first refusal to the request for nodes, and to the binding.

By a clock of ours: the times of the API are whole seconds. After a restart a pod that already waited counts
from then.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Protocol

from cluster.cache.cache import Cache
from cluster.kube.periodic import repeat
from policy.api.objects import Pod
from policy.scaleup.demand import wants_nodes
from watcher.scaleup.scaleup_status import LatestScaleUpStatus

__all__ = ["LatencySink", "PodLatency"]

_PERIOD = 0.2


class LatencySink(Protocol):
    """Who is told."""

    def requested(self, policy: str, unit: int, seconds: float) -> None:
        """Nodes of the unit were asked for, so long after the pod was first seen without a place."""

    def bound(self, policy: str, place: str, seconds: float) -> None:
        """The pod got a node, in a unit or outside all."""


@dataclass(slots=True)
class PodLatency:
    """One thread's work. `clock` is monotonic."""

    cache: Cache
    latest_status: LatestScaleUpStatus
    clock: Callable[[], float]
    sink: LatencySink
    _since: dict[str, float] = field(default_factory=dict)
    """By uid: when each pod was first seen without a place."""
    _requested: set[str] = field(default_factory=set)

    def run(self, stop: Event) -> None:
        """Round after round until `stop`."""
        repeat("waits", _PERIOD, self.reconcile, stop)

    def reconcile(self) -> None:
        """Look who waits, who was asked for, and who got a node."""
        now = self.clock()
        with self.cache.lock:
            waiting, bound = {}, []
            for pod in self.cache.pods():
                if wants_nodes(pod):
                    waiting[pod.uid] = self._since.get(pod.uid, now)
                elif pod.node_name and pod.uid in self._since:
                    bound.append((pod, self._place(pod)))
        for pod, place in bound:
            if place is not None:
                self.sink.bound(*place, now - self._since[pod.uid])
        self._since = waiting
        self._note_requested(now)

    def _place(self, pod: Pod) -> tuple[str, str] | None:
        policy = self.cache.policies.governing(pod)
        if policy is None:
            return None
        share = self.cache.share(policy, pod.uid)
        return policy.key, "outside" if share is None else str(share.unit)

    def _note_requested(self, now: float) -> None:
        self._requested &= self._since.keys()
        for (policy, unit), growth in self.latest_status.latest().units.items():
            for uid in growth.pods & self._since.keys() - self._requested:
                self._requested.add(uid)
                self.sink.requested(policy, unit, now - self._since[uid])
