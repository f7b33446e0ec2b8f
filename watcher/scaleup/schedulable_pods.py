"""Pods that stay pending though a node is free for them, as far as we can tell.

kube-scheduler has filters that `policy.scheduling.node_fit` does not copy: affinity between pods, spreading,
volumes, host ports. cluster-autoscaler has them all, and buys nothing for a pod that fits: so it is better
that it sees such a pod than that we hold it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from policy.api.objects import Pod
from policy.scaleup.demand import wants_nodes
from policy.scaleup.planner import plan
from watcher.scaleup.cluster_state import ClusterState

__all__ = ["SchedulablePods"]

_BINDING_GRACE = 60.0
"""Seconds that the scheduler has to use a free node: several times its longest back-off."""


@dataclass(slots=True)
class SchedulablePods:
    """`uids` are the pods for which a node has been free for too long."""

    uids: frozenset[str] = frozenset()
    _since: dict[str, float] = field(default_factory=dict)

    def update(self, state: ClusterState) -> list[Pod]:
        """Take in who has a free node now, and return the pods that are new in `uids`."""
        schedulable = {pod.uid: pod for pod in _schedulable(state)}
        self._since = {uid: self._since.get(uid, state.now) for uid in schedulable}
        before = self.uids
        self.uids = frozenset(u for u, since in self._since.items() if state.now - since >= _BINDING_GRACE)
        return [schedulable[uid] for uid in sorted(self.uids - before)]


def _schedulable(state: ClusterState) -> Iterator[Pod]:
    for policy_state in state.policies.values():
        policy = policy_state.policy
        pending = [pod for pod in policy_state.pending if wants_nodes(pod)]
        requested = state.requested_units(policy, state.requests)
        found = plan(policy, pending, state.view, state.now, requested, grows=lambda *_: False)
        yield from (pod for pod, _ in found.schedulable)
