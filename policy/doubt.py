"""Bindings that may be under way unseen, after a start (C7).

Owns which pending pods may be on their way to which unit, and a view that counts them there; must not know
since when, or for how long. A binding under way means that the scheduler holds room which an older view still
shows as free: a pod for which a unit has no room is not on its way there.
"""

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from policy.fit import admits, has_free
from policy.history import History
from policy.objects import Node, Pod
from policy.planning import Shape, shape_of
from policy.resourcepolicy import ResourcePolicy
from policy.snapshot import View
from policy.usage import Group, MissingLabelError, Share, Usage, group_of, total

__all__ = ["Doubt", "Doubting", "doubts", "has_room"]


@dataclass(frozen=True, slots=True)
class Doubt:
    """A pod that may be bound to a node of one of these units any moment."""

    pod: Pod
    policy: str
    group: Group
    units: frozenset[int]


def has_room(pod: Pod, policy: ResourcePolicy, unit: int, view: View) -> bool:
    """Whether a node of the unit could take the pod as it is now."""
    return any(
        admits(node, pod) and has_free(node, view.pods_on(name), pod)
        for name in view.nodes_in(policy, unit)
        if (node := view.nodes[name])
    )


def doubts(policy: ResourcePolicy, pending: Iterable[Pod], view: View) -> list[Doubt]:
    """Of the pending pods that `policy` governs, those that may be on their way."""
    rooms: dict[Shape, frozenset[int]] = {}
    found = []
    for pod in pending:
        try:
            group = group_of(pod.labels, policy)
        except MissingLabelError:
            continue
        shape = shape_of(pod)
        if shape not in rooms:
            units = range(len(policy.units))
            rooms[shape] = frozenset(i for i in units if has_room(pod, policy, i, view))
        if rooms[shape]:
            found.append(Doubt(pod, policy.key, group, rooms[shape]))
    return found


@dataclass(frozen=True, slots=True)
class Doubting(View):
    """A view in which every doubtful pod is counted in every unit that it may be on its way to."""

    view: View
    doubts: Mapping[str, Doubt]
    """By the pod's uid."""

    @property
    def nodes(self) -> Mapping[str, Node]:
        """See `View`."""
        return self.view.nodes

    @property
    def leaving(self) -> AbstractSet[str]:
        """See `View`."""
        return self.view.leaving

    def nodes_in(self, policy: ResourcePolicy, unit: int) -> AbstractSet[str]:
        """See `View`."""
        return self.view.nodes_in(policy, unit)

    def usage(self, policy: ResourcePolicy, unit: int, group: Group, but: str = "") -> Usage:
        """See `View`."""
        usage = self.view.usage(policy, unit, group, but)
        doubtful = total(
            doubt.pod.requests
            for uid, doubt in self.doubts.items()
            if uid != but and (doubt.policy, doubt.group) == (policy.key, group) and unit in doubt.units
        )
        return usage.plus(doubtful)

    def terminating(self, policy: ResourcePolicy, unit: int) -> bool:
        """See `View`."""
        return self.view.terminating(policy, unit)

    def emptied_at(self, policy: ResourcePolicy, unit: int) -> float:
        """See `View`."""
        return self.view.emptied_at(policy, unit)

    def pods_on(self, node: str) -> Collection[Pod]:
        """See `View`."""
        return self.view.pods_on(node)

    def share(self, policy: ResourcePolicy, uid: str) -> Share | None:
        """See `View`."""
        return self.view.share(policy, uid)

    def history(self, uid: str) -> History:
        """See `View`."""
        return self.view.history(uid)

    def unscheduled_since(self, pod: Pod) -> float | None:
        """See `View`."""
        return self.view.unscheduled_since(pod)

    def unknown(self, names: Collection[str]) -> Collection[str]:
        """See `View`."""
        return self.view.unknown(names)
