"""The deletion cost of a placed pod, by which the last unit is emptied first (L2).

Owns the two annotations and whose a value is; must not know how a pod's place is found, nor who writes. The
ReplicaSet controller deletes pods of lower cost first, once they are ready; a pod without the annotation
costs 0 (kubernetes, pkg/controller/controller_utils.go, ActivePodsWithRanks).
"""

from collections.abc import Mapping

__all__ = ["COST", "MARK", "correction", "cost_of", "is_foreign"]

COST = "controller.kubernetes.io/pod-deletion-cost"
MARK = "resourcepolicy.io/deletion-cost"
"""Beside a cost of ours, with the same value: what was written over it since is another's."""
_STEP = 100


def cost_of(place: int) -> int:
    """The cost of the pods of a unit, by its index.

    That of the first unit is the default, so that its pods need no write. The steps leave a user room to
    order pods within a unit by costs of his own.
    """
    return -_STEP * place


def is_foreign(annotations: Mapping[str, str]) -> bool:
    """Whether a user, or another program, set the cost: it stays."""
    return COST in annotations and annotations[COST] != annotations.get(MARK)


def correction(annotations: Mapping[str, str], cost: int) -> Mapping[str, str | None]:
    """What to write for a pod to have this cost; None removes, and nothing is written for nothing."""
    if is_foreign(annotations):
        wanted: Mapping[str, str | None] = {MARK: None}
    else:
        value = str(cost) if cost else None
        wanted = {COST: value, MARK: value}
    return {key: value for key, value in wanted.items() if annotations.get(key) != value}
