"""Where all pending pods of one policy would go now: to free room in a unit, or to a unit that needs nodes.

Each pod takes its slot and room from the pods after it. The plan uses the same unit selection as filter, so
that nodes are requested only for pods that filter will admit.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from policy.api.objects import Node, Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.accounting import Group, MissingLabelError, Usage, group_of
from policy.scheduling.node_fit import Shape, admits, has_free, may_use, shape_of
from policy.scheduling.refusals import Refusal
from policy.scheduling.snapshot import ClusterView, leaving_until
from policy.scheduling.unit_selection import UnitQuery, limit_reached, select_unit

__all__ = ["Plan", "free_nodes", "plan", "queue_order"]

_NOTHING = Usage()


@dataclass(frozen=True, slots=True)
class Plan:
    """Where pending pods would go; a pod in none of the three waits for something else."""

    schedulable: tuple[tuple[Pod, Node], ...] = ()
    """Pods that fit on an existing node, with that node."""
    needs_nodes: tuple[tuple[Pod, int], ...] = ()
    """Pods whose next open unit has no room and can grow, with that unit (W1)."""
    waiting: tuple[tuple[Pod, float], ...] = ()
    """Pods that wait for a timer, with its end (O5)."""


def queue_order(pods: Iterable[Pod]) -> list[Pod]:
    """As the queue of the scheduler has them: higher priority first, then the older; ties by uid."""
    return sorted(pods, key=lambda pod: (-pod.priority, pod.created, pod.uid))


def free_nodes(view: ClusterView, policy: ResourcePolicy, unit: int, pod: Pod) -> Iterator[str]:
    """The names of the unit's nodes that could take the pod as they are."""
    for name in sorted(view.nodes_in(policy, unit)):
        node = view.nodes[name]
        if admits(node, pod) and has_free(node, view.pods_on(name), pod):
            yield name


def plan(
    policy: ResourcePolicy,
    pending: Iterable[Pod],
    view: ClusterView,
    now: float,
    requested: Mapping[str, int],
    grows: Callable[[Pod, int], bool],
    spare: Callable[[Pod, int], int] = lambda *_: 0,
) -> Plan:
    """Go through the pending pods that `policy` governs.

    `requested` maps the uid of a pod to the unit that was already asked to grow for it: it holds a slot
    there, and is not in the plan. `grows` tells whether a unit can get nodes large enough for the pod,
    `spare` how many places for pods unlike it are on their way in a unit and awaited by nobody.
    """
    planning = _Planner(policy, view, now, grows, spare)
    pods = queue_order(pending)
    for pod in pods:
        if pod.uid in requested:
            planning.take_slot(pod, requested[pod.uid])
    for pod in pods:
        if pod.uid not in requested:
            planning.place(pod)
    return Plan(tuple(planning.schedulable), tuple(planning.needs_nodes), tuple(planning.waiting))


@dataclass(slots=True)
class _Planner:
    """Slots and room that the plan has given away so far."""

    policy: ResourcePolicy
    view: ClusterView
    now: float
    grows: Callable[[Pod, int], bool]
    spare: Callable[[Pod, int], int]
    schedulable: list[tuple[Pod, Node]] = field(default_factory=list)
    needs_nodes: list[tuple[Pod, int]] = field(default_factory=list)
    waiting: list[tuple[Pod, float]] = field(default_factory=list)
    slots: dict[tuple[int, Group], Usage] = field(default_factory=dict)
    added: dict[str, list[Pod]] = field(default_factory=dict)
    left: dict[tuple[int, Shape], list[str]] = field(default_factory=dict)
    """Names of nodes not found full yet, by unit and shape of pod, the next one last."""

    def place(self, pod: Pod) -> None:
        try:
            group = group_of(pod.labels, self.policy)
        except MissingLabelError:
            return
        nodes: dict[int, Node | None] = {}

        def has_room(index: int) -> bool:
            nodes[index] = self._first_node_with_room(pod, index)
            return nodes[index] is not None or self._grows(pod, index)

        outcome = select_unit(self.policy, self._query(pod, group, has_room))
        unit = outcome.unit
        if unit is None:
            if outcome.retry_at < math.inf:
                self.waiting.append((pod, outcome.retry_at))
            return
        node = nodes[unit]
        if node is None and self._is_reserved_for_others(pod, group, unit):
            return  # it waits until these places are used or gone
        self._count(pod, unit, group)
        if node is None:
            self.needs_nodes.append((pod, unit))
        else:
            self.schedulable.append((pod, node))
            self.added.setdefault(node.name, []).append(pod)

    def take_slot(self, pod: Pod, unit: int) -> None:
        """Count a pod that was asked for: caps bound what is asked for in all (W3)."""
        try:
            group = group_of(pod.labels, self.policy)
        except MissingLabelError:
            return
        self._count(pod, unit, group)

    def _count(self, pod: Pod, unit: int, group: Group) -> None:
        slots = self.slots.get((unit, group), _NOTHING)
        self.slots[unit, group] = slots.plus(Usage(1, pod.requests))

    def _grows(self, pod: Pod, index: int) -> bool:
        """Whether the unit can get a node that the pod could use: no other node is requested (W3)."""
        return may_use(pod, self.policy.units[index].node_selector) and self.grows(pod, index)

    def _first_node_with_room(self, pod: Pod, index: int) -> Node | None:
        """The first node with room. Room only shrinks here: what had none for a like pod has none."""
        place = index, shape_of(pod)
        if place not in self.left:
            self.left[place] = sorted(self.view.nodes_in(self.policy, index), reverse=True)
        names = self.left[place]
        while names:
            node = self.view.nodes[names[-1]]
            others = [*self.view.pods_on(node.name), *self.added.get(node.name, ())]
            if admits(node, pod) and has_free(node, others, pod):
                return node
            names.pop()
        return None

    def _closed(self, pod: Pod, group: Group, index: int, spare: Usage = _NOTHING) -> Refusal | None:
        usage = self.view.usage(self.policy, index, group, excluding=pod.uid)
        planned = self.slots.get((index, group), _NOTHING)
        return limit_reached(self.policy, index, usage.plus(planned).plus(spare), pod.requests)

    def _is_reserved_for_others(self, pod: Pod, group: Group, index: int) -> bool:
        """Whether places for other pods, which nobody awaits, may use up what the caps leave (W3)."""
        spare = self.spare(pod, index)
        return bool(spare) and self._closed(pod, group, index, Usage(spare)) is not None

    def _query(self, pod: Pod, group: Group, has_room: Callable[[int], bool]) -> UnitQuery:
        return UnitQuery(
            closed=lambda index: self._closed(pod, group, index),
            has_room=has_room,
            leaving_until=lambda index: leaving_until(self.view, self.policy, index),
            preempting=lambda _: False,
            refused_since=self.view.history(pod.uid).refused_since,
            unscheduled_since=self.view.unscheduled_since(pod),
            now=self.now,
        )
