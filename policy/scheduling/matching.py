"""Which policy governs a pod, and which units a node is in (M1 to M5, M8, L6, U2, U3)."""

from collections.abc import Collection, Iterable

from policy.api import wellknown
from policy.api.objects import Node, Pod
from policy.api.options import NodeKinds
from policy.api.resourcepolicy import ResourcePolicy, Unit
from policy.api.selectors import carries

__all__ = [
    "governing",
    "in_unit",
    "is_leaving",
    "is_managed",
    "matches",
    "matching",
    "opted_out",
    "precedence",
    "units_of",
]

_LEAVING = frozenset({"ToBeDeletedByClusterAutoscaler", "DeletionCandidateOfClusterAutoscaler"})


def matches(policy: ResourcePolicy, pod: Pod) -> bool:
    """Whether the policy selects the pod: namespace (M1), pairs (M2), expressions (M3), no opt-out (L6)."""
    return (
        policy.namespace == pod.namespace
        and carries(pod.labels, policy.selector)
        and all(term.matches(pod.labels) for term in policy.match_expressions)
        and not opted_out(pod)
    )


def opted_out(pod: Pod) -> bool:
    """Whether the pod says that no policy is to govern it (L6)."""
    return (
        pod.labels.get(wellknown.ECI) == "true"
        or pod.annotations.get(wellknown.ECI) == "true"
        or wellknown.BURST_RESOURCE in pod.labels
        or wellknown.BURST_RESOURCE in pod.annotations
    )


def precedence(policy: ResourcePolicy) -> tuple[float, str]:
    """Sort key: the oldest first, ties by name (M4)."""
    return policy.created, policy.name


def matching(pod: Pod, policies: Iterable[ResourcePolicy]) -> list[ResourcePolicy]:
    """The policies that select the pod, the governing one first (M4)."""
    return sorted((policy for policy in policies if matches(policy, pod)), key=precedence)


def governing(pod: Pod, policies: Iterable[ResourcePolicy]) -> ResourcePolicy | None:
    """The oldest policy that selects the pod, or none (M4, M5)."""
    return min((policy for policy in policies if matches(policy, pod)), key=precedence, default=None)


def is_managed(pod: Pod, managed_resources: Collection[str]) -> bool:
    """Whether kube-scheduler asks about the pod: it requests one of these, or all pods are sent (M8)."""
    return not (managed_resources and pod.requests.keys().isdisjoint(managed_resources))


def is_leaving(node: Node) -> bool:
    """Whether cluster-autoscaler is about to remove the node (U7)."""
    return any(taint.key in _LEAVING for taint in node.taints)


def in_unit(node: Node, unit: Unit, kinds: NodeKinds) -> bool:
    """U3: the node's kind is the unit's, and every pair of nodeSelector equals a label."""
    return kinds.recognises(unit.resource, node.labels) and carries(node.labels, unit.node_selector)


def units_of(node: Node, policy: ResourcePolicy, kinds: NodeKinds) -> tuple[int, ...]:
    """The indexes of all units that the node is in, in order (U5)."""
    return tuple(i for i, unit in enumerate(policy.units) if in_unit(node, unit, kinds))
