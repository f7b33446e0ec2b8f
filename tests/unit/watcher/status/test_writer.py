"""The status of policies as written: once for each change, every fault at once, times kept (M4, M6, M8)."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cluster.cache.cache import Cache
from cluster.kube.client import connect
from policy.api.options import NodeKinds, OnConflict
from policy.api.resourcepolicy import RejectedPolicy
from policy.podmetadata.desired_metadata import SkippedLabel
from tests.builders import a_node, a_pod, a_policy, a_unit
from tests.fake_apiserver import FakeApiServer
from watcher.scaleup.scaleup_status import AutoscalerHealth, ScaleUpStatus, UnitScaleUp
from watcher.status.builder import StatusBuilder
from watcher.status.writer import StatusWriter

POLICIES = "/apis/scheduling.alibabacloud.com/v1alpha1/resourcepolicies"
GPU = "nvidia.com/gpu"


class Stage:
    """A cache, a writer, and the API server that it writes to."""

    def __init__(self, api: FakeApiServer, directory: Path, on_conflict: OnConflict) -> None:
        self.api = api
        self.now = 1_000_000_000.0
        self.cache = Cache(lambda: self.now, NodeKinds(), 600.0, remembers_since=0.0)
        self.connection = connect(api.kubeconfig(directory))
        self.builder = StatusBuilder(self.cache, [GPU], on_conflict)
        self.writer = StatusWriter(self.connection, lambda: self.now)
        self.scaleup_status = ScaleUpStatus()
        self.not_written: list[SkippedLabel] = []

    def write(self) -> None:
        self.writer.write(self.builder.report(self.scaleup_status, self.not_written))

    def store(self, name: str, **fields: Any) -> None:  # noqa: ANN401  a policy's fields
        self.api.put(POLICIES, "default", name, spec={"units": [{}]})
        with self.cache.lock:
            self.cache.upsert_policy(a_policy(name=name, **fields))

    def reject(self, name: str, *errors: str) -> None:
        with self.cache.lock:
            self.cache.upsert_policy(RejectedPolicy(f"default/{name}", 2, errors))

    def add(self, name: str, **requests: str) -> None:
        with self.cache.lock:
            self.cache.upsert_pod(a_pod(name, requests=requests or {GPU: "1"}))

    def stored(self, name: str) -> Mapping[str, Any]:
        status: Mapping[str, Any] = self.api.get(POLICIES, "default", name).get("status", {})
        return status

    def conditions(self, name: str) -> dict[str, tuple[str, str]]:
        written = self.stored(name)["conditions"]
        return {condition["type"]: (condition["status"], condition["reason"]) for condition in written}

    def message(self, name: str, kind: str) -> str:
        written = self.stored(name)["conditions"]
        return next(str(c["message"]) for c in written if c["type"] == kind)


@pytest.fixture
def api() -> Iterator[FakeApiServer]:
    with FakeApiServer() as server:
        yield server


@pytest.fixture
def stage(api: FakeApiServer, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(api, tmp_path, OnConflict.OLDEST)
    yield stage
    stage.connection.close()


def test_a_usable_policy_is_accepted(stage: Stage) -> None:
    stage.store("policy")
    stage.write()
    assert stage.conditions("policy") == {
        "Accepted": ("True", "Valid"),
        "Conflicted": ("False", "NoOverlap"),
        "PodsNotSent": ("False", "AllSent"),
        "ForeignDeletionCosts": ("False", "NoneForeign"),
        "WaitingForNodes": ("False", "NothingAsked"),
        "NotGrowable": ("False", "NoObstacle"),
        "GpuLost": ("False", "NoneLost"),
        "LabelsRefused": ("False", "NoneRefused"),
    }


def test_a_rejected_policy_names_every_fault_and_what_holds_meanwhile(stage: Stage) -> None:
    """M6: at once, in one condition."""
    stage.store("policy")
    stage.reject("policy", "spec.units[0].max: write 0 or more", "spec.strategy: write prefer")
    stage.write()
    assert stage.conditions("policy")["Accepted"] == ("False", "Invalid")
    message = stage.message("policy", "Accepted")
    assert "its last valid form stays in force" in message
    assert "spec.units[0].max: write 0 or more; spec.strategy: write prefer" in message
    assert stage.stored("policy")["observedGeneration"] == 2


def test_what_is_too_long_for_the_api_is_cut_and_not_refused_for_ever(stage: Stage) -> None:
    stage.store("policy")
    stage.reject("policy", *(f"spec.units[{index}].max: {'9' * 1000}" for index in range(64)))
    stage.write()
    assert len(stage.message("policy", "Accepted")) == 32768


def test_a_policy_that_was_never_valid_governs_nothing_and_says_so(stage: Stage) -> None:
    stage.api.put(POLICIES, "default", "policy", spec={"units": []})
    stage.reject("policy", "spec.units: is empty")
    stage.write()
    assert "it governs no pod" in stage.message("policy", "Accepted")


@pytest.mark.parametrize(
    ("on_conflict", "reason", "says"),
    [
        pytest.param(OnConflict.OLDEST, "OlderPolicyGoverns", "governs them", id="M4: the oldest governs"),
        pytest.param(OnConflict.REJECT, "RejectedPolicy", "such pods are refused", id="M4: both are refused"),
    ],
)
def test_the_loser_names_the_winner_and_a_pod_of_both(
    api: FakeApiServer, tmp_path: Path, on_conflict: OnConflict, reason: str, says: str
) -> None:
    stage = Stage(api, tmp_path, on_conflict)
    stage.store("old", created=1.0)
    stage.store("young", created=2.0)
    stage.add("pod-b")
    stage.add("pod-a")
    stage.write()
    assert stage.conditions("young")["Conflicted"] == ("True", reason)
    message = stage.message("young", "Conflicted")
    assert "ResourcePolicy old" in message
    assert "for example pod-a" in message
    assert says in message
    assert stage.conditions("old")["Conflicted"] == ("False", "NoOverlap")
    stage.connection.close()


def test_a_policy_whose_pods_are_not_sent_says_so(stage: Stage) -> None:
    """M8: the shipped scheduler configuration sends GPU pods only."""
    stage.store("policy")
    stage.add("web", cpu="1")
    stage.write()
    assert stage.conditions("policy")["PodsNotSent"] == ("True", "NotManaged")
    assert "for example web" in stage.message("policy", "PodsNotSent")


def test_what_has_not_changed_is_not_written_again(stage: Stage) -> None:
    stage.store("policy")
    stage.write()
    before = stage.api.get(POLICIES, "default", "policy")["metadata"]["resourceVersion"]
    stage.add("pod", cpu="1", **{GPU: "0"})
    stage.write()
    stage.now += 3600
    stage.write()
    assert stage.api.get(POLICIES, "default", "policy")["metadata"]["resourceVersion"] != before
    assert len([r for r in stage.api.requests if r.verb == "PATCH"]) == 2


def test_one_who_leads_again_writes_over_what_another_leader_wrote(stage: Stage) -> None:
    stage.store("policy")
    stage.write()
    stage.api.put(POLICIES, "default", "policy", spec={"units": [{}]}, status={"pending": 7})
    stage.write()
    assert stage.stored("policy")["pending"] == 7
    stage.writer.forget()
    stage.write()
    assert stage.stored("policy")["pending"] == 0


def test_a_condition_keeps_its_time_while_its_status_stays(stage: Stage) -> None:
    stage.store("policy")
    stage.write()
    stage.now += 60
    stage.add("web", cpu="1")
    stage.write()
    times = {c["type"]: c["lastTransitionTime"] for c in stage.stored("policy")["conditions"]}
    assert times.pop("PodsNotSent") == "2001-09-09T01:47:40Z"
    assert set(times.values()) == {"2001-09-09T01:46:40Z"}


def test_conditions_of_others_are_kept(stage: Stage) -> None:
    stage.store("policy")
    other = {"type": "Theirs", "status": "True", "reason": "Known", "message": "theirs alone"}
    stage.api.put(POLICIES, "default", "policy", spec={"units": [{}]}, status={"conditions": [other]})
    stage.write()
    assert stage.conditions("policy")["Theirs"] == ("True", "Known")


def test_each_unit_is_told_with_what_it_holds_and_may_hold(stage: Stage) -> None:
    """L5: sums over all nodes and pods of the unit, in Kubernetes' own spelling."""
    stage.store("policy", units=[a_unit("dc", max=2), a_unit("cloud", resource="elastic")])
    stage.scaleup_status = ScaleUpStatus(
        AutoscalerHealth.SERVING, {("default/policy", 1): UnitScaleUp(requested=1)}
    )
    with stage.cache.lock:
        stage.cache.upsert_node(a_node("dc-1", "dc", allocatable={GPU: "4", "cpu": "8"}))
        stage.cache.upsert_pod(a_pod("a", on="dc-1", requests={GPU: "1"}))
        stage.cache.upsert_pod(a_pod("b", on="dc-1", requests={GPU: "2"}))
    stage.add("c")
    stage.write()
    stored = stage.stored("policy")
    assert (stored["placed"], stored["pending"]) == ("2/2, 0", 1)
    assert stored["units"] == [
        {
            "index": 0,
            "resource": "ecs",
            "nodes": 1,
            "pods": 2,
            "asked": 0,
            "max": 2,
            "left": {"pods": "0"},
            "capacity": {GPU: "4"},
            "free": {GPU: "1"},
            "state": "Exhausted",
            "reason": "MaxReached",
            "message": "its max of 2 pod(s) is reached",
        },
        {
            "index": 1,
            "resource": "elastic",
            "nodes": 0,
            "pods": 0,
            "asked": 1,
            "state": "WaitingForNodes",
            "reason": "NodesAsked",
            "message": "nodes were asked for, and have not taken their pods yet",
        },
    ]
    assert stage.conditions("policy")["WaitingForNodes"] == ("True", "NodesAsked")
    assert "units[1]" in stage.message("policy", "WaitingForNodes")


def test_a_rejected_policy_keeps_telling_of_the_form_that_is_in_force(stage: Stage) -> None:
    """M6, L5."""
    stage.store("policy")
    stage.reject("policy", "spec.units[0].max: write 0 or more")
    stage.write()
    assert [unit["state"] for unit in stage.stored("policy")["units"]] == ["Empty", "Empty"]


def test_labels_that_are_not_written_are_told(stage: Stage) -> None:
    """L1."""
    stage.store("policy")
    stage.not_written = [SkippedLabel("default/policy", 1, "tier", "the workload of the pods selects by it")]
    stage.write()
    assert stage.conditions("policy")["LabelsRefused"] == ("True", "KeyInUse")
    assert "units[1].podLabels: tier" in stage.message("policy", "LabelsRefused")


def test_a_policy_that_is_gone_meanwhile_is_no_fault(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.store("policy")
    stage.api.delete(POLICIES, "default", "policy")
    stage.write()
    assert not caplog.records
