"""What a decision may see of the cluster."""

import math
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Protocol

from policy.api import wellknown
from policy.api.objects import Node, Pod
from policy.api.options import NodeKinds
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.accounting import (
    Group,
    MissingLabelError,
    PodUsage,
    Usage,
    group_of,
    pod_usage_of,
    record_of,
    recorded_unit,
    total,
)
from policy.scheduling.matching import governing, in_unit, is_leaving, units_of
from policy.scheduling.pod_history import NO_HISTORY, PodHistory

__all__ = ["ClusterView", "Reservation", "Snapshot", "leaving_until"]

_SEEN_WITHIN = 1.0


@dataclass(frozen=True, slots=True)
class Reservation:
    """A slot held for a pod that was sent to a unit and is not bound yet (C1, E6)."""

    pod: Pod
    policy: str
    """The policy's key."""
    unit: int
    group: Group
    made_at: float

    @property
    def share(self) -> PodUsage:
        """Counted like a bound pod."""
        return PodUsage(self.unit, self.group, self.pod.requests, counted=True, terminating=False)

    def carried_over(self, before: ResourcePolicy, policy: ResourcePolicy) -> "Reservation | None":
        """The slot once the policy was edited, in the unit that it means (C7); None without a group."""
        unit = recorded_unit(record_of(before, self.unit), policy)
        if unit is None:
            # The unit was rewritten: its place is the best guess, and counting too many is the safe side.
            unit = min(self.unit, len(policy.units) - 1)
        try:
            return replace(self, unit=unit, group=group_of(self.pod.labels, policy))
        except MissingLabelError:
            return None


class ClusterView(Protocol):
    """The cluster as one decision sees it. Units are named by policy and index."""

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Every node known, by name."""

    @property
    def leaving(self) -> AbstractSet[str]:
        """The names of nodes that an autoscaler is about to remove (U7)."""

    def nodes_in(self, policy: ResourcePolicy, unit: int) -> AbstractSet[str]:
        """The names of the unit's nodes (U3)."""

    def first_units(self, policy: ResourcePolicy) -> Mapping[str, int]:
        """The first unit of every node that is in one, to be read at once: it goes on changing."""

    def usage(self, policy: ResourcePolicy, unit: int, group: Group, excluding: str = "") -> Usage:
        """What the group uses of the unit, with reservations, without the pod of uid `excluding` (C1)."""

    def terminating(self, policy: ResourcePolicy, unit: int) -> bool:
        """Whether any pod of the policy in the unit is terminating, whatever its group (O6)."""

    def emptied_at(self, policy: ResourcePolicy, unit: int) -> float:
        """When the last terminating pod of the policy left the unit; -inf if none did (O6)."""

    def pods_on(self, node: str) -> Collection[Pod]:
        """The unfinished pods bound to a node."""

    def share(self, policy: ResourcePolicy, uid: str) -> PodUsage | None:
        """The share of one pod in a policy that governs it."""

    def history(self, uid: str) -> PodHistory:
        """What earlier decisions about this pod left to remember."""

    def unscheduled_since(self, pod: Pod) -> float | None:
        """The pod's first refusal as the API tells it, if it was before `history` began; else None (O9)."""

    def unknown(self, names: Collection[str]) -> Collection[str]:
        """Those names that are no node yet: neither known nor just gone (E11)."""


def leaving_until(view: ClusterView, policy: ResourcePolicy, unit: int) -> float:
    """Until when a pod is leaving the unit (O6): for ever while one is terminating, and a moment longer.

    In that moment the scheduler may not have seen yet that the pod is gone, and shows no room where it was
    (E11).
    """
    if view.terminating(policy, unit):
        return math.inf
    return view.emptied_at(policy, unit) + _SEEN_WITHIN


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A view of plain values. Slow and plain on purpose."""

    nodes: Mapping[str, Node] = field(default_factory=dict)
    pods: Mapping[str, Pod] = field(default_factory=dict)
    """By uid."""
    policies: Collection[ResourcePolicy] = ()
    reservations: Mapping[str, Reservation] = field(default_factory=dict)
    """By the pod's uid."""
    kinds: NodeKinds = field(default_factory=NodeKinds)
    emptied: Mapping[tuple[str, int], float] = field(default_factory=dict)
    """When the last terminating pod left, by the policy's key and unit."""
    histories: Mapping[str, PodHistory] = field(default_factory=dict)
    """By the pod's uid."""
    remembers_since: float = 0.0
    """Since when `histories` is complete; what was refused before is only in the API (O9)."""
    departed: AbstractSet[str] = frozenset()
    """Names of nodes that were deleted a moment ago."""

    @property
    def leaving(self) -> AbstractSet[str]:
        return {node.name for node in self.nodes.values() if is_leaving(node)}

    def nodes_in(self, policy: ResourcePolicy, unit: int) -> AbstractSet[str]:
        written = policy.units[unit]
        return {node.name for node in self.nodes.values() if in_unit(node, written, self.kinds)}

    def first_units(self, policy: ResourcePolicy) -> Mapping[str, int]:
        units = {name: units_of(node, policy, self.kinds) for name, node in self.nodes.items()}
        return {name: found[0] for name, found in units.items() if found}

    def usage(self, policy: ResourcePolicy, unit: int, group: Group, excluding: str = "") -> Usage:
        shares = self._shares(policy)
        return total(
            share.requests
            for uid, share in shares.items()
            if share.counted and (share.unit, share.group) == (unit, group) and uid != excluding
        )

    def terminating(self, policy: ResourcePolicy, unit: int) -> bool:
        shares = self._shares(policy).values()
        return any(share.terminating and share.unit == unit for share in shares)

    def emptied_at(self, policy: ResourcePolicy, unit: int) -> float:
        return self.emptied.get((policy.key, unit), -math.inf)

    def pods_on(self, node: str) -> Collection[Pod]:
        return [p for p in self.pods.values() if p.node_name == node and not p.finished]

    def share(self, policy: ResourcePolicy, uid: str) -> PodUsage | None:
        return self._shares(policy).get(uid)

    def history(self, uid: str) -> PodHistory:
        return self.histories.get(uid, NO_HISTORY)

    def unscheduled_since(self, pod: Pod) -> float | None:
        since = pod.unscheduled_since
        return since if since is not None and since < self.remembers_since else None

    def unknown(self, names: Collection[str]) -> Collection[str]:
        return [name for name in names if name not in self.nodes and name not in self.departed]

    def _shares(self, policy: ResourcePolicy) -> dict[str, PodUsage]:
        shares = {
            uid: reservation.share
            for uid, reservation in self.reservations.items()
            if reservation.policy == policy.key and governing(reservation.pod, self.policies) == policy
        }
        for pod in self.pods.values():
            node = self.nodes.get(pod.node_name)
            if pod.node_name and governing(pod, self.policies) == policy:
                units = units_of(node, policy, self.kinds) if node else ()
                share = pod_usage_of(pod, policy, units, pod.annotations.get(wellknown.UNIT, ""))
                shares.pop(pod.uid, None)
                if share is not None:
                    shares[pod.uid] = share
        return shares
