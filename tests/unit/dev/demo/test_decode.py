"""The API's objects as values."""

import pytest

from dev.controlplane import Object
from dev.demo.decode import follow, read_average, read_node, read_pod, read_pool, read_replicas, read_request
from dev.demo.model import Node, NodeState, Pod, PodState, Request, RequestState


def an_object(spec: Object, status: Object, **metadata: object) -> Object:
    return {"metadata": {"name": "x", **metadata}, "spec": spec, "status": status}


def a_condition(kind: str, status: str, **more: str) -> Object:
    return {"type": kind, "status": status, **more}


REFUSED = {"phase": "Pending", "conditions": [a_condition("PodScheduled", "False", message="no room")]}


@pytest.mark.parametrize(
    ("spec", "status", "pod"),
    [
        pytest.param({}, {"phase": "Pending"}, Pod(name="x", state=PodState.CREATED), id="new"),
        pytest.param({}, REFUSED, Pod(name="x", state=PodState.PENDING, detail="no room"), id="refused"),
        pytest.param(
            {"nodeName": "n"},
            {"phase": "Pending"},
            Pod(name="x", state=PodState.BOUND, detail="n", node="n"),
            id="bound",
        ),
        pytest.param(
            {"nodeName": "n"},
            {"phase": "Running"},
            Pod(name="x", state=PodState.RUNNING, detail="n", node="n"),
            id="running",
        ),
    ],
)
def test_pods(spec: Object, status: Object, pod: Pod) -> None:
    assert read_pod(an_object(spec, status)) == pod


def test_a_deleted_pod_is_leaving_until_it_is_gone() -> None:
    seen = an_object({"nodeName": "n"}, {"phase": "Running"}, deletionTimestamp="2026-01-01T00:00:00Z")
    assert read_pod(seen) == Pod(name="x", state=PodState.LEAVING, node="n")


def test_the_cost_of_deleting_a_pod() -> None:
    costs = {"controller.kubernetes.io/pod-deletion-cost": "-1"}
    assert read_pod(an_object({}, {}, annotations=costs)).cost == "-1"


@pytest.mark.parametrize(
    ("status", "average", "replicas"),
    [
        pytest.param({}, None, 0, id="before the first decision"),
        pytest.param(
            {"desiredReplicas": 1, "currentMetrics": None}, None, 1, id="before it has read the metric"
        ),
        pytest.param(
            {
                "desiredReplicas": 3,
                "currentMetrics": [{"type": "Pods", "pods": {"current": {"averageValue": "46667m"}}}],
            },
            46.667,
            3,
            id="with an average",
        ),
        pytest.param(
            {"desiredReplicas": 3, "currentMetrics": [{"type": "Resource", "resource": {}}]},
            None,
            3,
            id="of another metric",
        ),
    ],
)
def test_what_an_hpa_sees_and_wants(status: Object, average: float | None, replicas: int) -> None:
    hpa = an_object({}, status)
    assert (read_average(hpa), read_replicas(hpa)) == (average, replicas)


def test_a_node_that_the_autoscaler_made_has_its_group() -> None:
    seen = an_object(
        {},
        {"allocatable": {"nvidia.com/gpu": "1"}, "conditions": [a_condition("Ready", "True")]},
        labels={"alibabacloud.com/nodepool-id": "np"},
        annotations={"cluster-autoscaler.kwok.nodegroup/name": "g"},
    )
    assert read_node(seen) == Node(name="x", state=NodeState.READY, pool="np", gpus=1, group="g")


def test_a_node_is_booting_until_it_is_ready() -> None:
    seen = an_object({}, {"conditions": [a_condition("Ready", "False")]})
    assert read_node(seen) == Node(name="x", state=NodeState.BOOTING)


ACCEPTED = a_condition("Accepted", "True")


@pytest.mark.parametrize(
    ("conditions", "state", "detail"),
    [
        ([], RequestState.ASKED, ""),
        ([ACCEPTED], RequestState.ACCEPTED, ""),
        (
            [ACCEPTED, a_condition("Provisioned", "True", reason="CapacityIsFound")],
            RequestState.PROVISIONED,
            "CapacityIsFound",
        ),
        (
            [ACCEPTED, a_condition("Provisioned", "False", reason="CapacityIsNotFound")],
            RequestState.FAILED,
            "CapacityIsNotFound",
        ),
        ([a_condition("Failed", "True")], RequestState.FAILED, ""),
    ],
)
def test_requests(conditions: list[Object], state: RequestState, detail: str) -> None:
    parts = [{"count": 2, "podTemplateRef": {"name": "t"}}, {"count": 1, "podTemplateRef": {"name": "u"}}]
    seen = an_object({"podSets": parts}, {"conditions": conditions})
    assert read_request(seen) == Request(name="x", state=state, detail=detail, template="t", count=3)


def test_the_pool_of_a_template() -> None:
    selector = {"alibabacloud.com/nodepool-id": "np"}
    assert read_pool({"template": {"spec": {"nodeSelector": selector}}}) == "np"
    assert not read_pool({"template": {"spec": {}}})


def test_a_step_is_added_only_by_something_new() -> None:
    first = follow(None, Pod(name="x", state=PodState.CREATED), 1.0)
    same = follow(first, Pod(name="x", state=PodState.CREATED), 2.0)
    bound = follow(same, Pod(name="x", state=PodState.BOUND, detail="n", node="n"), 3.0)
    assert [(step.at, step.state) for step in bound.steps] == [(1.0, "created"), (3.0, "bound")]
    assert bound.reached(PodState.BOUND) == 3.0
    assert bound.reached(PodState.RUNNING) is None
