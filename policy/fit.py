"""Whether a node takes a pod as far as resources, taints and node selectors tell.

Owns a reduced copy of three in-tree filters (NodeResourcesFit, TaintToleration, NodeAffinity's nodeSelector),
for decisions that no scheduler asks for; must not know policies. kube-scheduler decides the real thing.
"""

from collections.abc import Iterable

from policy.objects import Effect, Node, Pod, Taint, Toleration
from policy.selectors import carries
from policy.usage import total

__all__ = ["admits", "has_free", "tolerated"]


def admits(node: Node, pod: Pod) -> bool:
    """Whether the node is up and the pod may be there at all, room aside."""
    return (
        node.ready
        and not node.unschedulable
        and carries(node.labels, pod.node_selector)
        and all(
            tolerated(taint, pod.tolerations)
            for taint in node.taints
            if taint.effect is not Effect.PREFER_NO_SCHEDULE
        )
    )


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
