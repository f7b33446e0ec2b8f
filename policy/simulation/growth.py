"""Which nodes an autoscaler would be asked for, and what they would be like (W1 to W3).

Owns the walk of pending pods to units that can grow, the walk of filter, and how many nodes they fill; must
not know time. A new node is like the most common of its unit; where there is none, one pod fills one node.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from policy.objects import Node, Pod
from policy.reasons import Refusal
from policy.resourcepolicy import ResourcePolicy
from policy.simulation.room import Demand, Room
from policy.simulation.stage import Stage
from policy.snapshot import View
from policy.units import Asked, limit_reached, walk
from policy.usage import MissingLabelError, group_of

__all__ = ["Order", "Seeker", "Template", "closed", "node_like", "orders", "packed", "template"]

_PASSING = frozenset(
    {
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
        "node.kubernetes.io/unschedulable",
        "ToBeDeletedByClusterAutoscaler",
        "DeletionCandidateOfClusterAutoscaler",
    }
)


@dataclass(frozen=True, slots=True)
class Seeker:
    """A pending pod that a policy governs."""

    pod: Pod
    demand: Demand
    policy: ResourcePolicy


@dataclass(frozen=True, slots=True)
class Order:
    """Nodes asked for in one unit, and for whom."""

    at: float
    policy: ResourcePolicy
    unit: int
    seekers: tuple[Seeker, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """What a new node of a unit is like, and the node that it was taken from, if any."""

    node: Node
    like: str


def closed(view: View, policy: ResourcePolicy, index: int, pod: Pod) -> Refusal | None:
    """Why a cap closes the unit to the pod (O2)."""
    usage = view.usage(policy, index, group_of(pod.labels, policy), but=pod.uid)
    return limit_reached(policy, index, usage, pod.requests)


def orders(
    stage: Stage,
    seekers: Iterable[Seeker],
    has_room: Callable[[Seeker, int], bool],
    asked: Mapping[str, int],
    at: float,
) -> list[Order]:
    """What to ask for now; `asked` maps the uid of a pod to the unit that was asked to grow for it."""
    wanted: defaultdict[tuple[str, int], list[Seeker]] = defaultdict(list)
    held = []
    for seeker in seekers:
        try:
            group = group_of(seeker.pod.labels, seeker.policy)
        except MissingLabelError:
            continue
        unit = _growing(stage, seeker, has_room)
        if unit is None:
            continue
        stage.hold(seeker.pod, seeker.policy, unit, group)
        held.append(seeker.pod)
        if asked.get(seeker.pod.uid) != unit:
            wanted[seeker.policy.key, unit].append(seeker)
    for pod in held:
        stage.release(pod)
    return [Order(at, some[0].policy, unit, tuple(some)) for (_, unit), some in wanted.items()]


def _growing(stage: Stage, seeker: Seeker, has_room: Callable[[Seeker, int], bool]) -> int | None:
    """The pod's next open unit, if it has no room and can grow."""
    policy, pod, view = seeker.policy, seeker.pod, stage.view
    asked = Asked(
        closed=lambda index: closed(view, policy, index, pod),
        has_room=lambda index: policy.units[index].waits_for_nodes or has_room(seeker, index),
        terminating=lambda index: view.terminating(policy, index),
        preempting=lambda _: False,
        refused_since=view.history(pod.uid).refused_since,
        unscheduled_since=view.unscheduled_since(pod),
        now=stage.now,
    )
    unit = walk(policy, asked).unit
    return None if unit is None or has_room(seeker, unit) else unit


def template(policy: ResourcePolicy, unit: int, view: View, pod: Pod | None) -> Template | None:
    """What a new node of the unit is like; None: nothing is known of its size."""
    members = [view.nodes[name] for name in sorted(view.nodes_in(policy, unit))]
    sizes = Counter(frozenset(node.allocatable.items()) for node in members)
    if sizes:
        (size, _), *_ = sizes.most_common(1)
        model = next(node for node in members if frozenset(node.allocatable.items()) == size)
        taints = tuple(taint for taint in model.taints if taint.key not in _PASSING)
        return Template(replace(model, taints=taints, unschedulable=False, ready=True), model.name)
    if pod is None:
        return None
    labels = {**pod.node_selector, **policy.units[unit].node_selector}
    return Template(Node("", labels=labels, allocatable=dict(pod.requests)), "")


def node_like(model: Template, name: str) -> Node:
    """A new node."""
    hostname = {"kubernetes.io/hostname": name}
    return replace(model.node, name=name, labels={**model.node.labels, **hostname})


def packed(model: Template, seekers: Sequence[Seeker], names: Callable[[int], str]) -> list[Node]:
    """As few new nodes as take the pods, first fit; none if a pod fits on no such node."""
    if not model.like:
        return [node_like(model, names(number)) for number, _ in enumerate(seekers)]
    room, nodes = Room(), list[Node]()
    for seeker in seekers:
        fitting = (node.name for node in reversed(nodes) if room.fits(seeker.demand, node.name))
        name = next(fitting, None)
        if name is None:
            node = node_like(model, names(len(nodes)))
            room.add_node(node)
            if not room.fits(seeker.demand, node.name):
                return []
            nodes.append(node)
            name = node.name
        room.take(name, seeker.demand)
    return nodes
