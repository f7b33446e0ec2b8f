"""How the end of a request changes the back-off of its unit (A6, W4)."""

from collections.abc import Collection, Iterable

from policy.scaleup.demand import Demand
from watcher.provisioner.autoscaler_status import AutoscalerStatus, NodeGroup
from watcher.provisioner.interface import shape_key
from watcher.scaleup.actions import DeleteReason, DeleteRequest
from watcher.scaleup.cluster_state import ClusterState, TrackedRequest
from watcher.scaleup.scaleup_status import BlockReason
from watcher.scaleup.unit_backoff import UnitBackoff

__all__ = ["backoff_after_deletion", "backoff_after_refusal"]


def backoff_after_deletion(
    backoff: UnitBackoff, action: DeleteRequest, message: str, state: ClusterState, status: AutoscalerStatus
) -> UnitBackoff:
    """The back-off once a request was deleted; `status` is the autoscaler's latest."""
    tracked, reason = action.tracked, action.reason
    if tracked.unit is None:
        return backoff
    policy, unit, shape = tracked.unit.policy, tracked.unit.index, tracked.request.shape
    if reason is DeleteReason.DONE:
        return backoff.with_success(policy, unit, shape)
    if reason is DeleteReason.OVERDUE:
        return backoff.with_failure(policy, unit, shape, state.now, BlockReason.NOT_ARRIVED, message)
    return (
        _after_failure(backoff, tracked, message, state, status) if reason is DeleteReason.FAILED else backoff
    )


def _after_failure(
    backoff: UnitBackoff, tracked: TrackedRequest, message: str, state: ClusterState, status: AutoscalerStatus
) -> UnitBackoff:
    if tracked.unit is None:
        return backoff
    policy, unit, shape = tracked.unit.policy, tracked.unit.index, tracked.request.shape
    spec, groups = tracked.unit.spec, state.groups
    if groups.blocked(spec, status):
        return backoff  # for as long as the autoscaler says so, and no longer
    if _is_newly_backed_off(groups.candidates(spec, status), tracked.backed_off_before):
        return backoff.with_failure(policy, unit, shape, state.now, BlockReason.BACK_OFF, message)
    if sum(other.request.bundle == tracked.request.bundle for other in state.requests) > 1:
        return backoff.with_separate_shapes(policy, unit, state.now)
    # Placeholders are served one by one: where none was, fewer of them would fare no better.
    pods = len(tracked.request.pods)
    batch = 0 if tracked.request.placeholders else _smaller(pods, groups.left(spec, status))
    if batch:
        return backoff.with_batch(policy, unit, shape, batch, state.now)
    return backoff.with_failure(policy, unit, shape, state.now, BlockReason.REFUSED, message)


def backoff_after_refusal(backoff: UnitBackoff, demand: Demand, message: str, now: float) -> UnitBackoff:
    """The back-off once the API server refused to create a request: as if the autoscaler had refused."""
    shape = shape_key(demand.pods[0])
    return backoff.with_failure(demand.policy, demand.unit, shape, now, BlockReason.REFUSED, message)


def _smaller(pods: int, left: int) -> int:
    """For how many pods to ask next: as many as there may be nodes for, else half."""
    return max(pods // 2, min(pods - 1, left))


def _is_newly_backed_off(groups: Iterable[NodeGroup], before: Collection[str] | None) -> bool:
    """Whether the cloud refused a group meanwhile: fewer pods would be refused as well."""
    return before is not None and any(group.backoff and group.name not in before for group in groups)
