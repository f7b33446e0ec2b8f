"""What the operator chooses where ACK's documentation says nothing, with defaults (M4, U2, U6)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from policy.api.resourcepolicy import ResourceKind
from policy.api.selectors import carries

__all__ = ["NodeKinds", "OnConflict", "Options", "OutsideUnits", "RefusedNodes", "ScoredNodes"]

_VIRTUAL = MappingProxyType({"type": "virtual-kubelet"})


class OnConflict(StrEnum):
    """`on_conflict`: what several policies for one pod mean (M4)."""

    OLDEST = "oldest"
    REJECT = "reject"


class OutsideUnits(StrEnum):
    """`outside_units`: what nodes in no unit are to `strategy: prefer` (U6)."""

    NEVER = "never"
    LAST = "last"


class RefusedNodes(StrEnum):
    """`refused_nodes`: of how many nodes kube-scheduler is told why they are refused."""

    ALL = "all"
    ONE = "one"
    """For each reason. It takes the others for refused, too, and its event does not count them."""


class ScoredNodes(StrEnum):
    """`scored_nodes`: how many nodes of the chosen unit kube-scheduler is given to score."""

    ALL = "all"
    SAMPLED = "sampled"


@dataclass(frozen=True, slots=True)
class NodeKinds:
    """`resources`: how special kinds of nodes are told (U2). Every other node is an ordinary one."""

    selectors: Mapping[ResourceKind, Mapping[str, str]] = field(
        default_factory=lambda: {ResourceKind.ECI: _VIRTUAL, ResourceKind.ACS: _VIRTUAL}
    )

    def recognises(self, kind: ResourceKind, labels: Mapping[str, str]) -> bool:
        """Whether a node with these labels is of the kind."""
        if kind in self.selectors:
            return carries(labels, self.selectors[kind])
        return not any(carries(labels, selector) for selector in self.selectors.values())


@dataclass(frozen=True, slots=True)
class Options:
    """All of them."""

    on_conflict: OnConflict = OnConflict.OLDEST
    outside_units: OutsideUnits = OutsideUnits.NEVER
    kinds: NodeKinds = field(default_factory=NodeKinds)
