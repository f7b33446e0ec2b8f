"""Whether a node takes a pod as far as resources, taints, node selectors and required node affinity tell.

Owns a reduced copy of three in-tree filters (NodeResourcesFit, TaintToleration, NodeAffinity), for decisions
that no scheduler asks for; must not know policies. kube-scheduler decides the real thing.
"""

from collections.abc import Iterable, Mapping

from policy.affinity import allows, may_allow
from policy.objects import Effect, Node, Pod, Taint, Toleration
from policy.selectors import carries
from policy.usage import total

__all__ = ["admits", "has_free", "may_use", "selects", "tolerated"]


def admits(node: Node, pod: Pod) -> bool:
    """Whether the node is up and the pod may be there at all, room aside."""
    return (
        node.ready
        and not node.unschedulable
        and selects(pod, node)
        and all(
            tolerated(taint, pod.tolerations)
            for taint in node.taints
            if taint.effect is not Effect.PREFER_NO_SCHEDULE
        )
    )


def selects(pod: Pod, node: Node) -> bool:
    """Whether the pod's node selector and required affinity name the node."""
    return carries(node.labels, pod.node_selector) and allows(pod.affinity, node.labels, node.name)


def may_use(pod: Pod, labels: Mapping[str, str]) -> bool:
    """Whether the pod could be on a node yet to come, of which these labels are known."""
    agrees = all(labels.get(key, value) == value for key, value in pod.node_selector.items())
    return agrees and may_allow(pod.affinity, labels)


def has_free(node: Node, others: Iterable[Pod], pod: Pod) -> bool:
    """Whether allocatable, less what the other pods request, covers the pod."""
    used = total(other.requests for other in others).requests
    return all(
        used.get(name, 0) + amount <= node.allocatable.get(name, 0)
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
