"""What the end of a request tells about its unit (A6, W4).

A failure means that fewer pods may do, or that the unit is passed over for a time.
"""

from collections.abc import Collection, Iterable

from policy.scaleup.demand import Demand
from watcher.provisioner.autoscaler_status import AutoscalerStatus, NodeGroup
from watcher.provisioner.interface import Request, shape_of
from watcher.scaleup.actions import DeleteReason
from watcher.scaleup.cluster_state import ClusterState
from watcher.scaleup.scaleup_status import BlockReason
from watcher.scaleup.unit_backoff import UnitBackoff

__all__ = ["record_outcome", "record_refusal"]


def record_outcome(
    request: Request, reason: DeleteReason, message: str, state: ClusterState, status: AutoscalerStatus
) -> None:
    """Note in the back-off what follows from a request that was just deleted.

    `message` is the autoscaler's own, `status` its latest.
    """
    tracked = state.tracked(request.name)
    if tracked is None or tracked.target is None:
        return
    policy, unit, backoff = tracked.target.policy, tracked.target.index, state.backoff
    if reason is DeleteReason.DONE:
        backoff.succeeded(policy, unit, request.shape)
    elif reason is DeleteReason.OVERDUE:
        backoff.failed(policy, unit, request.shape, state.now, BlockReason.NOT_ARRIVED, message)
    elif reason is DeleteReason.FAILED:
        written, groups = policy.units[unit], state.groups
        if groups.blocked(written, status):
            return  # for as long as the autoscaler says so, and no longer
        # Placeholders are served one by one: where none was, fewer of them would fare no better.
        batch = 0 if request.shown else _smaller(len(request.pods), groups.left(written, status))
        if _backed_off(groups.candidates(written, status), tracked.backed_off_before):
            backoff.failed(policy, unit, request.shape, state.now, BlockReason.BACK_OFF, message)
        elif sum(other.request.bundle == request.bundle for other in state.requests) > 1:
            backoff.split(policy, unit, state.now)
        elif batch:
            backoff.smaller(policy, unit, request.shape, batch, state.now)
        else:
            backoff.failed(policy, unit, request.shape, state.now, BlockReason.REFUSED, message)


def record_refusal(demand: Demand, message: str, backoff: UnitBackoff, now: float) -> None:
    """Note that the API server took no request for this: it is as good as refused by the autoscaler."""
    backoff.failed(demand.policy, demand.unit, shape_of(demand.pods[0]), now, BlockReason.REFUSED, message)


def _smaller(pods: int, left: int) -> int:
    """For how many pods to ask next: as many as there may be nodes for, else half."""
    return max(pods // 2, min(pods - 1, left))


def _backed_off(groups: Iterable[NodeGroup], before: Collection[str] | None) -> bool:
    """Whether the cloud refused a group meanwhile: fewer pods would be refused as well."""
    return before is not None and any(group.backoff and group.name not in before for group in groups)
