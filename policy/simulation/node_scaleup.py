"""Which nodes an autoscaler would be asked for, and what they would be like (W1 to W3).

The watcher's own plan chooses the pods. A new node is like the most common node of its unit; in a unit
without nodes, one pod fills one node.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from policy.api.objects import Node, Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scaleup.planner import plan
from policy.scheduling.accounting import group_of
from policy.scheduling.refusals import Refusal
from policy.scheduling.snapshot import ClusterView
from policy.scheduling.unit_selection import limit_reached
from policy.simulation.node_capacity import NodeCapacity, PodShape
from policy.simulation.simulated_cluster import SimulatedCluster

__all__ = [
    "NodeOrder",
    "NodeTemplate",
    "PendingPod",
    "closed",
    "most_common",
    "node_like",
    "orders",
    "packed",
    "template",
]

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
class PendingPod:
    """A pending pod that a policy governs."""

    pod: Pod
    demand: PodShape
    policy: ResourcePolicy


@dataclass(frozen=True, slots=True)
class NodeOrder:
    """Nodes asked for in one unit, and for whom."""

    at: float
    policy: ResourcePolicy
    unit: int
    seekers: tuple[PendingPod, ...]
    nodes: tuple[Node, ...] = ()
    """What comes of it, once it is placed."""
    like: str = ""
    """The node whose size they have; empty: there was none in the unit."""


@dataclass(frozen=True, slots=True)
class NodeTemplate:
    """What a new node of a unit is like, and the node that it was taken from, if any."""

    node: Node
    like: str


def closed(view: ClusterView, policy: ResourcePolicy, index: int, pod: Pod) -> Refusal | None:
    """Why a cap closes the unit to the pod (O2)."""
    usage = view.usage(policy, index, group_of(pod.labels, policy), excluding=pod.uid)
    return limit_reached(policy, index, usage, pod.requests)


def orders(
    simulated: SimulatedCluster,
    seekers: Iterable[PendingPod],
    asked: Mapping[str, int],
    stuck: Collection[tuple[str, int]],
    at: float,
) -> list[NodeOrder]:
    """What the watcher would ask for now.

    `asked` maps a pod's uid to the unit asked to grow for it, `stuck` are units that did not, by policy (W4).
    """
    by_policy: defaultdict[str, dict[str, PendingPod]] = defaultdict(dict)
    for seeker in seekers:
        by_policy[seeker.policy.key][seeker.pod.uid] = seeker
    return [order for some in by_policy.values() for order in _orders_of(simulated, some, asked, stuck, at)]


def _orders_of(
    simulated: SimulatedCluster,
    seekers: Mapping[str, PendingPod],
    asked: Mapping[str, int],
    stuck: Collection[tuple[str, int]],
    at: float,
) -> Iterator[NodeOrder]:
    policy = next(iter(seekers.values())).policy
    pods = [seeker.pod for seeker in seekers.values()]
    wanted: defaultdict[int, list[PendingPod]] = defaultdict(list)

    def grows(_: Pod, unit: int) -> bool:
        return policy.units[unit].waits_for_nodes and (policy.key, unit) not in stuck

    for pod, unit in plan(policy, pods, simulated.view, simulated.now, asked, grows).needs_nodes:
        wanted[unit].append(seekers[pod.uid])
    for unit, some in wanted.items():
        yield NodeOrder(at, policy, unit, tuple(some))


def template(policy: ResourcePolicy, unit: int, view: ClusterView, pod: Pod) -> NodeTemplate:
    """What a new node of the unit is like: as those that it has, else as large as the pod."""
    found = most_common(policy, unit, view)
    if found is not None:
        return found
    labels = {**pod.node_selector, **policy.units[unit].node_selector}
    return NodeTemplate(Node("", labels=labels, allocatable=dict(pod.requests)), "")


def most_common(policy: ResourcePolicy, unit: int, view: ClusterView) -> NodeTemplate | None:
    """A new node like those that the unit has; None if it has none."""
    members = [view.nodes[name] for name in sorted(view.nodes_in(policy, unit))]
    sizes = Counter(frozenset(node.allocatable.items()) for node in members)
    if not sizes:
        return None
    (size, _), *_ = sizes.most_common(1)
    model = next(node for node in members if frozenset(node.allocatable.items()) == size)
    taints = tuple(taint for taint in model.taints if taint.key not in _PASSING)
    return NodeTemplate(replace(model, taints=taints, unschedulable=False, ready=True), model.name)


def node_like(model: NodeTemplate, name: str) -> Node:
    """A new node."""
    hostname = {"kubernetes.io/hostname": name}
    return replace(model.node, name=name, labels={**model.node.labels, **hostname})


def packed(model: NodeTemplate, seekers: Sequence[PendingPod], names: Callable[[int], str]) -> list[Node]:
    """As few new nodes as take the pods, first fit; none if a pod fits on no such node."""
    if not model.like:
        return [node_like(model, names(number)) for number, _ in enumerate(seekers)]
    room, nodes = NodeCapacity(), list[Node]()
    # Nodes not found full yet, the next one last: what is full for a pod is full for its like.
    left: dict[PodShape, list[str]] = {}
    for seeker in seekers:
        names_left = left.setdefault(seeker.demand, [node.name for node in nodes])
        while names_left and not room.fits(seeker.demand, names_left[-1]):
            names_left.pop()
        if not names_left:
            node = node_like(model, names(len(nodes)))
            room.add_node(node)
            if not room.fits(seeker.demand, node.name):
                return []
            nodes.append(node)
            for others in left.values():
                others.append(node.name)
        room.take(names_left[-1], seeker.demand)
    return nodes
