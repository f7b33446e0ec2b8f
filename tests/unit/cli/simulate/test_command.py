"""The command `simulate`: where pods land, which wait and which go first, worked out by hand.

A row is a policy, a cluster and how many pods are wanted; what is expected reads as the answer does.
"""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.unit.cli.simulate.invoke import (
    BIG,
    CLOUD,
    DC,
    ELASTIC,
    ONE_EACH,
    THERE,
    Json,
    a_deployment,
    played,
    timed,
)
from tests.unit.cli.snapshots import GPU, a_node, a_pod, a_policy, written


@dataclass(frozen=True)
class Row:
    """One play and its answer: pods by unit, pending pods, nodes asked for and first pod by unit."""

    policy: Json
    cluster: tuple[Json, ...]
    wanted: str
    units: list[int]
    pending: int = 0
    bought: dict[int, int] = field(default_factory=dict)
    spills: dict[int, int] = field(default_factory=dict)
    lasted: float = 0.0
    more: tuple[str, ...] = ()


ROWS = [
    pytest.param(
        Row(a_policy(DC, ELASTIC), (a_node("dc-1", "dc"), THERE), "web=3", [1, 0], 2, {1: 2}),
        id="the guide: one pod runs in the data centre, two wait, two nodes are asked for",
    ),
    pytest.param(
        Row(
            a_policy(DC, ELASTIC),
            (a_node("dc-1", "dc"), THERE),
            "web=3",
            [1, 2],
            bought={1: 2},
            spills={1: 1},
            lasted=180.0,
            more=("--nodes-start", "3m"),
        ),
        id="W1: the two nodes come, and the pods land on them",
    ),
    pytest.param(
        Row(
            a_policy(DC, ELASTIC),
            (*ONE_EACH, THERE),
            "web=4",
            [1, 3],
            spills={1: 1},
            more=("--add-nodes", "1=2"),
        ),
        id="two more nodes like the one that the unit has",
    ),
    pytest.param(
        Row(a_policy({**DC, "max": 5}, CLOUD), (*BIG, THERE), "web=8", [5, 3], spills={1: 5}),
        id="O2, C1: a cap counts those that are there",
    ),
    pytest.param(
        Row(
            a_policy({**DC, "max": 5}, {**CLOUD, "max": 2}), (*BIG, THERE), "web=8", [5, 2], 1, spills={1: 5}
        ),
        id="O2: above all caps a pod stays pending",
    ),
    pytest.param(
        Row(a_policy({**DC, "maxResources": {GPU: 3}}, CLOUD), BIG, "new=5", [3, 2], spills={1: 4}),
        id="O2: maxResources, for a workload that is not there yet",
    ),
    pytest.param(
        Row(
            a_policy(DC, CLOUD), (*BIG, a_pod("db", "dc-1", of="db", gpus=8)), "new=10", [8, 2], spills={1: 9}
        ),
        id="pods of others take their room",
    ),
    pytest.param(
        Row(timed("10m", {**DC, "max": 9}, CLOUD), ONE_EACH, "new=2", [1, 1], spills={1: 2}, lasted=600.0),
        id="O5: below the cap a pod waits for the timeout, and goes on",
    ),
    pytest.param(
        Row(timed("10m", ELASTIC, DC), ONE_EACH, "new=2", [1, 1], bought={0: 1}, spills={1: 2}, lasted=600.0),
        id="O5, W1: a node is asked for, does not come, and the pod goes on",
    ),
    pytest.param(
        Row(
            timed("10m", ELASTIC, DC),
            ONE_EACH,
            "new=2",
            [2, 0],
            bought={0: 1},
            lasted=300.0,
            more=("--nodes-start", "5m"),
        ),
        id="O5, W1: the node comes before the timeout",
    ),
    pytest.param(
        Row(
            a_policy({**DC, "max": 3}, CLOUD, whenTryNextUnits={"policy": "ExceedMax"}),
            ONE_EACH,
            "new=2",
            [1, 0],
            1,
        ),
        id="O4: ExceedMax below the cap waits for ever",
    ),
    pytest.param(
        Row(
            a_policy(DC, CLOUD, whenTryNextUnits={"policy": "LackResourceAndNoTerminating"}),
            (*ONE_EACH, {**a_pod("old", "dc-1", deletionTimestamp="2026-11-01T00:00:00Z")}),
            "new=1",
            [1, 0],
            lasted=30.0,
        ),
        id="O6: the pod waits for the one that is terminating, and takes its place",
    ),
    pytest.param(
        Row(
            a_policy({**DC, "max": 1}, CLOUD, matchLabelKeys=["pod-template-hash"]),
            (*BIG, THERE),
            "new=2",
            [2, 1],
            spills={1: 2},
        ),
        id="C2: another revision has a cap of its own",
    ),
    pytest.param(
        Row(
            a_policy({**DC, "max": 1}, CLOUD, matchLabelKeys=["team"]),
            BIG,
            "new=1",
            [0, 0],
            1,
        ),
        id="C2: a pod that lacks the key stays pending",
    ),
    pytest.param(
        Row(
            a_policy({**DC, "max": 1}, CLOUD, preemptPolicy="BeforeNextUnit"),
            (*BIG, THERE),
            "new=1",
            [1, 1],
            spills={1: 1},
        ),
        id="P1: preemption is not played, the next unit is used",
    ),
    pytest.param(
        Row(a_policy(DC, ELASTIC), (a_node("dc-1", "dc"), a_pod("web-7d9-p")), "web=2", [1, 0], 1, {1: 1}),
        id="a pod that is pending already comes first",
    ),
    pytest.param(
        Row(a_policy(DC, {**ELASTIC, "max": 2}), (a_node("dc-1", "dc"),), "new=9", [1, 0], 8, {1: 2}),
        id="W3: never more nodes than the cap allows pods",
    ),
    pytest.param(
        Row(
            a_policy(DC, {"resource": "elastic", "nodeSelector": {"pool": "b"}}),
            (a_node("dc-1", "dc"), a_node("b-1", "b", 4), a_pod("x", "b-1", of="x", gpus=4)),
            "new=10",
            [1, 0],
            9,
            {1: 3},
        ),
        id="nodes are as large as those that the unit has",
    ),
]


@pytest.mark.parametrize("row", ROWS)
def test_where_pods_land(tmp_path: Path, row: Row) -> None:
    new = ("--pod", a_deployment(tmp_path)) if row.wanted.startswith("new") else ()
    answer = played(tmp_path, row.policy, row.cluster, "--scale", row.wanted, *new, *row.more)
    assert [unit["after"] for unit in answer["units"]] == row.units
    assert sum(pending["pods"] for pending in answer["pending"]) == row.pending
    assert {bought["unit"]: bought["nodes"] for bought in answer["purchases"]} == row.bought
    assert {spill["unit"]: spill["pod"] for spill in answer["spills"]} == row.spills
    assert answer["lasted"] == row.lasted


@pytest.mark.parametrize(
    "resources",
    [
        pytest.param({"limits": {GPU: 1}}, id="no request at all"),
        pytest.param({"limits": {GPU: 1}, "requests": {"cpu": 1}}, id="a request of another"),
        pytest.param({"limits": {GPU: 1, "cpu": 99}, "requests": {"cpu": 1}}, id="a request below a limit"),
    ],
)
def test_a_limit_is_requested_where_nothing_else_is(tmp_path: Path, resources: Json) -> None:
    """As the API server completes pods: a manifest for GPUs names the limit only."""
    new = ("--pod", a_deployment(tmp_path, resources), "--scale", "new=2")
    answer = played(tmp_path, a_policy(DC, CLOUD), ONE_EACH, *new)
    assert [unit["after"] for unit in answer["units"]] == [1, 1]
    assert answer["notes"] == []


def test_why_a_pod_went_on_and_why_one_stays(tmp_path: Path) -> None:
    answer = played(tmp_path, a_policy({**DC, "max": 1}, CLOUD), (*ONE_EACH, THERE), "--scale", "web=3")
    full = "node(s) in units[0] of ResourcePolicy web, which is full: max 1 pod(s)"
    assert [spill["why"] for spill in answer["spills"]] == [[full]]
    (pending,) = answer["pending"]
    assert pending["why"] == [f"2 Insufficient {GPU}"]
    assert pending["example"] == "web-3"


def test_a_pod_that_waits_says_what_for_in_the_words_of_its_event(tmp_path: Path) -> None:
    policy = a_policy({**DC, "max": 3}, CLOUD, whenTryNextUnits={"policy": "ExceedMax"})
    answer = played(tmp_path, policy, (*ONE_EACH, THERE), "--scale", "web=2")
    waits = "node(s) held back by ResourcePolicy web: ExceedMax waits for room in units[0]"
    assert answer["pending"][0]["why"][0].startswith(waits)


@pytest.mark.parametrize(
    ("node", "pod", "why"),
    [
        pytest.param(
            a_node("n", "dc", taints=[{"key": "k", "effect": "NoSchedule"}]),
            {},
            "had untolerated taint(s)",
            id="taint",
        ),
        pytest.param(a_node("n", "dc", unschedulable=True), {}, "were unschedulable", id="cordoned"),
        pytest.param(
            a_node("n", "dc"),
            {"nodeSelector": {"a": "b"}},
            "didn't match Pod's node affinity/selector",
            id="selector",
        ),
        pytest.param(
            a_node("n", "dc"),
            {
                "affinity": {
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [
                                {"matchExpressions": [{"key": "gpu", "operator": "In", "values": ["a100"]}]}
                            ]
                        }
                    }
                }
            },
            "didn't match Pod's node affinity/selector",
            id="affinity",
        ),
        pytest.param({**a_node("n", "dc"), "status": {}}, {}, "were not ready", id="not ready"),
    ],
)
def test_a_node_that_does_not_take_a_pod_says_why(tmp_path: Path, node: Json, pod: Json, why: str) -> None:
    there = (a_node("full", "dc", labels={"a": "b", "gpu": "a100"}), a_pod("x", "full", spec=pod), node)
    answer = played(tmp_path, a_policy(DC), there, "--scale", "web=2")
    reasons = " ".join(answer["pending"][0]["why"])
    assert f"1 node(s) {why}" in reasons


def test_a_pod_that_waits_below_a_cap_goes_on_when_others_reach_it(tmp_path: Path) -> None:
    """O4, E9: ExceedMax holds it for room; a smaller pod that comes later takes the last slot."""
    documents = []
    for name, gpus in (("large", "2"), ("small", "1")):
        spec = {"containers": [{"name": "c", "resources": {"requests": {GPU: gpus}}}]}
        template = {"metadata": {"labels": {"app": "web"}}, "spec": spec}
        documents.append({"kind": "Deployment", "metadata": {"name": name}, "spec": {"template": template}})
    path = tmp_path / "new.yaml"
    path.write_text("---\n".join(map(written, documents)))
    policy = a_policy({**DC, "max": 2}, CLOUD, whenTryNextUnits={"policy": "ExceedMax"})
    cluster = (a_node("dc-1", "dc", 3), a_node("cloud-1", "cloud", 8))
    wanted = ("--pod", str(path), "--scale", "large=3", "--scale", "small=1")
    answer = played(tmp_path, policy, cluster, *wanted)
    assert ([unit["after"] for unit in answer["units"]], answer["pending"]) == ([2, 2], [])
    answer = played(tmp_path, policy, cluster, *wanted[:4])
    assert [unit["after"] for unit in answer["units"]] == [1, 0]


def test_a_new_workloads_affinity_and_revision_are_its_own(tmp_path: Path) -> None:
    """C2: two Deployments from a file are two revisions; each lands where its own affinity allows."""
    zone = [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}]
    affinity = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": zone}}
    }
    documents = []
    for name, more in (("one", {}), ("two", {"affinity": affinity})):
        spec = {"containers": [{"name": "c", "resources": {"requests": {GPU: "1"}}}], **more}
        template = {"metadata": {"labels": {"app": "web"}}, "spec": spec}
        documents.append({"kind": "Deployment", "metadata": {"name": name}, "spec": {"template": template}})
    path = tmp_path / "new.yaml"
    path.write_text("---\n".join(map(written, documents)))
    cluster = (a_node("dc-1", "dc", 4, {"zone": "a"}), a_node("cloud-1", "cloud", 4, {"zone": "b"}))
    policy = a_policy({**DC, "max": 1}, CLOUD, matchLabelKeys=["pod-template-hash"])
    answer = played(tmp_path, policy, cluster, "--pod", str(path), "--scale", "two=1", "--scale", "one=2")
    assert [unit["after"] for unit in answer["units"]] == [1, 2]


def test_scale_in_takes_pending_pods_then_the_last_unit(tmp_path: Path) -> None:
    cluster = (*ONE_EACH, THERE)
    answer = played(tmp_path, a_policy(DC, CLOUD), cluster, "--scale", "web=4")
    order = [(removal["place"], removal["pods"]) for removal in answer["removals"]]
    assert order == [("pending", 2), ("units[1]", 1), ("units[0]", 1)]
    assert answer["removed"] == []


def test_fewer_pods_than_there_are_names_those_that_go(tmp_path: Path) -> None:
    """L2: the last unit is emptied first, its youngest pods before the others."""
    there = (
        a_pod("dc-old", "dc-1"),
        a_pod("cloud-old", "cloud-1"),
        a_pod("cloud-new", "cloud-1", creationTimestamp="2026-11-02T00:00:00Z"),
    )
    answer = played(tmp_path, a_policy(DC, CLOUD), (*BIG, *there), "--scale", "web=1")
    assert answer["removed"] == ["cloud-new", "cloud-old"]


def test_nodes_outside_units_are_used_last_where_the_setting_says_so(tmp_path: Path) -> None:
    config = tmp_path / "extender.yaml"
    config.write_text("outside_units: last\n")
    cluster = (*ONE_EACH, a_node("attic", "none"), THERE)
    assert played(tmp_path, a_policy(DC, CLOUD), cluster, "--scale", "web=3")["outside"] == 0
    args = ("--scale", "web=3", "--config", str(config))
    assert played(tmp_path, a_policy(DC, CLOUD), cluster, *args)["outside"] == 1


def test_pods_that_are_gone_are_not_counted_in_the_end(tmp_path: Path) -> None:
    """C3, O6: a terminating pod may count while it is there."""
    leaving = a_pod("old", "dc-1", deletionTimestamp="2026-11-01T00:00:00Z")
    overflow = {"policy": "LackResourceAndNoTerminating"}
    policy = a_policy(DC, CLOUD, whenTryNextUnits=overflow, ignoreTerminatingPod=False)
    new = ("--scale", "new=1", "--pod", a_deployment(tmp_path))
    answer = played(tmp_path, policy, (*ONE_EACH, leaving), *new)
    assert [(unit["before"], unit["after"]) for unit in answer["units"]] == [(1, 1), (0, 0)]


def test_preemption_that_would_come_first_is_said_and_not_played(tmp_path: Path) -> None:
    """P1: the pod goes on to the next unit as if no victim had been found."""
    own = a_pod("web-7d9-a", "cloud-1", spec={"priority": 10})
    cluster = (a_node("dc-1", "dc"), a_node("cloud-1", "cloud", 2), a_pod("low", "dc-1", of="x"), own)
    policy = a_policy(DC, CLOUD, preemptPolicy="BeforeNextUnit")
    answer = played(tmp_path, policy, cluster, "--scale", "web=2")
    assert [unit["after"] for unit in answer["units"]] == [0, 2]
    assert "preemption comes first in units[0] (P1), and is not played" in answer["notes"][0]
