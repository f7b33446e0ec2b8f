"""The API's objects, read as the values of a scene.

Facts: a pod that cannot be placed has the condition PodScheduled=False,
and there the scheduler's reason.
"""

from dataclasses import replace
from typing import TypeVar

from dev.controlplane import Object
from dev.demo.model import Followed, Node, NodeState, Pod, PodState, Request, RequestState, Step
from policy.api.quantity import parse_quantity

__all__ = [
    "GROUP_ANNOTATION",
    "POOL_LABEL",
    "follow",
    "read_average",
    "read_node",
    "read_pod",
    "read_pool",
    "read_replicas",
    "read_request",
]

POOL_LABEL = "alibabacloud.com/nodepool-id"
COST_ANNOTATION = "controller.kubernetes.io/pod-deletion-cost"
GROUP_ANNOTATION = "cluster-autoscaler.kwok.nodegroup/name"

Thing = TypeVar("Thing", bound=Followed)


def follow(before: Thing | None, now: Thing, at: float) -> Thing:
    """`now` with the steps that led there; one more if anything is new."""
    steps = before.steps if before else ()
    if not steps or (steps[-1].state, steps[-1].detail) != (now.state, now.detail):
        steps = (*steps, Step(at, now.state, now.detail))
    return replace(now, steps=steps)


def read_pod(pod: Object) -> Pod:
    state, detail = _progress_of_pod(pod)
    return Pod(
        name=pod["metadata"]["name"],
        state=state,
        detail=detail,
        node=pod["spec"].get("nodeName", ""),
        cost=pod["metadata"].get("annotations", {}).get(COST_ANNOTATION, ""),
    )


def read_node(node: Object) -> Node:
    metadata = node["metadata"]
    ready = _condition(node, "Ready").get("status") == "True"
    return Node(
        name=metadata["name"],
        state=NodeState.READY if ready else NodeState.BOOTING,
        pool=metadata.get("labels", {}).get(POOL_LABEL, ""),
        gpus=int(node["status"].get("allocatable", {}).get("nvidia.com/gpu", 0)),
        group=metadata.get("annotations", {}).get(GROUP_ANNOTATION, ""),
    )


def read_request(request: Object) -> Request:
    """Without its pool, which stands in the PodTemplate."""
    state, detail = _progress(request)
    parts = request["spec"]["podSets"]
    return Request(
        name=request["metadata"]["name"],
        state=state,
        detail=detail,
        template=parts[0]["podTemplateRef"]["name"],
        count=sum(part["count"] for part in parts),
    )


def read_pool(template: Object) -> str:
    """The pool that a PodTemplate asks for."""
    pool: str = template["template"]["spec"].get("nodeSelector", {}).get(POOL_LABEL, "")
    return pool


def read_average(hpa: Object) -> float | None:
    """The metric's average over the pods, once the HPA has one."""
    for metric in hpa.get("status", {}).get("currentMetrics") or []:
        if value := metric.get("pods", {}).get("current", {}).get("averageValue"):
            return parse_quantity(value) / 10**9
    return None


def read_replicas(hpa: Object) -> int:
    """How many the HPA wants; 0 before its first decision."""
    replicas: int = hpa.get("status", {}).get("desiredReplicas", 0)
    return replicas


def _progress_of_pod(pod: Object) -> tuple[PodState, str]:
    if "deletionTimestamp" in pod["metadata"]:
        return PodState.LEAVING, ""
    if node := pod["spec"].get("nodeName", ""):
        runs = pod["status"].get("phase") == "Running"
        return PodState.RUNNING if runs else PodState.BOUND, node
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return PodState.PENDING, scheduled.get("message", "")
    return PodState.CREATED, ""


def _progress(request: Object) -> tuple[RequestState, str]:
    provisioned = _condition(request, "Provisioned")
    reason = provisioned.get("reason", "")
    if provisioned.get("status") == "True":
        return RequestState.PROVISIONED, reason
    if reason == "CapacityIsNotFound" or _condition(request, "Failed").get("status") == "True":
        return RequestState.FAILED, reason
    accepted = _condition(request, "Accepted").get("status") == "True"
    return (RequestState.ACCEPTED if accepted else RequestState.ASKED), ""


def _condition(thing: Object, kind: str) -> Object:
    conditions = thing.get("status", {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == kind), {})
