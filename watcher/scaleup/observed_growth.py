"""What the autoscaler did, where it does not say: which groups grew since a request, and for how many pods.

Owns the comparison of sizes; must not know what is done about it. Facts: autoscaler.md, sections 5 and 6.
"""

from collections.abc import Mapping, Sequence

from policy.api.objects import Pod
from watcher.provisioner.autoscaler_status import NodeGroup, Size
from watcher.provisioner.interface import Request
from watcher.scaleup.cluster_state import ClusterState
from watcher.scaleup.request_tracker import RequestTracker

__all__ = ["NOTHING_GREW", "granted", "grown", "refused"]

NOTHING_GREW = "no node group grew in time"


def grown(request: Request, state: ClusterState, memory: RequestTracker) -> Sequence[NodeGroup]:
    """The groups that were told to grow since the request was made, of those that may serve it."""
    before = memory.sizes_before(request)
    if not before:
        return ()
    return [g for g in _candidates(request, state) if g.grew_since(before.get(g.name, (0, 0)))]


def granted(request: Request, state: ClusterState, memory: RequestTracker) -> int:
    """How many pods of the request have a place by now: fewer than asked where a group could not do more."""
    landed = len(request.pods) - memory.places(request)
    asked = min(request.shown, memory.places(request))
    before, groups = memory.sizes_before(request), grown(request, state, memory)
    if not any(group.trouble for group in groups):
        return landed + asked
    nodes = sum(_step(group, before) for group in groups)
    return landed + min(asked, nodes * _pods_per_node(request, state))


def refused(request: Request, state: ClusterState, memory: RequestTracker) -> bool:
    """Whether the groups that may serve the request cannot, or one of them was refused by the cloud since."""
    meant = state.of(request)
    if meant is None:
        return False
    if state.groups.blocked(meant[0].policy.units[meant[1]], state.status):
        return True
    before = memory.backed_off_before(request)
    groups = _candidates(request, state)
    return before is not None and any(group.backoff and group.name not in before for group in groups)


def _candidates(request: Request, state: ClusterState) -> Sequence[NodeGroup]:
    meant = state.of(request)
    if meant is None:
        return ()
    return state.groups.candidates(meant[0].policy.units[meant[1]], state.status)


def _step(group: NodeGroup, before: Mapping[str, Size]) -> int:
    """Nodes that came or are to come since; at least one, as it grew."""
    target, coming = before.get(group.name, (0, 0))
    return max(group.target - target, group.size[1] - coming, 1)


def _pods_per_node(request: Request, state: ClusterState) -> int:
    """How many of the pods a node takes, if the unit has one to tell by; else one."""
    meant = state.of(request)
    if meant is None:
        return 1
    governed, unit = meant
    pod = next((pod for pod in governed.open if pod.uid in request.pods), None)
    nodes = [state.view.nodes[name] for name in state.view.nodes_in(governed.policy, unit)]
    return max((_times(pod, node.allocatable) for node in nodes), default=1) if pod else 1


def _times(pod: Pod, allocatable: Mapping[str, int]) -> int:
    return max(1, min((allocatable.get(n, 0) // a for n, a in pod.requests.items() if a), default=1))
