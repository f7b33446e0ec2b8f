"""The scaleup_status, drawn from one look at the cluster and what is remembered.

Owns how requests and backoff become a prospect for each unit; must not know who reads it.
"""

from collections.abc import Iterator

from watcher.scaleup.cluster_state import ClusterState, PolicyState
from watcher.scaleup.request_tracker import RequestTracker
from watcher.scaleup.scaleup_status import AutoscalerHealth, ScaleUpStatus, UnitScaleUp

__all__ = ["build_scaleup_status"]


def build_scaleup_status(
    state: ClusterState, memory: RequestTracker, presence: AutoscalerHealth
) -> ScaleUpStatus:
    """For every unit that waits for nodes, of every policy."""
    units = {
        (key, unit): _growth(governed, unit, state, memory)
        for key, governed in state.governed.items()
        for unit in _growing(governed)
    }
    return ScaleUpStatus(presence, units, memory.lasting_lost_gpus(state.now))


def _growing(governed: PolicyState) -> Iterator[int]:
    return (index for index, unit in enumerate(governed.policy.units) if unit.waits_for_nodes)


def _growth(governed: PolicyState, unit: int, state: ClusterState, memory: RequestTracker) -> UnitScaleUp:
    policy = governed.policy
    own = [r for r in state.requests if r.policy == policy.key and governed.unit(r) == unit]
    awaited = [request for request in own if memory.places(request)]
    return UnitScaleUp(
        asked=sum(map(memory.places, awaited)),
        pods=frozenset(pod.uid for request in awaited for pod in memory.waiting(request, governed)),
        since=min((request.made_at for request in awaited), default=None),
        blocked=memory.blocked(policy, unit, state),
    )
