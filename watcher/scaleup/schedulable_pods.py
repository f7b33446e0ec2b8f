"""Pods that stay pending though a node is free for them, as far as we can tell.

Owns since when; must not know what is done about it. kube-scheduler has filters that `policy.fit` does not
copy, such as affinity between pods, spreading, volumes and host ports. cluster-autoscaler has them all, and
buys nothing for a pod that fits: so such a pod is better seen by it than held.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from policy.api.objects import Pod
from policy.scaleup.demand import wants_nodes
from policy.scaleup.planner import plan
from watcher.scaleup.cluster_state import ClusterState
from watcher.scaleup.request_tracker import RequestTracker

__all__ = ["SchedulablePods"]

_LANDING = 60.0
"""Seconds that the scheduler has to use a free node: several times its longest back-off."""


@dataclass(slots=True)
class SchedulablePods:
    """`look` now and then, and ask any time."""

    uids: frozenset[str] = frozenset()
    _since: dict[str, float] = field(default_factory=dict)

    def look(self, state: ClusterState, memory: RequestTracker) -> list[Pod]:
        """Note who has a free node now; those for whom it has been so too long since this look."""
        seated = {pod.uid: pod for pod in _seated(state, memory)}
        self._since = {uid: self._since.get(uid, state.now) for uid in seated}
        before = self.uids
        self.uids = frozenset(uid for uid, since in self._since.items() if state.now - since >= _LANDING)
        return [seated[uid] for uid in sorted(self.uids - before)]


def _seated(state: ClusterState, memory: RequestTracker) -> Iterator[Pod]:
    for governed in state.governed.values():
        pending = [pod for pod in governed.open if wants_nodes(pod)]
        asked = memory.awaiting(governed, state.requests)
        found = plan(governed.policy, pending, state.view, state.now, asked, grows=lambda *_: False)
        yield from (pod for pod, _ in found.schedulable)
