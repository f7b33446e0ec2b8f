"""Bindings that may be in flight unseen, after a start (C7).

A binding in flight means that the scheduler holds room which an older view still shows as free: a pod for
which a unit has no room is not on its way there.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from policy.api.objects import Node, Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.accounting import Group, MissingLabelError, PodUsage, Usage, group_of
from policy.scheduling.node_fit import Shape, has_free, selects, shape_of
from policy.scheduling.pod_history import PodHistory
from policy.scheduling.snapshot import ClusterView

__all__ = ["InflightBinding", "InflightBindings", "PessimisticView", "find_inflight_bindings", "has_room"]


@dataclass(frozen=True, slots=True)
class InflightBinding:
    """A pod that may be bound to a node of one of these units any moment."""

    pod: Pod
    policy: str
    group: Group
    units: frozenset[int]


def has_room(pod: Pod, policy: ResourcePolicy, unit: int, view: ClusterView) -> bool:
    """Whether a node of the unit has the room that a binding of the pod would hold there.

    Whether the node takes pods now tells nothing: it may have been cordoned since the pod was sent to it.
    """
    return any(
        selects(pod, node) and has_free(node, view.pods_on(name), pod)
        for name in view.nodes_in(policy, unit)
        if (node := view.nodes[name])
    )


def find_inflight_bindings(
    policy: ResourcePolicy, pending: Iterable[Pod], view: ClusterView, shrank: Collection[int] = ()
) -> list[InflightBinding]:
    """Of the pending pods that `policy` governs, those that may be on their way.

    `shrank`: the units that lost a node since then. A binding in flight may be to that node, and its room is
    gone with it.
    """
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
            rooms[shape] = frozenset(i for i in units if i in shrank or has_room(pod, policy, i, view))
        if rooms[shape]:
            found.append(InflightBinding(pod, policy.key, group, rooms[shape]))
    return found


class InflightBindings:
    """Doubtful pods, and what they come to in each unit: they may be as many as all that are pending."""

    def __init__(self, bindings: Iterable[InflightBinding] = ()) -> None:
        self._by_uid: dict[str, InflightBinding] = {}
        self._sums: dict[tuple[str, int, Group], Usage] = {}
        self._policies: Counter[str] = Counter()
        for binding in bindings:
            self.put(binding)

    def __iter__(self) -> Iterator[InflightBinding]:
        return iter(self._by_uid.values())

    def __len__(self) -> int:
        return len(self._by_uid)

    def of(self, policy: str) -> int:
        """How many bindings of a policy, by its key, may be in flight."""
        return self._policies[policy]

    def put(self, binding: InflightBinding) -> None:
        """In place of what was known of the pod."""
        self.drop(binding.pod.uid)
        self._by_uid[binding.pod.uid] = binding
        self._policies[binding.policy] += 1
        for place in _places(binding):
            self._sums[place] = self._sums.get(place, Usage()).plus(_own(binding))

    def drop(self, uid: str) -> InflightBinding | None:
        """The pod's binding is not in flight any more; what was known of it."""
        binding = self._by_uid.pop(uid, None)
        if binding is not None:
            self._policies[binding.policy] -= 1
            for place in _places(binding):
                self._sums[place] = self._sums[place].without(_own(binding))
        return binding

    def usage(self, policy: ResourcePolicy, unit: int, group: Group, excluding: str) -> Usage:
        """What they come to in a unit and group, the pod with uid `excluding` left out."""
        place = policy.key, unit, group
        usage, own = self._sums.get(place, Usage()), self._by_uid.get(excluding)
        return usage.without(_own(own)) if own and place in _places(own) else usage


def _places(binding: InflightBinding) -> list[tuple[str, int, Group]]:
    return [(binding.policy, unit, binding.group) for unit in binding.units]


def _own(binding: InflightBinding) -> Usage:
    return Usage(1, binding.pod.requests)


@dataclass(frozen=True, slots=True)
class PessimisticView(ClusterView):
    """A view in which every binding in flight counts in every unit that it may be for."""

    view: ClusterView
    bindings: InflightBindings

    @property
    def nodes(self) -> Mapping[str, Node]:
        return self.view.nodes

    @property
    def leaving(self) -> AbstractSet[str]:
        return self.view.leaving

    def nodes_in(self, policy: ResourcePolicy, unit: int) -> AbstractSet[str]:
        return self.view.nodes_in(policy, unit)

    def first_units(self, policy: ResourcePolicy) -> Mapping[str, int]:
        return self.view.first_units(policy)

    def usage(self, policy: ResourcePolicy, unit: int, group: Group, excluding: str = "") -> Usage:
        usage = self.view.usage(policy, unit, group, excluding)
        return usage.plus(self.bindings.usage(policy, unit, group, excluding))

    def terminating(self, policy: ResourcePolicy, unit: int) -> bool:
        return self.view.terminating(policy, unit)

    def emptied_at(self, policy: ResourcePolicy, unit: int) -> float:
        return self.view.emptied_at(policy, unit)

    def pods_on(self, node: str) -> Collection[Pod]:
        return self.view.pods_on(node)

    def share(self, policy: ResourcePolicy, uid: str) -> PodUsage | None:
        return self.view.share(policy, uid)

    def history(self, uid: str) -> PodHistory:
        return self.view.history(uid)

    def unscheduled_since(self, pod: Pod) -> float | None:
        return self.view.unscheduled_since(pod)

    def unknown(self, names: Collection[str]) -> Collection[str]:
        return self.view.unknown(names)
