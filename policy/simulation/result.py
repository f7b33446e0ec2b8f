"""The result of a simulation, as plain values. Times are seconds from the start."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = [
    "TOTALS",
    "ArrivalStep",
    "NodePurchase",
    "Overflow",
    "PendingPods",
    "ScaleDownStep",
    "SimulationResult",
    "UnitCount",
]

Place = int | None
"""A unit's index; None: outside every unit, or pending, as the field says."""


@dataclass(frozen=True, slots=True)
class ArrivalStep:
    """A pod arrived, or one that waited was placed."""

    at: float
    arrives: bool
    placed: bool
    unit: int | None
    """Of the policy that the outcome is about; None: outside it."""


@dataclass(frozen=True, slots=True)
class UnitCount:
    """One unit before and after."""

    unit: int
    resource: str
    selector: str
    cap: str
    waits_for_nodes: bool
    nodes: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Overflow:
    """The first pod that went on to a unit, and why each earlier one did not take it."""

    unit: int
    pod: int
    """Which of the arriving pods it was, counted from 1."""
    at: float
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PendingPods:
    """Pods that are left, for one and the same reason."""

    pods: int
    example: str
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodePurchase:
    """Nodes that an autoscaler would be asked for (W1)."""

    at: float
    unit: int
    pods: int
    nodes: int
    like: str
    """The node whose size was taken; empty: there is none in the unit, each node is taken for one pod."""


@dataclass(frozen=True, slots=True)
class ScaleDownStep:
    """Pods that scale-in takes together (L2)."""

    place: str
    pods: int


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """Everything about one policy."""

    policy: str
    """`namespace/name`."""
    arrived: int
    waiting_before: int
    """How many of them were pending already."""
    outside: int
    units: tuple[UnitCount, ...]
    spills: tuple[Overflow, ...]
    pending: tuple[PendingPods, ...]
    purchases: tuple[NodePurchase, ...]
    removals: tuple[ScaleDownStep, ...]
    """The first to go first."""
    removed: tuple[str, ...]
    """If fewer pods are wanted than there are: those that go."""
    steps: tuple[ArrivalStep, ...]
    lasted: float
    """Seconds from the first arrival until nothing changes any more."""
    notes: tuple[str, ...]


TOTALS: Mapping[str, Callable[[SimulationResult], int]] = {
    "outside": lambda outcome: outcome.outside,
    "pending": lambda outcome: sum(pending.pods for pending in outcome.pending),
    "nodes +": lambda outcome: sum(purchase.nodes for purchase in outcome.purchases),
}
"""What plays are compared by, besides their units."""
