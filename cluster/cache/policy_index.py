"""The indexes of one policy: its units' nodes and what each group uses, updated by single changes.

Its answers equal those of `policy.scheduling.snapshot.Snapshot`, which counts everything anew.
"""

import math
from collections.abc import Callable, Iterable, Mapping

from policy.api.objects import Node
from policy.api.options import NodeKinds
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.accounting import Group, PodUsage, Usage
from policy.scheduling.matching import in_unit

__all__ = ["PolicyIndex"]


class _Tally:
    """Pods counted in one unit for one group, and the sum of their requests."""

    __slots__ = ("pods", "requests")

    def __init__(self) -> None:
        self.pods = 0
        self.requests: dict[str, int] = {}

    def add(self, requests: Mapping[str, int]) -> None:
        self.pods += 1
        for name, amount in requests.items():
            self.requests[name] = self.requests.get(name, 0) + amount

    def subtract(self, requests: Mapping[str, int]) -> None:
        self.pods -= 1
        for name, amount in requests.items():
            self.requests[name] -= amount


class PolicyIndex:
    """Every method costs one pod or one node, never all of them."""

    def __init__(
        self,
        policy: ResourcePolicy,
        kinds: NodeKinds,
        clock: Callable[[], float],
        nodes: Iterable[Node] = (),
    ) -> None:
        self.policy = policy
        self._clock = clock
        self._kinds = kinds
        self._nodes: list[set[str]] = [set() for _ in policy.units]
        self._first_units: dict[str, int] = {}
        self._shares: dict[str, PodUsage] = {}
        self._tallies: dict[tuple[int, Group], _Tally] = {}
        self._terminating: list[int] = [0 for _ in policy.units]
        self._emptied_at: list[float] = [-math.inf for _ in policy.units]
        self._shrank_at: list[float] = [-math.inf for _ in policy.units]
        for node in nodes:
            self.put_node(node)

    def succeed(self, before: "PolicyIndex") -> None:
        """Take over what the earlier version of the policy knew of unchanged units.

        A rewritten unit counts as shrunk: a binding may be in flight to a node it no longer contains.
        """
        for index, unit in enumerate(self.policy.units):
            same = [i for i, other in enumerate(before.policy.units) if other.fingerprint == unit.fingerprint]
            self._emptied_at[index] = max((before.emptied_at(i) for i in same), default=-math.inf)
            self._shrank_at[index] = max((before.shrank_at(i) for i in same), default=self._clock())

    def nodes_in(self, unit: int) -> set[str]:
        return self._nodes[unit]

    def first_units(self) -> Mapping[str, int]:
        return self._first_units

    def units_of(self, name: str) -> tuple[int, ...]:
        """The units that a node is in, in order."""
        return tuple(index for index, nodes in enumerate(self._nodes) if name in nodes)

    def put_node(self, node: Node) -> bool:
        """Store a node as it is now; whether its units changed."""
        changed = False
        for index, (nodes, unit) in enumerate(zip(self._nodes, self.policy.units, strict=True)):
            inside = in_unit(node, unit, self._kinds)
            if inside != (node.name in nodes):
                changed = True
                (nodes.add if inside else nodes.discard)(node.name)
                if not inside:
                    self.shrink(index)
        if changed:
            self._first_units.pop(node.name, None)
            self._first_units.update((node.name, unit) for unit in self.units_of(node.name)[:1])
        return changed

    def drop_node(self, name: str) -> None:
        for unit in self.units_of(name):
            self._nodes[unit].discard(name)
            self.shrink(unit)
        self._first_units.pop(name, None)

    def share(self, uid: str) -> PodUsage | None:
        return self._shares.get(uid)

    def put_share(self, uid: str, share: PodUsage | None) -> PodUsage | None:
        """Replace a pod's share; None takes it out. Returns the one it had."""
        before = self._shares.pop(uid, None)
        if before is not None:
            if before.terminating:
                self._terminating[before.unit] -= 1
                self._emptied_at[before.unit] = self._clock()
            if before.counted and before.group is not None:
                self._tallies[before.unit, before.group].subtract(before.requests)
                self._drop_if_empty(before.unit, before.group)
        if share is not None:
            self._shares[uid] = share
            self._terminating[share.unit] += share.terminating
            if share.counted and share.group is not None:
                tally = self._tallies.get((share.unit, share.group))
                if tally is None:
                    tally = self._tallies[share.unit, share.group] = _Tally()
                tally.add(share.requests)
        return before

    def usage(self, unit: int, group: Group, excluding: str = "") -> Usage:
        tally = self._tallies.get((unit, group))
        if tally is None:
            return Usage()
        usage = Usage(tally.pods, tally.requests)
        own = self._shares.get(excluding)
        if own is None or not own.counted or (own.unit, own.group) != (unit, group):
            return usage
        return usage.without(Usage(1, own.requests))

    def terminating(self, unit: int) -> bool:
        return self._terminating[unit] > 0

    def shrank_at(self, unit: int) -> float:
        """When the unit last lost a node; -inf if it never did."""
        return self._shrank_at[unit]

    def shrank_since(self, at: float) -> list[int]:
        """The units that have lost a node since that time."""
        return [unit for unit, lost_at in enumerate(self._shrank_at) if lost_at > at]

    def shrink(self, unit: int) -> None:
        """A binding may be in flight to a node that is no longer in the unit."""
        self._shrank_at[unit] = self._clock()

    def emptied_at(self, unit: int) -> float:
        return self._emptied_at[unit]

    def _drop_if_empty(self, unit: int, group: Group) -> None:
        # Each roll-out makes new groups: empty ones must not stay.
        if not self._tallies[unit, group].pods:
            del self._tallies[unit, group]
