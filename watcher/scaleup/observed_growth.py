"""What the autoscaler did where it sets no condition: which groups grew since a request, for how many pods.

Inferred from the sizes of node groups; facts: docs/design/autoscaler.md.
"""

from collections.abc import Mapping, Sequence

from policy.api.objects import Pod
from watcher.provisioner.autoscaler_status import NodeGroup, Size
from watcher.scaleup.cluster_state import ClusterState, TrackedRequest

__all__ = ["NO_GROUP_GREW", "granted_pods", "groups_refused", "grown_groups"]

NO_GROUP_GREW = "no node group grew in time"


def grown_groups(tracked: TrackedRequest, state: ClusterState) -> Sequence[NodeGroup]:
    """The groups that were told to grow since the request was made, of those that may serve it."""
    before = tracked.sizes_before
    if not before:
        return ()
    return [g for g in state.candidate_groups(tracked.unit) if g.grew_since(before.get(g.name, (0, 0)))]


def granted_pods(tracked: TrackedRequest, state: ClusterState) -> int:
    """How many pods of the request have a place by now: fewer than asked for if a group reached its limit."""
    landed = len(tracked.request.pods) - tracked.places
    requested = min(tracked.request.placeholders, tracked.places)
    groups = grown_groups(tracked, state)
    if not any(group.trouble for group in groups):
        return landed + requested
    nodes = sum(_new_nodes(group, tracked.sizes_before) for group in groups)
    return landed + min(requested, nodes * _pods_per_node(tracked, state))


def groups_refused(tracked: TrackedRequest, state: ClusterState) -> bool:
    """Whether the groups that may serve the request cannot grow, or the cloud refused one of them since."""
    if tracked.unit is None:
        return False
    if state.groups.blocked(tracked.unit.spec, state.status):
        return True
    before, groups = tracked.backed_off_before, state.candidate_groups(tracked.unit)
    return before is not None and any(group.backoff and group.name not in before for group in groups)


def _new_nodes(group: NodeGroup, before: Mapping[str, Size]) -> int:
    """Nodes that came or are to come since; at least one, as it grew."""
    target, coming = before.get(group.name, (0, 0))
    return max(group.target - target, group.size[1] - coming, 1)


def _pods_per_node(tracked: TrackedRequest, state: ClusterState) -> int:
    """How many of the pods a node of the unit takes; 1 if the unit has no node to judge by."""
    if tracked.unit is None:
        return 1
    policy_state, unit = tracked.unit.policy_state, tracked.unit.index
    pod = next((pod for pod in policy_state.pending if pod.uid in tracked.request.pods), None)
    nodes = [state.view.nodes[name] for name in state.view.nodes_in(policy_state.policy, unit)]
    return max((_pods_in(node.allocatable, pod) for node in nodes), default=1) if pod else 1


def _pods_in(allocatable: Mapping[str, int], pod: Pod) -> int:
    return max(1, min((allocatable.get(n, 0) // a for n, a in pod.requests.items() if a), default=1))
