"""Whether a node takes a pod as far as resources, taints, node selectors and required node affinity tell.

kube-scheduler decides the real thing.
"""

from collections.abc import Iterable, Iterator, Mapping

from policy.api.node_affinity import Affinity, allows, may_allow
from policy.api.objects import Effect, Node, Pod, Taint, Toleration
from policy.api.quantity import parse_quantity
from policy.api.selectors import carries
from policy.scheduling.accounting import total

__all__ = ["ONE", "PODS", "Shape", "admits", "has_free", "may_use", "selects", "shape_of", "tolerated"]

PODS = "pods"
"""What Kubernetes calls the number of pods where it counts it among resources."""
ONE = parse_quantity("1")

Shape = tuple[frozenset[tuple[str, int]], frozenset[tuple[str, str]], frozenset[Toleration], Affinity]

_CORDONED = Taint("node.kubernetes.io/unschedulable", "", Effect.NO_SCHEDULE)
_NOT_READY = Taint("node.kubernetes.io/not-ready", "", Effect.NO_SCHEDULE)
_DOWN = frozenset({"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"})


def admits(node: Node, pod: Pod) -> bool:
    """Whether the pod may be on the node at all, room aside.

    A pod may tolerate a node that is cordoned or down: many a DaemonSet and debugging pod tolerates all.
    """
    return selects(pod, node) and all(tolerated(taint, pod.tolerations) for taint in _keeping_out(node))


def _keeping_out(node: Node) -> Iterator[Taint]:
    """The taints by which the scheduler keeps pods out. Those that controllers add come a moment late."""
    hard = [taint for taint in node.taints if taint.effect is not Effect.PREFER_NO_SCHEDULE]
    yield from hard
    if node.unschedulable:
        yield _CORDONED
    if not node.ready and not any(taint.key in _DOWN for taint in hard):
        yield _NOT_READY


def selects(pod: Pod, node: Node) -> bool:
    """Whether the pod's node selector and required affinity name the node."""
    return carries(node.labels, pod.node_selector) and allows(pod.affinity, node.labels, node.name)


def may_use(pod: Pod, labels: Mapping[str, str]) -> bool:
    """Whether the pod could be on a node yet to come, of which these labels are known."""
    agrees = all(labels.get(key, value) == value for key, value in pod.node_selector.items())
    return agrees and may_allow(pod.affinity, labels)


def shape_of(pod: Pod) -> Shape:
    """What the pod needs of a node, as far as these filters look. Pods of one shape are alike."""
    return (
        frozenset(pod.requests.items()),
        frozenset(pod.node_selector.items()),
        frozenset(pod.tolerations),
        pod.affinity,
    )


def has_free(node: Node, others: Iterable[Pod], pod: Pod) -> bool:
    """Whether allocatable, less what the other pods request, covers the pod.

    A node that does not tell how many pods it takes takes any.
    """
    used = total(other.requests for other in others)
    wanted = used.pods * ONE + ONE
    return node.allocatable.get(PODS, wanted) >= wanted and all(
        used.requests.get(name, 0) + amount <= node.allocatable.get(name, 0)
        for name, amount in pod.requests.items()
        if amount
    )


def tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    """As core/v1's Toleration.ToleratesTaint: an empty key or effect matches all."""
    return any(
        toleration.effect in ("", taint.effect)
        and toleration.key in ("", taint.key)
        and (toleration.operator == "Exists" or toleration.value == taint.value)
        for toleration in tolerations
    )
