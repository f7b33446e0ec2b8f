"""What the end of a request teaches about its unit (A6, W4).

Owns how failures and successes are read: as a sign that fewer pods may do, or that the unit is to be passed
over for a time. Must not know when that time is looked at (`memory`), nor what is asked then (`steps`).
"""

from collections.abc import Collection, Iterable

from policy.scaleup.demand import Demand
from watcher.provisioner.autoscaler_status import AutoscalerStatus, NodeGroup
from watcher.provisioner.interface import Request, shape_of
from watcher.scaleup.actions import DeleteReason
from watcher.scaleup.cluster_state import ClusterState
from watcher.scaleup.request_tracker import RequestTracker
from watcher.scaleup.scaleup_status import BlockReason

__all__ = ["record_outcome", "record_refusal"]


def record_outcome(
    request: Request,
    why: DeleteReason,
    said: str,
    state: ClusterState,
    memory: RequestTracker,
    status: AutoscalerStatus,
) -> None:
    """Note what follows from a request that was just withdrawn; `status` is the autoscaler's latest."""
    meant = state.of(request)
    if meant is None:
        return
    policy, unit = meant[0].policy, meant[1]
    if why is DeleteReason.DONE:
        memory.backoff.succeeded(policy, unit, request.shape)
    elif why is DeleteReason.OVERDUE:
        memory.backoff.failed(policy, unit, request.shape, state.now, BlockReason.NOT_ARRIVED, said)
    elif why is DeleteReason.FAILED:
        written, groups = policy.units[unit], state.groups
        if groups.blocked(written, status):
            return  # for as long as the autoscaler says so, and no longer
        # Placeholders are served one by one: where none was, fewer of them would fare no better.
        batch = 0 if request.shown else _smaller(len(request.pods), groups.left(written, status))
        if _backed_off(groups.candidates(written, status), memory.backed_off_before(request)):
            memory.backoff.failed(policy, unit, request.shape, state.now, BlockReason.BACK_OFF, said)
        elif sum(other.bundle == request.bundle for other in state.requests) > 1:
            memory.backoff.split(policy, unit, state.now)
        elif batch:
            memory.backoff.smaller(policy, unit, request.shape, batch, state.now)
        else:
            memory.backoff.failed(policy, unit, request.shape, state.now, BlockReason.REFUSED, said)


def record_refusal(demand: Demand, said: str, memory: RequestTracker, now: float) -> None:
    """Note that the API server took no request for this: it is as good as refused by the autoscaler."""
    shape = shape_of(demand.pods[0])
    memory.backoff.failed(demand.policy, demand.unit, shape, now, BlockReason.REFUSED, said)


def _smaller(pods: int, left: int) -> int:
    """For how many pods to ask next: as many as there may be nodes for, else half."""
    return max(pods // 2, min(pods - 1, left))


def _backed_off(groups: Iterable[NodeGroup], before: Collection[str] | None) -> bool:
    """Whether the cloud refused a group meanwhile: fewer pods would be refused as well."""
    return before is not None and any(group.backoff and group.name not in before for group in groups)
