"""Builds the scale-up status of each unit from the state of one reconcile."""

from collections.abc import Iterator

from policy.api.resourcepolicy import ResourcePolicy
from watcher.scaleup.cluster_state import ClusterState
from watcher.scaleup.scaleup_status import AutoscalerHealth, ScaleUpStatus, UnitScaleUp

__all__ = ["build_scaleup_status"]


def build_scaleup_status(state: ClusterState, health: AutoscalerHealth) -> ScaleUpStatus:
    """For every unit that waits for nodes, of every policy."""
    units = {
        (key, unit): _unit(policy_state.policy, unit, state)
        for key, policy_state in state.policies.items()
        for unit in _elastic(policy_state.policy)
    }
    return ScaleUpStatus(health, units, state.unready_gpus)


def _elastic(policy: ResourcePolicy) -> Iterator[int]:
    return (index for index, unit in enumerate(policy.units) if unit.waits_for_nodes)


def _unit(policy: ResourcePolicy, unit: int, state: ClusterState) -> UnitScaleUp:
    requests = [
        request
        for request in state.requests
        if request.places
        and request.target is not None
        and (request.target.policy.key, request.target.index) == (policy.key, unit)
    ]
    return UnitScaleUp(
        requested=sum(request.places for request in requests),
        pods=frozenset(pod.uid for request in requests for pod in request.waiting),
        since=min((request.request.made_at for request in requests), default=None),
        blocked=state.blocked(policy, unit),
    )
