"""The state of each unit in one word, why in another, and a sentence for people (L5).

Pure; in this package and not in `policy`, because it joins what a unit holds with what may be
expected of the autoscaler. Nothing in a sentence moves while the state stays.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from policy.api.quantity import format_quantity
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.refusals import Reason, Refusal
from policy.status.conditions import Condition, ConditionType
from policy.status.unit_capacity import UnitCapacity
from watcher.scaleup.scaleup_status import AutoscalerHealth, BlockReason, ScaleUpStatus, UnitScaleUp

__all__ = ["UnitState", "UnitStateType", "growth_conditions", "obstacles", "states"]

_LONGEST = 512
_NAMED = 5


class UnitStateType(StrEnum):
    """Whether a pod may use the unit now, and what there is to hope for if not."""

    OPEN = "Open"
    EXHAUSTED = "Exhausted"
    FULL = "Full"
    EMPTY = "Empty"
    GROWABLE = "Growable"
    WAITING_FOR_NODES = "WaitingForNodes"
    NOT_GROWABLE = "NotGrowable"


@dataclass(frozen=True, slots=True)
class UnitState:
    """One unit."""

    state: UnitStateType
    reason: str
    """One word for programs."""
    message: str


_OBSTACLES: Mapping[BlockReason, str] = {
    BlockReason.BACK_OFF: "the cloud refused nodes, and the autoscaler waits before it tries again",
    BlockReason.AT_MAXIMUM: "its node groups have as many nodes as they may have",
    BlockReason.REFUSED: "the autoscaler found no way to grow it",
    BlockReason.NOT_ARRIVED: "nodes were promised and have not taken their pods in time",
}
_ABSENT: Mapping[AutoscalerHealth, tuple[str, str]] = {
    AutoscalerHealth.OFF: ("BackendOff", "the setting watcher.backend is none, so nobody is asked for nodes"),
    AutoscalerHealth.NOT_SERVED: ("NoAutoscaler", "there is no autoscaler that could be asked for nodes"),
    AutoscalerHealth.DOWN: ("AutoscalerUnavailable", "cluster-autoscaler shows no life any more"),
    AutoscalerHealth.NOT_RESPONDING: (
        "AutoscalerNotResponding",
        "cluster-autoscaler works and leaves requests unanswered; is --enable-provisioning-requests on?",
    ),
}


def states(
    policy: ResourcePolicy, occupancies: Sequence[UnitCapacity], scaleup_status: ScaleUpStatus
) -> tuple[UnitState, ...]:
    """Of every unit, in order."""
    return tuple(
        _state(policy, index, occupancy, scaleup_status) for index, occupancy in enumerate(occupancies)
    )


def obstacles(policy: ResourcePolicy, scaleup_status: ScaleUpStatus) -> Iterator[tuple[int, str, str]]:
    """The units that get no nodes for now, each with why: a word and a sentence (W4, W5)."""
    for index, unit in enumerate(policy.units):
        obstacle = _obstacle(scaleup_status.of(policy.key, index), scaleup_status.health)
        if unit.waits_for_nodes and obstacle is not None:
            yield index, *obstacle


def growth_conditions(policy: ResourcePolicy, scaleup_status: ScaleUpStatus) -> tuple[Condition, ...]:
    """WaitingForNodes, NotGrowable and GpuLost of one policy."""
    return (
        _waiting(policy, scaleup_status),
        _not_growable(policy, scaleup_status),
        _gpu_lost(policy, scaleup_status),
    )


def _state(
    policy: ResourcePolicy, index: int, occupancy: UnitCapacity, scaleup_status: ScaleUpStatus
) -> UnitState:
    if occupancy.exhausted is not None:
        refusal = occupancy.exhausted
        return UnitState(UnitStateType.EXHAUSTED, refusal.reason, _cap(refusal))
    if occupancy.room:
        return UnitState(UnitStateType.OPEN, "HasRoom", "a pod may use it now")
    if policy.units[index].waits_for_nodes:
        found = _growing(scaleup_status.of(policy.key, index), scaleup_status.health)
        if found is not None:
            return found
    if not occupancy.nodes:
        return UnitState(UnitStateType.EMPTY, "NoNodes", "no node has its kind and its labels")
    return UnitState(UnitStateType.FULL, "NoRoom", "none of its nodes has room for another pod of the policy")


def _growing(growth: UnitScaleUp, health: AutoscalerHealth) -> UnitState | None:
    if growth.requested:
        words = "nodes were asked for, and have not taken their pods yet"
        return UnitState(UnitStateType.WAITING_FOR_NODES, "NodesAsked", words)
    obstacle = _obstacle(growth, health)
    if obstacle is not None:
        return UnitState(UnitStateType.NOT_GROWABLE, *obstacle)
    if health is AutoscalerHealth.SERVING:
        words = "it has no room now, and gets nodes when a pod needs them"
        return UnitState(UnitStateType.GROWABLE, "CanGrow", words)
    return None


def _obstacle(growth: UnitScaleUp, health: AutoscalerHealth) -> tuple[str, str] | None:
    """Why a unit gets no nodes, as a word and a sentence; None if it may get some."""
    if health in _ABSENT:
        return _ABSENT[health]
    if growth.blocked is None:
        return None
    message = f" ({growth.blocked.message[:_LONGEST]})" if growth.blocked.message else ""
    return growth.blocked.reason, f"{_OBSTACLES[growth.blocked.reason]}{message}"


def _cap(refusal: Refusal) -> str:
    policy, unit = refusal.policy, refusal.policy.units[refusal.unit]
    by = f" by every group of {', '.join(policy.match_label_keys)}" if policy.match_label_keys else ""
    if refusal.reason is Reason.MAX_REACHED:
        return f"its max of {unit.max} pod(s) is reached{by}"
    limit = format_quantity(unit.max_resources[refusal.named])
    return f"its maxResources leave too little {refusal.named} (limit {limit}){by and ', reached' + by}"


def _waiting(policy: ResourcePolicy, scaleup_status: ScaleUpStatus) -> Condition:
    kind = ConditionType.WAITING_FOR_NODES
    asked = [i for i in range(len(policy.units)) if scaleup_status.of(policy.key, i).requested]
    if not asked:
        return Condition(kind, status=False, reason="NothingAsked", message="no nodes are on their way")
    where = " and ".join(f"units[{index}]" for index in asked)
    return Condition(kind, status=True, reason="NodesAsked", message=f"nodes were asked for in {where}")


def _not_growable(policy: ResourcePolicy, scaleup_status: ScaleUpStatus) -> Condition:
    kind = ConditionType.NOT_GROWABLE
    found = list(obstacles(policy, scaleup_status))
    if not found:
        return Condition(kind, status=False, reason="NoObstacle", message="no unit is kept from growing")
    message = "; ".join(f"units[{index}]: {sentence}" for index, _, sentence in found)
    return Condition(kind, status=True, reason=found[0][1], message=message)


def _gpu_lost(policy: ResourcePolicy, scaleup_status: ScaleUpStatus) -> Condition:
    kind = ConditionType.GPU_LOST
    if not (scaleup_status.unready_gpus and any(unit.waits_for_nodes for unit in policy.units)):
        return Condition(kind, status=False, reason="NoneLost", message="no node keeps others from growing")
    nodes = ", ".join(scaleup_status.unready_gpus[:_NAMED])
    message = (
        f"{nodes}: labelled as having a GPU, and offering none. Later versions of cluster-autoscaler buy "
        "nothing at all while there is such a node they do not manage (kubernetes/autoscaler#10301): mend "
        "its driver, or take the label away"
    )
    return Condition(kind, status=True, reason="LabelWithoutGpu", message=message)
