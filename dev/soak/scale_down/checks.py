"""One choice of the ReplicaSet controller: which pods went, which stayed, and whether in the order of units.

Facts: pods without a node go first, then those that are
not ready, then those of lower cost (kubernetes, pkg/controller/controller_utils.go, ActivePodsWithRanks).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from policy.podmetadata.deletion_cost import cost_of

__all__ = ["Cause", "Choice", "Exceptional", "Looked"]

JUST_NOW = 0.25
"""Seconds for which a write may not have reached the controller's cache, or our own watch."""


class Cause(StrEnum):
    NOT_READY = "the pod that went was not ready yet, and Kubernetes takes such pods first, at any cost"
    JUST_READY = "the pod that went had just become ready, and to the controller it may not have been"
    JUST_BOUND = "the pod that stayed was being bound at that moment, and its cost could not be written yet"
    UNWRITTEN = "the cost of the pod that stayed was not written yet"
    JUST_WRITTEN = "the cost of the pod that stayed had just been written"
    UNKNOWN = "unexplained"


@dataclass(frozen=True, slots=True)
class Looked:
    """A pod at the moment of the choice."""

    name: str
    unit: int | None
    """None: on no node yet."""
    ready: bool
    cost: int
    """As it is written; 0 if none is."""
    bound_for: float = 0.0
    ready_for: float = 0.0
    written_for: float = 0.0
    """Seconds since it was first seen on a node, ready, with a cost: less than 0 if only after the choice."""

    def __str__(self) -> str:
        ready = f"ready for {self.ready_for:.2f} s" if self.ready else "not ready"
        written = f"cost {self.cost} for {self.written_for:.2f} s" if self.cost else "no cost"
        return f"{self.name} of units[{self.unit}] (bound for {self.bound_for:.2f} s, {ready}, {written})"


@dataclass(frozen=True, slots=True)
class Exceptional:
    """A pod that went though one of a later unit stayed."""

    went: Looked
    stayed: Looked
    cause: Cause

    def __str__(self) -> str:
        return f"{self.went} went, {self.stayed} stayed"


@dataclass(frozen=True, slots=True)
class Choice:
    at: float
    """Seconds of the clock on the wall."""
    replica_set: str
    went: tuple[Looked, ...]
    stayed: tuple[Looked, ...]

    @property
    def could_err(self) -> bool:
        """Whether there was more than one unit to choose from."""
        return len({pod.unit for pod in (*self.went, *self.stayed)}) > 1

    def exceptions(self) -> Iterator[Exceptional]:
        """One for each pod that went too early, with the pod that should have gone and explains it least."""
        for went in self.went:
            later = [pod for pod in self.stayed if _is_earlier(went, pod)]
            found = [Exceptional(went, stayed, _cause(went, stayed)) for stayed in later]
            if found:
                yield max(found, key=lambda one: list(Cause).index(one.cause))


def _is_earlier(one: Looked, other: Looked) -> bool:
    """In the order of units; a pod without a node is after all of them."""
    if one.unit is None:
        return False
    return other.unit is None or one.unit < other.unit


def _cause(went: Looked, stayed: Looked) -> Cause:
    """What the controller compares: first the node, then whether they are ready, and only then the costs."""
    if stayed.unit is None:
        return Cause.JUST_BOUND if _came(stayed.bound_for) else Cause.UNKNOWN
    if went.ready > stayed.ready and not _came(stayed.ready_for):
        return Cause.UNKNOWN
    if went.ready < stayed.ready:
        return Cause.NOT_READY
    if stayed.cost != cost_of(stayed.unit):
        return Cause.UNWRITTEN
    if stayed.written_for < JUST_NOW:
        return Cause.JUST_WRITTEN
    return Cause.JUST_READY if went.ready and went.ready_for < JUST_NOW else Cause.UNKNOWN


def _came(seconds: float) -> bool:
    """Whether it was seen so shortly after the choice that the controller may have seen it before."""
    return -JUST_NOW < seconds < 0
