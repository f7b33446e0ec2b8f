"""The custom-metrics API through the real aggregation layer, and the real HPA that reads it."""

from collections.abc import Iterator, Mapping

import pytest

from dev.controlplane import QUICK_HPA, ApiError, ControlPlane, CustomMetrics, Object, PlaneOptions

pytestmark = pytest.mark.plane

METRIC = "DCGM_CUSTOM_PROCESS_SM_UTIL"
GROUP = "/apis/custom.metrics.k8s.io"
OF_PODS = f"{GROUP}/v1beta2/namespaces/default/pods/*"
APPS = "/apis/apps/v1/namespaces/default/deployments"
LABELS = {"app": "served"}


class Offered:
    """So much load in all, shared by the pods that run."""

    def __init__(self) -> None:
        self.load = 30.0
        self.asked: list[tuple[str, str]] = []
        self.pods: list[str] = []
        self.plane: ControlPlane | None = None

    def __call__(self, namespace: str, selector: str) -> Mapping[str, float]:
        assert self.plane
        self.asked.append((namespace, selector))
        pods = self.plane.api.items(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)
        running = [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Running"]
        return {name: self.load / len(running) for name in running}


def unreachable(_namespace: str, _selector: str) -> Mapping[str, float]:
    raise ApiError(0, "Unreachable", "no answer")


@pytest.fixture(scope="module")
def offered() -> Offered:
    return Offered()


@pytest.fixture(scope="module")
def plane(offered: Offered) -> Iterator[ControlPlane]:
    with ControlPlane(PlaneOptions(extenders=(), flags=QUICK_HPA)) as plane:
        offered.plane = plane
        with CustomMetrics(plane, {METRIC: offered, "broken": unreachable}):
            yield plane


def a_deployment() -> Object:
    container = {"name": "c", "image": "none", "resources": {"requests": {"cpu": "1"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "served"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": {"containers": [container]}},
        },
    }


def an_hpa() -> Object:
    target = {"type": "AverageValue", "averageValue": "50"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "served"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "served"},
            "minReplicas": 1,
            "maxReplicas": 5,
            "metrics": [{"type": "Pods", "pods": {"metric": {"name": METRIC}, "target": target}}],
        },
    }


def test_the_real_hpa_scales_out_and_in_by_the_metric(plane: ControlPlane, offered: Offered) -> None:
    plane.create_node("room", {}, gpus=0)

    def has(replicas: int) -> bool:
        status: Object = plane.api.get(f"{APPS}/served")["status"]
        return status.get("readyReplicas") == status.get("replicas") == replicas

    plane.api.create(a_deployment())
    plane.wait(lambda: has(1), what="one pod")
    plane.api.create(an_hpa())
    offered.load = 140.0
    plane.wait(lambda: has(3), what="three pods")
    offered.load = 20.0
    plane.wait(lambda: has(1), what="one pod again")
    assert ("default", "app=served") in offered.asked


@pytest.mark.parametrize("version", ["v1beta1", "v1beta2"])
def test_each_version_tells_its_metrics(plane: ControlPlane, version: str) -> None:
    told = plane.api.get(f"{GROUP}/{version}")
    assert [resource["name"] for resource in told["resources"]] == [f"pods/{METRIC}", "pods/broken"]


def test_a_value_names_its_pod_and_is_exact_to_a_thousandth(plane: ControlPlane, offered: Offered) -> None:
    plane.api.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "alone", "labels": {"app": "alone"}},
            "spec": {"containers": [{"name": "c", "image": "none"}]},
        }
    )
    pod = "/api/v1/namespaces/default/pods/alone"
    plane.wait(lambda: plane.api.get(pod)["status"]["phase"] == "Running", what="the pod to run")
    offered.load = 33.3333
    told = plane.api.request("GET", f"{OF_PODS}/{METRIC}", query={"labelSelector": "app=alone"})
    (item,) = told["items"]
    assert item["describedObject"]["name"] == "alone"
    assert item["metric"] == {"name": METRIC}
    assert item["value"] == "33333m"


@pytest.mark.parametrize(
    ("metric", "status"),
    [
        pytest.param("unheard-of", 404, id="a metric that is not served"),
        pytest.param("broken", 503, id="values that cannot be had"),
    ],
)
def test_what_cannot_be_answered_is_refused(plane: ControlPlane, metric: str, status: int) -> None:
    with pytest.raises(ApiError) as refusal:
        plane.api.get(f"{OF_PODS}/{metric}")
    assert refusal.value.status == status
