"""Pods and nodes, reduced to what decisions need.

Times are Unix seconds, amounts are those of `policy.api.quantity`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from policy.api.node_affinity import Affinity

__all__ = ["EMPTY", "Effect", "Node", "Owner", "Phase", "Pod", "Taint", "Toleration"]

EMPTY: Mapping[str, Any] = MappingProxyType({})
"""Shared by the many objects that have no labels, annotations or requests."""


def _empty() -> Mapping[str, Any]:
    return EMPTY


class Phase(StrEnum):
    """`status.phase` of a pod."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


class Effect(StrEnum):
    """What a taint does to pods that do not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


@dataclass(frozen=True, slots=True)
class Taint:
    """One entry of a node's `spec.taints`."""

    key: str
    value: str
    effect: Effect


@dataclass(frozen=True, slots=True)
class Toleration:
    """One entry of a pod's `spec.tolerations`; empty fields match everything, as in core/v1."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


@dataclass(frozen=True, slots=True)
class Owner:
    """The controller of a pod, from its ownerReferences."""

    api_version: str
    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod. `requests` is what the scheduler counts for it, init containers and overhead included."""

    uid: str
    namespace: str
    name: str
    created: float
    labels: Mapping[str, str] = field(default_factory=_empty)
    annotations: Mapping[str, str] = field(default_factory=_empty)
    requests: Mapping[str, int] = field(default_factory=_empty)
    node_selector: Mapping[str, str] = field(default_factory=_empty)
    tolerations: tuple[Toleration, ...] = ()
    affinity: Affinity = ()
    """Required node affinity; what is only preferred decides nothing here."""
    priority: int = 0
    preempts: bool = True
    """False where its PriorityClass says `preemptionPolicy: Never`."""
    phase: Phase = Phase.PENDING
    terminating: bool = False
    """deletionTimestamp is set."""
    gated: bool = False
    """A scheduling gate keeps it from the scheduler."""
    node_name: str = ""
    bound_at: float | None = None
    """When PodScheduled became True; absent on a pod that was created with its node."""
    unscheduled_since: float | None = None
    """When PodScheduled became False for another reason than a gate; absent otherwise."""
    unschedulable: bool = False
    """PodScheduled is False with reason Unschedulable: the scheduler found no node."""
    nominated_node: str = ""
    owner: Owner | None = None

    @property
    def finished(self) -> bool:
        """Succeeded and Failed pods hold no room and no slot (C5)."""
        return self.phase in (Phase.SUCCEEDED, Phase.FAILED)


@dataclass(frozen=True, slots=True)
class Node:
    """A node."""

    name: str
    labels: Mapping[str, str] = field(default_factory=_empty)
    annotations: Mapping[str, str] = field(default_factory=_empty, compare=False)
    taints: tuple[Taint, ...] = ()
    allocatable: Mapping[str, int] = field(default_factory=_empty)
    unschedulable: bool = False
    ready: bool = True
    created: float = 0.0
