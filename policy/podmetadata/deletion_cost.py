"""The pod deletion cost of a placed pod: pods of the last unit are deleted first (L2).

The ReplicaSet controller deletes ready pods of lower cost first; a pod without the annotation costs 0
(kubernetes, pkg/controller/controller_utils.go, ActivePodsWithRanks).
"""

from collections.abc import Mapping

from policy.api import wellknown

__all__ = ["correction", "cost_of", "is_foreign"]

_STEP = 100


def cost_of(place: int) -> int:
    """The cost of the pods of a unit, by its index.

    That of the first unit is the default, so that its pods need no write. The steps leave a user room to
    order pods within a unit by costs of his own.
    """
    return -_STEP * place


def is_foreign(annotations: Mapping[str, str]) -> bool:
    """Whether a user, or another program, set the cost: it stays."""
    return wellknown.POD_DELETION_COST in annotations and annotations[
        wellknown.POD_DELETION_COST
    ] != annotations.get(wellknown.DELETION_COST_WRITTEN)


def correction(annotations: Mapping[str, str], cost: int) -> Mapping[str, str | None]:
    """What to write for a pod to have this cost; None removes, and nothing is written for nothing."""
    if is_foreign(annotations):
        wanted: Mapping[str, str | None] = {wellknown.DELETION_COST_WRITTEN: None}
    else:
        value = str(cost) if cost else None
        wanted = {wellknown.POD_DELETION_COST: value, wellknown.DELETION_COST_WRITTEN: value}
    return {key: value for key, value in wanted.items() if annotations.get(key) != value}
