"""Builds the scale-up status of every unit from one state."""

from watcher.scaleup.cluster_state import ClusterState, UnitRef
from watcher.scaleup.scaleup_status import AutoscalerHealth, ScaleUpStatus, UnitScaleUp

__all__ = ["build_scaleup_status"]


def build_scaleup_status(state: ClusterState, health: AutoscalerHealth) -> ScaleUpStatus:
    """For every unit that waits for nodes, of every policy."""
    units = {
        (key, index): _unit_scale_up(UnitRef(policy_state, index), state)
        for key, policy_state in state.policies.items()
        for index, unit in enumerate(policy_state.policy.units)
        if unit.waits_for_nodes
    }
    return ScaleUpStatus(health, units, state.unready_gpus)


def _unit_scale_up(unit: UnitRef, state: ClusterState) -> UnitScaleUp:
    expected = [
        t
        for t in state.requests
        if t.places and t.unit and (t.unit.policy.key, t.unit.index) == (unit.policy.key, unit.index)
    ]
    return UnitScaleUp(
        requested=sum(tracked.places for tracked in expected),
        pods=frozenset(pod.uid for tracked in expected for pod in tracked.waiting),
        since=min((tracked.request.made_at for tracked in expected), default=None),
        blocked=state.blocked(unit),
    )
