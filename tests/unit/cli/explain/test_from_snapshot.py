"""The command `explain` on a snapshot: what is told of a pod, in which words."""

import json

import pytest

from tests.unit.cli.explain.invoke import CAPPED, OWN, Json, from_snapshot, words
from tests.unit.cli.snapshots import LONG_AGO, a_pod, a_policy


def with_status(pod: Json, phase: str, *conditions: Json) -> Json:
    return {**pod, "status": {"phase": phase, "conditions": list(conditions)}}


GATED = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}


@pytest.mark.parametrize(
    ("pod", "said"),
    [
        pytest.param(
            a_pod("p", "own-1"), "Pod default/p is on own-1, in units[0] since 00:00:00Z.", id="placed"
        ),
        pytest.param(a_pod("p"), "Pod default/p is pending since 00:00:00Z.", id="refused"),
        pytest.param(
            with_status(a_pod("p"), "Pending"), "kube-scheduler has not said anything about it yet", id="new"
        ),
        pytest.param(
            {**with_status(a_pod("p"), "Pending", GATED), "spec": {"schedulingGates": [{"name": "queue"}]}},
            "is kept from kube-scheduler by a scheduling",
            id="gated",
        ),
        pytest.param(
            with_status(a_pod("p", "own-1"), "Succeeded"),
            "Pod default/p has finished. Policy ResourcePolicy default/web It has finished (Succeeded)",
            id="finished",
        ),
        pytest.param(
            a_pod("p", "own-1", deletionTimestamp=LONG_AGO),
            "is terminating on own-1, in units[0].",
            id="leaving",
        ),
    ],
)
def test_how_far_a_pod_is_stands_in_the_first_line(pod: Json, said: str) -> None:
    text = from_snapshot("p", CAPPED, pod)
    assert said in words(text)


def test_a_pending_pod_has_everything_told_that_a_snapshot_holds() -> None:
    refused = a_pod("p")
    refused["status"]["conditions"][0]["message"] = (
        "0/2 nodes are available: 1 node(s) in units[0] which is full."
    )
    held = {"cluster-autoscaler.kubernetes.io/pod-scale-up-delay": "8760h", "resourcepolicy.io/held": "true"}
    refused["metadata"]["annotations"] = held
    text = from_snapshot("p", CAPPED, a_pod("a", "own-1"), a_pod("b", "cloud-1"), refused)
    for part in (
        "This is what it would be told now, from the API alone: a snapshot has no memory of decisions.",
        "units[0] ecs pool=own: exhausted (O2) full: 1 of max 1 pod(s)",
        "units[1] elastic pool=cloud: no room (O3) kube-scheduler finds room on none of its 1 node(s)",
        "Tried again when a slot or room comes free in a unit, or the policy changes.",
        "Scheduler Unschedulable, 1s ago (00:00:00Z): 0/2 nodes are available: 1 node(s) in units[0]",
        "Autoscaler Held: cluster-autoscaler leaves it to the policy",
    ):
        assert part in words(text), text
    assert "request" not in text, "a snapshot does not tell what was asked for"


def test_a_pod_that_would_find_room_now_is_told_so() -> None:
    told = words(from_snapshot("p", CAPPED, a_pod("p")))
    assert "It would be sent to units[0], the first that may take it." in told
    assert "Tried again at kube-scheduler's next try: as far as the API tells, there is room for it." in told


@pytest.mark.parametrize(
    "cluster",
    [
        pytest.param([CAPPED, a_pod("p"), a_pod("a", "own-1")], id="pending"),
        pytest.param([CAPPED, a_pod("p", "cloud-1"), a_pod("a", "own-1")], id="placed"),
        pytest.param([a_policy(OWN, selector={"app": "x" * 60}), a_pod("p")], id="no policy"),
        pytest.param(
            [a_policy({"nodeSelector": {"a-long-key": "x" * 40}}), a_pod("p")], id="a long selector"
        ),
    ],
)
def test_no_line_is_longer_than_80(cluster: list[Json]) -> None:
    assert max(map(len, from_snapshot("p", *cluster).splitlines())) <= 80


def test_json_holds_the_decision_as_the_server_would_answer_it() -> None:
    told = json.loads(from_snapshot("p", CAPPED, a_pod("p"), a_pod("a", "own-1"), options=("-o", "json")))
    assert (told["policy"], told["phase"], told["source"]) == ("default/web", "pending", "")
    (decision,) = told["decisions"]
    assert [unit["state"] for unit in decision["units"]] == ["exhausted", "used"]
    assert (decision["units"][0]["pods"], decision["units"][0]["max"]) == (1, 1)


def test_a_pod_may_be_written_as_kubectl_takes_it() -> None:
    for spelling in ("p", "pod/p", "pods/p", "po/p"):
        assert from_snapshot(spelling, CAPPED, a_pod("p")).startswith("Pod default/p ")
