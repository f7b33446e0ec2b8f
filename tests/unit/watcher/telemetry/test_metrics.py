"""The watcher's metrics as Prometheus reads them, and the waits behind two of them."""

from dataclasses import replace
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cluster.cache.cache import Cache
from dev.controlplane.processes import free_ports
from policy.api.options import NodeKinds, OnConflict
from tests.builders import a_node, a_pod, a_policy
from tests.unit.watcher.fixtures import NEAR, World, room, waiting
from watcher.provisioner.interface import RequestPhase
from watcher.scaleup.scaleup_status import AutoscalerHealth, LatestScaleUpStatus, ScaleUpStatus, UnitScaleUp
from watcher.status.builder import StatusBuilder
from watcher.telemetry.metrics import WatcherMetrics, serve_metrics
from watcher.telemetry.pod_latency import PodLatency

GPU = "nvidia.com/gpu"
ONE = {GPU: "1"}
PENDING = a_pod("a", requests=ONE, unschedulable=True)


class Stage:
    """A cache, what is made of it, and a clock."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.cache = Cache(lambda: self.now, NodeKinds(), 600.0, remembers_since=0.0)
        self.latest_status = LatestScaleUpStatus()
        self.metrics = WatcherMetrics(lambda: self.now)
        self.waits = PodLatency(self.cache, self.latest_status, lambda: self.now, self.metrics)
        with self.cache.lock:
            self.cache.upsert_policy(a_policy())
            self.cache.upsert_node(a_node("dc-1", "dc"))
            self.cache.upsert_node(a_node("cloud-1", "cloud"))

    def see(self, on: str = "", after: float = 0.0, name: str = "a") -> None:
        """The pod as it is then."""
        self.now += after
        with self.cache.lock:
            pod = replace(PENDING, uid=name, name=name, node_name=on, unschedulable=not on)
            self.cache.upsert_pod(pod)
        self.waits.reconcile()

    def ask(self, unit: int, after: float = 0.0) -> None:
        self.now += after
        growth = UnitScaleUp(requested=1, pods=frozenset({"a"}))
        self.latest_status.publish(
            ScaleUpStatus(AutoscalerHealth.SERVING, {("default/policy", unit): growth})
        )
        self.waits.reconcile()

    def show(self) -> None:
        builder = StatusBuilder(self.cache, [GPU], OnConflict.OLDEST)
        self.metrics.show(builder.report(self.latest_status.latest(), ()))

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(
            f"resourcepolicy_{name}", {"policy": "default/policy", **labels}
        )


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_the_time_from_refusal_to_request_to_binding_is_told_once(stage: Stage) -> None:
    stage.see()
    stage.ask(1, after=1.5)
    stage.ask(1, after=3.0)
    stage.see(on="cloud-1", after=20.0)
    stage.see(on="cloud-1", after=20.0)
    assert stage.value("pod_scale_up_request_seconds_count", unit="1") == 1
    assert stage.value("pod_scale_up_request_seconds_sum", unit="1") == 1.5
    assert stage.value("pod_scheduling_seconds_count", unit="1") == 1
    assert stage.value("pod_scheduling_seconds_sum", unit="1") == 24.5


def test_a_pod_that_never_waited_or_is_gone_is_not_told(stage: Stage) -> None:
    stage.see(on="dc-1")
    stage.see(name="b")
    with stage.cache.lock:
        stage.cache.remove_pod(replace(PENDING, uid="b", name="b"))
    stage.waits.reconcile()
    assert stage.value("pod_scheduling_seconds_count", unit="0") is None


def test_a_pod_outside_all_units_is_told_as_such(stage: Stage) -> None:
    with stage.cache.lock:
        stage.cache.upsert_node(a_node("attic-1"))
    stage.see()
    stage.see(on="attic-1", after=2.0)
    assert stage.value("pod_scheduling_seconds_count", unit="outside") == 1


def test_what_is_the_case_is_told_by_policy_and_unit(stage: Stage) -> None:
    stage.see(on="cloud-1", name="b")
    stage.see()
    stage.ask(1)
    stage.show()
    assert (stage.value("unit_pods", unit="0"), stage.value("unit_pods", unit="1")) == (0, 1)
    assert (stage.value("unit_nodes", unit="1"), stage.value("unit_requested_pods", unit="1")) == (1, 1)
    assert stage.value("pending_pods") == 1
    states = {state: stage.value("unit_state", unit="0", state=state) for state in ("Open", "Full")}
    assert states == {"Open": 0, "Full": 1}


def test_a_policy_that_is_gone_and_a_lead_that_is_lost_leave_no_series(stage: Stage) -> None:
    stage.show()
    assert stage.value("unit_pods", unit="0") == 0
    stage.now += 60
    assert stage.value("unit_pods", unit="0") is None
    with stage.cache.lock:
        stage.cache.remove_policy("default/policy")
    stage.show()
    assert stage.value("unit_pods", unit="0") is None


def test_requests_for_nodes_are_counted_by_what_became_of_them(stage: Stage) -> None:
    world = World(a_policy(NEAR))
    world.put(waiting("a"))
    world.reconcile()
    world.after_phase(RequestPhase.FAILED)
    world.reconcile(61)
    world.autoscaler.set_phase(RequestPhase.PROVISIONED)
    world.put(room("new", "near"))
    world.bind("a", "new")
    world.reconcile()
    for (policy, outcome), number in world.counted.items():
        for _ in range(number):
            stage.metrics.request(policy, outcome)
    outcomes = ("asked", "provisioned", "failed")
    counts = [stage.value("node_requests_total", outcome=outcome) for outcome in outcomes]
    assert counts == [2, 1, 1]


def test_prometheus_reads_them_over_http(stage: Stage) -> None:
    (port,) = free_ports(1)
    stage.show()
    serve_metrics(stage.metrics, f"127.0.0.1:{port}")
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        families = {family.name for family in text_string_to_metric_families(answer.read().decode())}
    assert families >= {"resourcepolicy_unit_pods", "resourcepolicy_pod_scale_up_request_seconds"}
