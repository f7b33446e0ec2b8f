"""What the autoscaler did, where it does not say: which groups grew since a request, and for how many pods.

It compares sizes of node groups (docs/design/autoscaler.md).
"""

from collections.abc import Mapping, Sequence

from policy.api.objects import Pod
from watcher.provisioner.autoscaler_status import NodeGroup, Size
from watcher.scaleup.cluster_state import ClusterState, TrackedRequest

__all__ = ["NOTHING_GREW", "granted", "grown", "refused"]

NOTHING_GREW = "no node group grew in time"


def grown(request: TrackedRequest, state: ClusterState) -> Sequence[NodeGroup]:
    """The groups that were told to grow since the request was made, of those that may serve it."""
    before = request.sizes_before
    if not before:
        return ()
    return [g for g in _candidates(request, state) if g.grew_since(before.get(g.name, (0, 0)))]


def granted(request: TrackedRequest, state: ClusterState) -> int:
    """How many pods of the request have a place by now: fewer than asked where a group could not do more."""
    landed = len(request.request.pods) - request.places
    asked = min(request.request.shown, request.places)
    groups = grown(request, state)
    if not any(group.trouble for group in groups):
        return landed + asked
    nodes = sum(_new_nodes(group, request.sizes_before) for group in groups)
    return landed + min(asked, nodes * _pods_per_node(request, state))


def refused(request: TrackedRequest, state: ClusterState) -> bool:
    """Whether the groups that may serve the request cannot, or one of them was refused by the cloud since."""
    target = request.target
    if target is None:
        return False
    if state.groups.blocked(target.policy.units[target.index], state.status):
        return True
    before = request.backed_off_before
    groups = _candidates(request, state)
    return before is not None and any(group.backoff and group.name not in before for group in groups)


def _candidates(request: TrackedRequest, state: ClusterState) -> Sequence[NodeGroup]:
    target = request.target
    return state.groups.candidates(target.policy.units[target.index], state.status) if target else ()


def _new_nodes(group: NodeGroup, before: Mapping[str, Size]) -> int:
    """Nodes that came or are to come since; at least one, as it grew."""
    target, coming = before.get(group.name, (0, 0))
    return max(group.target - target, group.size[1] - coming, 1)


def _pods_per_node(request: TrackedRequest, state: ClusterState) -> int:
    """How many of the pods a node takes, if the unit has one to tell by; else one."""
    target = request.target
    if target is None:
        return 1
    pod = next((pod for pod in target.state.pending if pod.uid in request.request.pods), None)
    nodes = [state.view.nodes[name] for name in state.view.nodes_in(target.policy, target.index)]
    return max((_pods_within(node.allocatable, pod) for node in nodes), default=1) if pod else 1


def _pods_within(allocatable: Mapping[str, int], pod: Pod) -> int:
    return max(1, min((allocatable.get(n, 0) // a for n, a in pod.requests.items() if a), default=1))
