"""Writes on placed pods, as the API server gets them: few, in one patch, until they are seen (L1, L2, L4).

The API server is the fake one, the cache hears of a write only when a test says so.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cluster.cache.cache import Cache
from cluster.cache.pod_change_queue import PodChangeQueue
from cluster.kube.client import connect
from policy.api import wellknown
from policy.api.objects import Owner
from policy.api.options import NodeKinds
from policy.api.resourcepolicy import ResourcePolicy
from tests.builders import a_node, a_pod, a_policy, a_unit, recorded_in
from tests.fake_apiserver import FakeApiServer, Fault
from watcher.podmetadata.controller import PodMetadataController

PODS = "/api/v1/pods"
GPU = "nvidia.com/gpu"
OURS = {wellknown.POD_DELETION_COST: "-100", wellknown.DELETION_COST_WRITTEN: "-100"}
IN_TWO = a_policy(a_unit("dc"), a_unit())


class Stage:
    """A cache, the writer, and the API server that it writes to."""

    def __init__(self, api: FakeApiServer, directory: Path) -> None:
        self.api = api
        self.now = 1_000.0
        self.cache = Cache(lambda: self.now, NodeKinds(), 600.0, remembers_since=0.0)
        self.connection = connect(api.kubeconfig(directory))
        self.news = PodChangeQueue()
        self.placement = PodMetadataController(
            self.connection, self.cache, self.news, lambda: self.now, [GPU]
        )
        with self.cache.lock:
            self.cache.upsert_node(a_node("dc-1", "dc"))
            self.cache.upsert_node(a_node("cloud-1", "cloud"))

    def set_policy(self, policy: ResourcePolicy) -> None:
        with self.cache.lock:
            self.cache.upsert_policy(policy)

    def bind(self, name: str, node: str, **fields: Any) -> None:  # noqa: ANN401  a pod's fields
        pod = a_pod(name, on=node, **{"requests": {GPU: "1"}, **fields})
        metadata = {"uid": name, "annotations": dict(pod.annotations)}
        self.api.objects[PODS, "default", name] = {
            "metadata": {"namespace": "default", "name": name, "resourceVersion": "1", **metadata}
        }
        with self.cache.lock:
            self.cache.upsert_pod(pod)
        self.news.pod(pod)

    def show(self, name: str) -> None:
        """The watch shows the pod as it is stored."""
        with self.cache.lock:
            pod = next(pod for pod in self.cache.pods() if pod.name == name)
            self.cache.upsert_pod(replace(pod, annotations=self.stored(name)))

    def stored(self, name: str) -> dict[str, str]:
        return dict(self.api.get(PODS, "default", name)["metadata"].get("annotations") or {})

    def patches(self) -> int:
        return sum(request.verb == "PATCH" for request in self.api.requests)


@pytest.fixture
def api() -> Iterator[FakeApiServer]:
    with FakeApiServer() as server:
        yield server


@pytest.fixture
def stage(api: FakeApiServer, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(api, tmp_path)
    yield stage
    stage.connection.close()


def test_a_pod_of_a_later_unit_is_written_once_and_one_of_the_first_never(stage: Stage) -> None:
    stage.set_policy(a_policy())
    stage.bind("a", "dc-1")
    stage.bind("b", "cloud-1")
    stage.placement.reconcile()
    assert (stage.stored("a"), stage.stored("b")) == ({}, OURS)
    stage.placement.reconcile()
    stage.show("b")
    stage.now += 100
    stage.placement.reconcile()
    assert stage.patches() == 1


def test_a_pod_is_written_on_the_news_of_its_binding_and_nobody_else_is_looked_at(stage: Stage) -> None:
    stage.set_policy(a_policy())
    stage.placement.reconcile_changes()
    stage.bind("b", "cloud-1")
    stage.bind("c", "cloud-1")
    stage.news.take()
    stage.bind("d", "cloud-1")
    stage.placement.reconcile_changes()
    assert [stage.stored(name) for name in "bcd"] == [{}, {}, OURS]


@pytest.mark.parametrize("after", [1.1, 0.0], ids=["a second later", "on news of a policy"])
def test_all_pods_are_looked_at_now_and_then_and_when_policies_change(stage: Stage, after: float) -> None:
    """L4: at once."""
    stage.set_policy(a_policy())
    stage.placement.reconcile_changes()
    stage.bind("b", "cloud-1")
    stage.news.take()
    stage.placement.reconcile_changes()
    assert stage.stored("b") == {}
    stage.now += after
    if not after:
        stage.news.everything()
    stage.placement.reconcile_changes()
    assert stage.stored("b") == OURS


def test_news_that_nobody_takes_is_not_kept_for_ever(stage: Stage) -> None:
    """By one who does not lead: when it does it looks at all pods."""
    for number in range(1_001):
        stage.news.pod(a_pod(f"p{number}"))
    assert stage.news.take() is None
    assert not stage.news.take()


def test_more_than_a_round_may_write_is_left_for_the_next_and_that_comes_soon(stage: Stage) -> None:
    """The API server has other clients."""
    stage.set_policy(a_policy())
    for number in range(60):
        stage.bind(f"p{number}", "cloud-1")
    written = []
    for _ in range(3):
        stage.placement.reconcile_changes()
        written.append(stage.patches())
        stage.now += 0.2
    assert written == [50, 60, 60]


def test_a_write_that_the_watch_does_not_show_is_repeated_and_not_at_once(stage: Stage) -> None:
    stage.set_policy(a_policy())
    stage.bind("b", "cloud-1")
    counts = []
    for seconds in (0.0, 1.0, 10.0):
        stage.now += seconds
        stage.placement.reconcile()
        counts.append(stage.patches())
    assert counts == [1, 1, 2]


def test_units_in_a_new_order_are_followed_at_once_though_the_last_write_is_not_seen(stage: Stage) -> None:
    """L4."""
    stage.set_policy(a_policy())
    stage.bind("b", "cloud-1")
    stage.placement.reconcile()
    stage.set_policy(a_policy(a_unit("dc"), a_unit("attic"), a_unit("cloud")))
    stage.placement.reconcile()
    assert stage.stored("b") == {wellknown.POD_DELETION_COST: "-200", wellknown.DELETION_COST_WRITTEN: "-200"}


def test_the_policy_goes_and_so_does_the_cost(stage: Stage) -> None:
    stage.set_policy(a_policy())
    stage.bind("b", "cloud-1", annotations={"kept": "yes"})
    stage.placement.reconcile()
    stage.show("b")
    with stage.cache.lock:
        stage.cache.remove_policy("default/policy")
    stage.placement.reconcile()
    assert stage.stored("b") == {"kept": "yes"}


def test_a_users_value_is_never_patched(stage: Stage) -> None:
    stage.set_policy(a_policy())
    stage.bind("b", "cloud-1", annotations={wellknown.POD_DELETION_COST: "5"})
    stage.placement.reconcile()
    assert stage.patches() == 0


def test_a_pod_that_the_scheduler_does_not_send_is_not_governed(stage: Stage) -> None:
    """M8."""
    stage.set_policy(a_policy())
    stage.bind("web", "cloud-1", requests={"cpu": "1"})
    stage.placement.reconcile()
    assert stage.patches() == 0


def test_a_pod_whose_node_does_not_tell_waits_for_its_record(stage: Stage) -> None:
    """L3: the server writes it within moments."""
    stage.set_policy(IN_TWO)
    stage.bind("a", "dc-1")
    stage.placement.reconcile()
    assert stage.patches() == 0
    stage.bind("a", "dc-1", annotations=recorded_in(IN_TWO, 1))
    stage.placement.reconcile()
    assert stage.stored("a").items() >= OURS.items()


def test_without_a_record_the_node_decides_after_a_while(stage: Stage) -> None:
    """U5: the server that placed the pod died before it wrote the record."""
    stage.set_policy(a_policy(a_unit("attic"), a_unit("dc"), a_unit()))
    stage.bind("a", "dc-1")
    stage.placement.reconcile()
    stage.now += 60
    stage.placement.reconcile()
    assert stage.stored("a") == OURS


def test_one_pod_that_must_not_be_written_does_not_stop_the_rest(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.set_policy(a_policy())
    stage.bind("gone", "cloud-1")
    del stage.api.objects[PODS, "default", "gone"]
    stage.bind("b", "cloud-1")
    stage.placement.reconcile()
    assert stage.stored("b") == OURS
    assert not caplog.records, "a pod that is gone is nobody's trouble"


def test_thousands_of_pods_are_written_a_few_at_a_time(stage: Stage) -> None:
    stage.set_policy(a_policy())
    for index in range(120):
        stage.bind(f"p{index}", "cloud-1")
    counts = []
    for _ in range(3):
        stage.placement.reconcile()
        counts.append(stage.patches())
    assert counts == [50, 100, 120]


SETS = "/apis/apps/v1/replicasets"
LABELLED = a_policy(a_unit("dc"), a_unit("cloud", pod_labels={"tier": "rented", "app": "web-rented"}))
OWNER = Owner("apps/v1", "ReplicaSet", "web-1", "owner")


def recorded(**fields: Any) -> dict[str, Any]:  # noqa: ANN401  a pod's fields
    return {"annotations": recorded_in(LABELLED, 1), "labels": {"app": "web"}, **fields}


def labels(stage: Stage, name: str) -> dict[str, str]:
    return dict(stage.api.get(PODS, "default", name)["metadata"].get("labels") or {})


def test_labels_and_cost_come_in_one_patch(stage: Stage) -> None:
    """L1, L2."""
    stage.set_policy(LABELLED)
    stage.bind("a", "cloud-1", **recorded())
    stage.placement.reconcile()
    assert labels(stage, "a") == {"tier": "rented", "app": "web-rented"}
    assert stage.stored("a").items() >= OURS.items()
    assert stage.patches() == 1


def test_a_label_that_the_workload_selects_by_is_not_written_and_told(stage: Stage) -> None:
    """L1: the controller is read once for all its pods."""
    selector = {"matchLabels": {"app": "web"}}
    stage.api.objects[SETS, "default", "web-1"] = {
        "metadata": {"name": "web-1"},
        "spec": {"selector": selector},
    }
    stage.set_policy(LABELLED)
    for name in ("a", "b"):
        stage.bind(name, "cloud-1", **recorded(owner=OWNER))
    stage.placement.reconcile()
    stage.placement.reconcile()
    assert labels(stage, "a") == labels(stage, "b") == {"tier": "rented"}
    assert sum(request.verb == "GET" for request in stage.api.requests) == 1
    assert {(each.unit, each.key) for each in stage.placement.not_written} == {(1, "app")}


def test_a_policy_that_is_mended_is_told_no_more(stage: Stage) -> None:
    stage.set_policy(a_policy(a_unit("dc"), a_unit("cloud", pod_labels={"pod-template-hash": "x"})))
    stage.bind("a", "cloud-1")
    stage.now += 60
    stage.placement.reconcile()
    stage.now += 60
    stage.placement.reconcile()
    assert stage.placement.not_written
    stage.set_policy(a_policy())
    stage.placement.reconcile()
    assert not stage.placement.not_written


@pytest.mark.parametrize(
    ("owner", "written"),
    [
        pytest.param(None, {"app": "web-rented", "tier": "rented"}, id="a bare pod"),
        pytest.param(
            Owner("example.com/v1", "Fleet", "web", "fleet"),
            {"tier": "rented"},
            id="a kind that we cannot read: no label that the pod carries is changed",
        ),
        pytest.param(OWNER, {"tier": "rented"}, id="a controller that is gone: the same"),
    ],
)
def test_what_is_written_where_the_selector_is_not_known(
    stage: Stage, owner: Owner | None, written: dict[str, str]
) -> None:
    stage.set_policy(LABELLED)
    stage.bind("a", "cloud-1", **recorded(owner=owner))
    stage.placement.reconcile()
    assert labels(stage, "a") == written


def test_an_api_server_that_fails_is_asked_again(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.set_policy(LABELLED)
    stage.bind("a", "cloud-1", **recorded(owner=OWNER))
    stage.bind("b", "cloud-1", **recorded())
    stage.api.fail("list", Fault(status=500))
    stage.placement.reconcile()
    assert (labels(stage, "a"), len(caplog.records)) == ({}, 1)
    assert labels(stage, "b"), "another pod does not wait for it"
    stage.placement.reconcile()
    assert not labels(stage, "a"), "a moment's pause"
    stage.now += 5
    stage.placement.reconcile()
    assert labels(stage, "a") == {"tier": "rented"}


def test_an_api_server_that_is_away_is_left_alone_for_a_moment(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.set_policy(a_policy())
    stage.bind("a", "cloud-1")
    stage.connection.write_only_while(lambda: False)
    for _ in range(5):
        stage.placement.reconcile()
    assert len(caplog.records) == 1
    stage.connection.write_only_while(lambda: True)
    stage.now += 5
    stage.placement.reconcile()
    assert stage.stored("a") == OURS
