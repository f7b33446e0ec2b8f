"""The truth: objects, their versions, and the history that watches replay.

Objects are the values that decisions use, as conversion is tested elsewhere.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from dev.faultsim.virtual_clock import Loop
from policy.api.objects import Node, Phase, Pod
from policy.api.resourcepolicy import ResourcePolicy

__all__ = ["MESSAGE", "PREEMPTED", "ApiServer", "Change", "Conflict", "Object", "Resource"]

MESSAGE = "faults/message"
"""Stands for the message of the condition PodScheduled, which `Pod` does not keep."""
PREEMPTED = "faults/preempted"
"""Stands for the condition DisruptionTarget, with reason PreemptionByScheduler."""

Object = Pod | Node | ResourcePolicy


class Resource(StrEnum):
    """What can be listed."""

    NODES = "nodes"
    PODS = "pods"
    POLICIES = "policies"


class Conflict(Exception):  # noqa: N818  as the API server names it
    """The binding is refused: the pod is gone, bound, or on its way out."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a resource's history."""

    at: float
    version: int
    object: Object
    deleted: bool = False


class ApiServer:
    """Keys are uids of pods, names of nodes, keys of policies."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.version = 0
        self.preempted = 0
        """How many pods were deleted for others."""
        self.nodes: dict[str, Node] = {}
        self.lost_at: dict[str, float] = {}
        """When each node that is gone was removed."""
        self.pods: dict[str, Pod] = {}
        self.policies: dict[str, ResourcePolicy] = {}
        self.history: Mapping[Resource, list[Change]] = {resource: [] for resource in Resource}
        self._watchers: Mapping[Resource, list[Callable[[], None]]] = {resource: [] for resource in Resource}

    def objects(self, resource: Resource) -> list[Object]:
        """A consistent list."""
        kept: Mapping[Resource, Mapping[str, Object]] = {
            Resource.NODES: self.nodes,
            Resource.PODS: self.pods,
            Resource.POLICIES: self.policies,
        }
        return list(kept[resource].values())

    def watch(self, resource: Resource, notify: Callable[[], None]) -> Callable[[], None]:
        """Be told of every change; call what is returned to end that."""
        watchers = self._watchers[resource]
        watchers.append(notify)
        return lambda: watchers.remove(notify)

    # Nodes and policies: written by people and controllers.

    def put_node(self, node: Node) -> None:
        self.nodes[node.name] = node
        self._record(Resource.NODES, node)

    def remove_node(self, name: str) -> None:
        node = self.nodes.pop(name, None)
        if node is not None:
            self.lost_at[name] = self._loop.now
            self._record(Resource.NODES, node, deleted=True)

    def put_policy(self, policy: ResourcePolicy) -> None:
        self.policies[policy.key] = policy
        self._record(Resource.POLICIES, policy)

    def remove_policy(self, key: str) -> None:
        policy = self.policies.pop(key, None)
        if policy is not None:
            self._record(Resource.POLICIES, policy, deleted=True)

    # Pods.

    def put_pod(self, pod: Pod) -> None:
        self.pods[pod.uid] = pod
        self._record(Resource.PODS, pod)

    def remove_pod(self, uid: str) -> None:
        pod = self.pods.pop(uid, None)
        if pod is not None:
            self._record(Resource.PODS, pod, deleted=True)

    def terminate(self, uid: str) -> None:
        pod = self.pods.get(uid)
        if pod is not None and not pod.terminating:
            self.put_pod(replace(pod, terminating=True))

    def finish(self, uid: str, phase: Phase) -> None:
        pod = self.pods.get(uid)
        if pod is not None and pod.node_name and not pod.finished:
            self.put_pod(replace(pod, phase=phase))

    def bind(self, uid: str, node: str) -> None:
        """The binding subresource. It does not look whether the node exists.

        Raises:
            Conflict: the pod is gone, bound, or terminating.
        """
        pod = self.pods.get(uid)
        if pod is None or pod.node_name or pod.terminating or pod.finished:
            raise Conflict(uid)
        bound_at = math.floor(self._loop.now)
        self.put_pod(
            replace(
                pod,
                node_name=node,
                bound_at=bound_at,
                unscheduled_since=None,
                unschedulable=False,
                nominated_node="",
            )
        )

    def refuse(self, uid: str, message: str, *, unschedulable: bool, nominated: str | None = None) -> None:
        """PodScheduled=False. Its time, in whole seconds, is that of the first refusal.

        `nominated` is the node that the pod is nominated to from now on; None leaves that as it is.
        """
        pod = self.pods.get(uid)
        if pod is None or pod.node_name:
            return
        since = pod.unscheduled_since if pod.unscheduled_since is not None else math.floor(self._loop.now)
        annotations = {**pod.annotations, MESSAGE: message}
        self.put_pod(
            replace(
                pod,
                annotations=annotations,
                unscheduled_since=since,
                unschedulable=unschedulable,
                nominated_node=pod.nominated_node if nominated is None else nominated,
            )
        )

    def end_nomination(self, uid: str) -> None:
        """As the scheduler does for pods of lower priority when it preempts on their node."""
        pod = self.pods.get(uid)
        if pod is not None and not pod.node_name and pod.nominated_node:
            self.put_pod(replace(pod, nominated_node=""))

    def preempt(self, uid: str, grace: float) -> None:
        """The condition DisruptionTarget, then the delete."""
        self.preempted += uid in self.pods
        self.annotate(uid, PREEMPTED, "true")
        self.evict(uid, grace)

    def evict(self, uid: str, grace: float) -> None:
        """Delete a pod; one with a node is terminating for so long."""
        pod = self.pods.get(uid)
        if pod is not None and pod.node_name and grace:
            self.terminate(uid)
            self._loop.after(grace, lambda: self.remove_pod(uid))
        else:
            self.remove_pod(uid)

    def annotate(self, uid: str, key: str, value: str) -> None:
        """A merge patch with the uid as its precondition."""
        pod = self.pods.get(uid)
        if pod is not None:
            self.put_pod(replace(pod, annotations={**pod.annotations, key: value}))

    def _record(self, resource: Resource, written: Object, *, deleted: bool = False) -> None:
        self.version += 1
        self.history[resource].append(Change(self._loop.now, self.version, written, deleted))
        for notify in tuple(self._watchers[resource]):
            notify()
