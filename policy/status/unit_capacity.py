"""What each unit of a policy holds, and whether it could take another pod (L5).

"Another pod" is like the pods that wait; if none waits, like those that are there.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.accounting import Group, MissingLabelError, group_of
from policy.scheduling.node_fit import ONE, PODS, Shape, admits, shape_of
from policy.scheduling.refusals import Refusal
from policy.scheduling.snapshot import ClusterView
from policy.scheduling.unit_selection import limit_reached

__all__ = ["FreeCapacity", "UnitCapacity", "unit_capacities"]

_EXAMPLES = 50
"""Kinds of pods that are tried on a unit; with one group for each job there may be thousands."""

Amounts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class UnitCapacity:
    """One unit. Amounts are those of `policy.api.quantity`, `left` of PODS a plain number."""

    nodes: int = 0
    pods: int = 0
    """Those that count, of all groups."""
    capacity: Amounts = field(default_factory=dict)
    """Allocatable on its nodes in all."""
    free: Amounts = field(default_factory=dict)
    """Of that, what no pod requests."""
    left: Amounts = field(default_factory=dict)
    """What its caps leave, in the group that has least left; empty without caps (O2)."""
    exhausted: Refusal | None = None
    """The cap that closes it to every example."""
    room: bool = False
    """Whether a node could take an example that no cap keeps out."""


class FreeCapacity:
    """One look at the room on the nodes, shared by all policies: their units are often of the same nodes."""

    def __init__(self, view: ClusterView) -> None:
        self._view = view
        self._free: dict[str, Amounts] = {}
        self._sums: dict[tuple[object, ...], tuple[Amounts, Amounts]] = {}
        self._fits: dict[tuple[object, ...], bool] = {}

    def sums(self, policy: ResourcePolicy, index: int, names: tuple[str, ...]) -> tuple[Amounts, Amounts]:
        """What the nodes of a unit have of these resources, and what of it is free."""
        place = *_nodes_of(policy, index), names
        if place not in self._sums:
            nodes = self._view.nodes_in(policy, index)
            capacity = _sums(names, (self._view.nodes[name].allocatable for name in nodes))
            self._sums[place] = capacity, _sums(names, map(self._free_on, nodes))
        return self._sums[place]

    def fits(self, policy: ResourcePolicy, index: int, pod: Pod) -> bool:
        """Whether a node of a unit could take a pod like this one."""
        place = *_nodes_of(policy, index), shape_of(pod)
        if place not in self._fits:
            nodes = self._view.nodes_in(policy, index)
            self._fits[place] = any(self._takes(name, pod) for name in nodes)
        return self._fits[place]

    def _takes(self, name: str, pod: Pod) -> bool:
        free = self._free_on(name)
        enough = all(free.get(resource, 0) >= n for resource, n in pod.requests.items() if n)
        return enough and free.get(PODS, ONE) >= ONE and admits(self._view.nodes[name], pod)

    def _free_on(self, name: str) -> Amounts:
        if name not in self._free:
            left = dict(self._view.nodes[name].allocatable)
            for pod in self._view.pods_on(name):
                for resource, amount in pod.requests.items():
                    left[resource] = left.get(resource, 0) - amount
                if PODS in left:
                    left[PODS] -= ONE
            self._free[name] = left
        return self._free[name]


def _nodes_of(policy: ResourcePolicy, index: int) -> tuple[object, ...]:
    """The same for all units that have the same nodes by what is written (U3)."""
    unit = policy.units[index]
    return unit.resource, tuple(sorted(unit.node_selector.items()))


def unit_capacities(
    policy: ResourcePolicy,
    pods: Iterable[Pod],
    asking: Iterable[Pod],
    view: ClusterView,
    room: FreeCapacity,
    resources: Collection[str],
) -> tuple[UnitCapacity, ...]:
    """Every unit, in order.

    `pods` are those that the policy governs, `asking` those of them that a server is asked about (M8).
    `resources`, and those of caps, are summed; others are not.
    """
    counted = [0 for _ in policy.units]
    groups: list[set[Group]] = [set() for _ in policy.units]
    for pod in pods:
        share = view.share(policy, pod.uid)
        if share is not None and share.counted and share.group is not None:
            counted[share.unit] += 1
            groups[share.unit].add(share.group)
    examples = _examples(policy, asking)
    return tuple(
        _Looking(policy, index, view, room).found(counted[index], groups[index], examples, resources)
        for index in range(len(policy.units))
    )


def _examples(policy: ResourcePolicy, pods: Iterable[Pod]) -> list[tuple[Group, Pod]]:
    """One pod of each group and shape, of those that wait, or else of those that are placed."""
    found: tuple[dict[tuple[Group, Shape], Pod], ...] = {}, {}
    for pod in pods:
        if not (pod.finished or pod.terminating):
            try:
                group = group_of(pod.labels, policy)
            except MissingLabelError:
                continue
            found[bool(pod.node_name)].setdefault((group, shape_of(pod)), pod)
    examples = sorted(((group, pod) for (group, _), pod in (found[0] or found[1]).items()), key=_by_name)
    return examples[:_EXAMPLES]


def _by_name(example: tuple[Group, Pod]) -> str:
    return example[1].name


@dataclass(frozen=True, slots=True)
class _Looking:
    """At one unit."""

    policy: ResourcePolicy
    index: int
    view: ClusterView
    room: FreeCapacity

    def found(
        self,
        counted: int,
        groups: Collection[Group],
        examples: Collection[tuple[Group, Pod]],
        resources: Collection[str],
    ) -> UnitCapacity:
        named = tuple(sorted({*resources, *self.policy.units[self.index].max_resources}))
        capacity, free = self.room.sums(self.policy, self.index, named)
        closed = [self._closed(group, pod.requests) for group, pod in examples]
        if not examples:
            closed = [self._closed((), {})]
        usable = [pod for (_, pod), refusal in zip(examples, closed, strict=False) if refusal is None]
        return UnitCapacity(
            nodes=len(self.view.nodes_in(self.policy, self.index)),
            pods=counted,
            capacity=capacity,
            free=free,
            left=self._left(groups),
            exhausted=closed[0] if all(closed) else None,
            room=any(map(self._fits, usable)) if examples else self._stands(),
        )

    def _closed(self, group: Group, requests: Amounts) -> Refusal | None:
        usage = self.view.usage(self.policy, self.index, group)
        return limit_reached(self.policy, self.index, usage, requests)

    def _fits(self, pod: Pod) -> bool:
        return self.room.fits(self.policy, self.index, pod)

    def _stands(self) -> bool:
        nodes = (self.view.nodes[name] for name in self.view.nodes_in(self.policy, self.index))
        return any(node.ready and not node.unschedulable for node in nodes)

    def _left(self, groups: Collection[Group]) -> Amounts:
        unit = self.policy.units[self.index]
        usages = [self.view.usage(self.policy, self.index, group) for group in groups or [()]]
        left = {
            resource: min(max(0, limit - usage.requests.get(resource, 0)) for usage in usages)
            for resource, limit in unit.max_resources.items()
        }
        if unit.max is not None:
            left[PODS] = min(max(0, unit.max - usage.pods) for usage in usages)
        return left


def _sums(names: Iterable[str], amounts: Iterable[Amounts]) -> Amounts:
    """Over those names that occur. A node that lost a device may have given away more than it has."""
    every = list(amounts)
    there = (name for name in names if any(name in each for each in every))
    return {name: sum(max(0, each.get(name, 0)) for each in every) for name in there}
