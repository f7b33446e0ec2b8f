"""The command `simulate`: what a policy would do in small clusters, worked out by hand.

A row is a policy, a cluster and how many pods are wanted; what is expected reads as the answer does.
"""

import io
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from author.chosen import cluster_at
from author.simulating import Progress
from command.cli import main
from tests.author.clusters import GPU, a_cluster, a_node, a_pod, a_policy, written
from tests.cluster.apiserver import FakeApiServer, Fault

Json = dict[str, Any]

DC = {"nodeSelector": {"pool": "dc"}}
CLOUD = {"nodeSelector": {"pool": "cloud"}}
ELASTIC = {"resource": "elastic", **CLOUD}
ONE_EACH = (a_node("dc-1", "dc"), a_node("cloud-1", "cloud"))
BIG = (a_node("dc-1", "dc", 8), a_node("dc-2", "dc", 8), a_node("cloud-1", "cloud", 4))
THERE = a_pod("web-7d9-a", "dc-1")


def simulate(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["simulate", *map(str, arguments)], input=stdin)


def played(tmp_path: Path, policy: Json | None, cluster: tuple[Json, ...], *arguments: str) -> Json:
    """The first answer of a play, as JSON."""
    snapshot = tmp_path / "cluster.yaml"
    snapshot.write_text(written(a_cluster(*cluster)))
    named: list[str | Path] = []
    if policy is not None:
        path = tmp_path / "policy.yaml"
        path.write_text(written(policy))
        named = ["--policy", path]
    result = simulate(*named, "--snapshot", snapshot, *arguments, "-o", "json")
    assert result.exit_code == 0, result.output
    outcome: Json = json.loads(result.output)[0]["outcomes"][0]
    return outcome


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


def timed(timeout: str, *units: Json, **fields: Any) -> Json:  # noqa: ANN401
    return a_policy(*units, whenTryNextUnits={"policy": "TimeoutOrExceedMax", "timeout": timeout}, **fields)


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


def a_deployment(tmp_path: Path, resources: Json | None = None) -> str:
    """A file with the Deployment `new`, whose pods are like those of `web`."""
    path = tmp_path / "new.yaml"
    spec = {"containers": [{"name": "c", "resources": resources or {"requests": {GPU: "1"}}}]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": spec}
    path.write_text(
        written({"kind": "Deployment", "metadata": {"name": "new"}, "spec": {"template": template}})
    )
    return str(path)


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


def test_the_clusters_own_policy_is_played_without_a_file(tmp_path: Path) -> None:
    answer = played(tmp_path, None, (*ONE_EACH, THERE, a_policy(DC, CLOUD)), "--scale", "web=2")
    assert (answer["policy"], answer["arrived"]) == ("default/web", 1)


def test_a_policy_that_an_older_one_overrules_governs_nothing(tmp_path: Path) -> None:
    """M4: what is new in the file is younger than what is in the cluster."""
    mine = a_policy(DC, CLOUD, name="mine")
    del mine["metadata"]["creationTimestamp"]
    answer = played(tmp_path, mine, (*ONE_EACH, THERE, a_policy(DC)), "--scale", "web=2")
    assert (answer["policy"], answer["arrived"]) == ("default/mine", 0)


def test_a_policy_in_the_file_is_as_old_as_the_one_that_it_replaces(tmp_path: Path) -> None:
    mine = a_policy(DC, CLOUD)
    del mine["metadata"]["creationTimestamp"]
    answer = played(tmp_path, mine, (*ONE_EACH, THERE, a_policy(DC)), "--scale", "web=2")
    assert [unit["after"] for unit in answer["units"]] == [1, 1]


def test_labels_that_were_written_after_placement_are_not_on_a_new_pod(tmp_path: Path) -> None:
    """C6, L1: else the new pod would look as if it had been placed."""
    units = ({**DC, "max": 2, "podLabels": {"placed": "dc"}}, CLOUD)
    marked = a_pod("web-7d9-a", "dc-1", labels={"placed": "dc"}, annotations={"resourcepolicy.io/unit": "x"})
    answer = played(tmp_path, a_policy(*units), (*BIG, marked), "--scale", "web=3")
    assert [unit["after"] for unit in answer["units"]] == [2, 1]


def test_nodes_outside_units_are_used_last_where_the_setting_says_so(tmp_path: Path) -> None:
    config = tmp_path / "extender.yaml"
    config.write_text("outside_units: last\n")
    cluster = (*ONE_EACH, a_node("attic", "none"), THERE)
    assert played(tmp_path, a_policy(DC, CLOUD), cluster, "--scale", "web=3")["outside"] == 0
    args = ("--scale", "web=3", "--config", str(config))
    assert played(tmp_path, a_policy(DC, CLOUD), cluster, *args)["outside"] == 1


def test_pods_that_kube_scheduler_does_not_send_go_anywhere_and_are_told(tmp_path: Path) -> None:
    """M8: the shipped configuration sends pods that request a GPU."""
    plain = {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]}
    cluster = (*BIG, a_pod("web-7d9-a", "cloud-1", spec=plain))
    answer = played(tmp_path, a_policy({**DC, "max": 1}, CLOUD), cluster, "--scale", "web=4")
    assert answer["arrived"] == 0
    assert answer["notes"][0].startswith(f"3 pod(s) request no {GPU}, for example web-2: kube-scheduler does")
    config = tmp_path / "extender.yaml"
    config.write_text("watcher: {managed_resources: []}\n")
    args = ("--scale", "web=4", "--config", str(config))
    answer = played(tmp_path, a_policy({**DC, "max": 1}, CLOUD), cluster, *args)
    assert ([unit["after"] for unit in answer["units"]], answer["notes"]) == ([1, 3], [])


def test_pods_that_are_gone_are_not_counted_in_the_end(tmp_path: Path) -> None:
    """C3, O6: a terminating pod may count while it is there."""
    leaving = a_pod("old", "dc-1", deletionTimestamp="2026-11-01T00:00:00Z")
    overflow = {"policy": "LackResourceAndNoTerminating"}
    policy = a_policy(DC, CLOUD, whenTryNextUnits=overflow, ignoreTerminatingPod=False)
    new = ("--scale", "new=1", "--pod", a_deployment(tmp_path))
    answer = played(tmp_path, policy, (*ONE_EACH, leaving), *new)
    assert [(unit["before"], unit["after"]) for unit in answer["units"]] == [(1, 1), (0, 0)]


def test_json_and_yaml_snapshots_say_the_same(tmp_path: Path) -> None:
    policy, cluster = tmp_path / "p.yaml", a_cluster(*BIG, THERE)
    policy.write_text(written(a_policy({**DC, "max": 2}, CLOUD)))
    args = ("--policy", policy, "--snapshot", "-", "--scale", "web=5")
    assert simulate(*args, stdin=json.dumps(cluster)).output == simulate(*args, stdin=written(cluster)).output


def test_the_live_cluster_is_played(tmp_path: Path) -> None:
    with FakeApiServer() as api:
        for item in (*ONE_EACH, THERE):
            path = "/api/v1/nodes" if item["kind"] == "Node" else "/api/v1/pods"
            metadata = item["metadata"]
            fields = {"spec": item["spec"], "status": item["status"]}
            stored = api.put(path, metadata.get("namespace", ""), metadata["name"], **fields)
            stored["metadata"] |= metadata
        policy = tmp_path / "p.yaml"
        policy.write_text(written(a_policy(DC, CLOUD)))
        live = ("--live", "--kubeconfig", api.kubeconfig(tmp_path))
        result = simulate("--policy", policy, *live, "--scale", "web=2", "-o", "json")
    assert [unit["after"] for unit in json.loads(result.stdout)[0]["outcomes"][0]["units"]] == [1, 1]


def test_two_policies_stand_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(written(a_policy({**DC, "max": 2}, CLOUD)))
    (tmp_path / "b.yaml").write_text(written(a_policy({**DC, "max": 4})))
    files = ("--policy", tmp_path / "a.yaml", "--compare", tmp_path / "b.yaml", "--snapshot", "-")
    result = simulate(*files, "--scale", "web=6", stdin=written(a_cluster(*BIG, THERE)))
    rows = [line.split() for line in result.output[result.output.index("Side by side") :].splitlines()[2:]]
    assert rows == [
        ["units[0]", "2", "4"],
        ["units[1]", "4", "-"],
        ["outside", "0", "0"],
        ["pending", "0", "2"],
        ["nodes", "+", "0", "0"],
    ]


def test_text_fits_80_columns(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(written(timed("10m", {**DC, "max": 4}, ELASTIC)))
    args = ("--policy", tmp_path / "p.yaml", "--snapshot", "-", "--scale", "web=30")
    result = simulate(*args, stdin=written(a_cluster(*BIG, THERE)))
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80


@pytest.mark.parametrize(
    ("more", "said"),
    [
        pytest.param(
            ("--scale", "db=3"), "no policy governs 2 of the pods that arrive, for example db-2", id="M2"
        ),
        pytest.param((), "nothing arrives; say what is to: --scale NAME=N", id="nothing"),
        pytest.param(("--scale", "web=1"), "", id="as many as there are"),
        pytest.param(("--scale", "web=3"), "", id="M1: governed"),
    ],
)
def test_zeros_say_why_they_are_zeros(tmp_path: Path, more: tuple[str, ...], said: str) -> None:
    there = (*BIG, THERE, a_pod("db-7d9-a", "dc-1", of="db"))
    notes = played(tmp_path, a_policy(DC, CLOUD), there, *more)["notes"]
    assert [said in note for note in notes] == [True] * bool(said)


def test_a_workload_from_a_file_goes_by_its_namespace_too(tmp_path: Path) -> None:
    new = ("--pod", a_deployment(tmp_path))
    answer = played(tmp_path, a_policy(DC, CLOUD), ONE_EACH, *new, "--scale", "default/new=2")
    assert answer["arrived"] == 2


def test_units_whose_long_selectors_end_otherwise_are_told_apart(tmp_path: Path) -> None:
    """As ACK's own: every one begins alibabacloud.com/nodepool-id=."""
    pool = "alibabacloud.com/nodepool-id"
    units = [{"nodeSelector": {pool: f"np-{name}"}} for name in ("edge", "elastic")]
    (tmp_path / "p.yaml").write_text(written(a_policy(*units)))
    nodes = [a_node(f"{n}-1", n, labels={pool: f"np-{n}"}) for n in ("edge", "elastic")]
    result = simulate("--policy", tmp_path / "p.yaml", "--snapshot", "-", stdin=written(a_cluster(*nodes)))
    assert [f"=np-{name} " in result.output for name in ("edge", "elastic")] == [True, True]


def test_a_pod_that_no_policy_governs_is_told() -> None:
    snapshot = written(a_cluster(*BIG, a_pod("db-7d9-a", "dc-1", of="db")))
    result = simulate("--snapshot", "-", "--scale", "db=2", stdin=snapshot)
    assert "No policy governs a pod that arrives (--scale, --pod) or is pending" in result.output


def told(policy: Json, cluster: tuple[Json, ...], tmp_path: Path, *arguments: str | Path) -> list[str]:
    """What is printed, without the bars."""
    (tmp_path / "p.yaml").write_text(written(policy))
    args = ("--policy", tmp_path / "p.yaml", "--snapshot", "-", *arguments)
    result = simulate(*args, stdin=written(a_cluster(*cluster)))
    assert result.exit_code == 0, result.output
    return [line.rstrip(" =+") for line in result.output.splitlines()]


def test_the_text_of_a_play(tmp_path: Path) -> None:
    (tmp_path / "extender.yaml").write_text("outside_units: last\n")
    policy = a_policy({**DC, "max": 1}, {"resource": "elastic", "nodeSelector": {"pool": "none-yet"}})
    cluster = (*ONE_EACH, THERE, a_pod("web-7d9-p"))
    assert told(policy, cluster, tmp_path, "--scale", "web=4", "--config", tmp_path / "extender.yaml") == [
        "ResourcePolicy default/web: 3 pods arrive, 1 of them pending already",
        "",
        "  unit  nodes                           cap    before  after",
        "  0     1 ecs pool=dc                   max 1       1      1",
        "  1     0 elastic pool=none-yet, waits  none        0      0",
        "        outside every unit                                 1",
        "        pending                                     1      2",
        "",
        "Stays pending",
        "  web-3 and 1 more:",
        f"    - 2 Insufficient {GPU}",
        "",
        "An autoscaler would be asked for",
        "  2 nodes in units[1], for 2 pods",
        "    - one pod per node assumed, as the unit has no node to take the size from",
        "",
        "Scale-in takes 2 pending, then 1 outside every unit, then 1 in units[0]",
    ]


def test_the_text_names_pods_that_go_and_what_was_assumed(tmp_path: Path) -> None:
    there = [a_pod(f"web-{number}", "dc-1") for number in range(8)]
    lines = told(a_policy(DC, CLOUD), (*BIG, *there), tmp_path, "--scale", "web=1")
    assert lines[-2:] == ["", "Goes now: web-0, web-1, web-2, web-3, web-4 and 2 more"]
    policy = a_policy(DC, {"nodeSelector": {"pool": "b"}})
    lines = told(policy, (*ONE_EACH, THERE), tmp_path, "--scale", "web=3", "--add-nodes", "1=1")
    assert lines[-1] == "Note: units[1] has no node: each added one is taken to hold one pod."


def test_a_node_on_which_the_pod_does_not_fit_is_not_asked_for_in_numbers(tmp_path: Path) -> None:
    large = a_pod("web-7d9-a", gpus=8)
    lines = told(a_policy(DC, ELASTIC), (*ONE_EACH, large), tmp_path)
    assert "  nodes of another size in units[1], for 1 pod" in lines
    assert "    - of the size of cloud-1, on which such a pod does not fit" in lines


def test_preemption_that_would_come_first_is_said_and_not_played(tmp_path: Path) -> None:
    """P1: the pod goes on to the next unit as if no victim had been found."""
    own = a_pod("web-7d9-a", "cloud-1", spec={"priority": 10})
    cluster = (a_node("dc-1", "dc"), a_node("cloud-1", "cloud", 2), a_pod("low", "dc-1", of="x"), own)
    policy = a_policy(DC, CLOUD, preemptPolicy="BeforeNextUnit")
    answer = played(tmp_path, policy, cluster, "--scale", "web=2")
    assert [unit["after"] for unit in answer["units"]] == [0, 2]
    assert "preemption comes first in units[0] (P1), and is not played" in answer["notes"][0]


def test_pods_that_no_policy_governs_take_their_room(tmp_path: Path) -> None:
    db = a_pod("db-7d9-a", of="db")
    cluster = (*ONE_EACH, db, THERE)
    answer = played(tmp_path, a_policy(DC, CLOUD), cluster, "--scale", "web=3")
    assert (answer["arrived"], [unit["after"] for unit in answer["units"]]) == (2, [1, 0])


def test_two_policies_in_one_file_have_an_answer_each(tmp_path: Path) -> None:
    other = a_policy(DC, CLOUD, name="db", selector={"app": "db"})
    (tmp_path / "p.yaml").write_text(
        "---\n".join((written(a_policy({**DC, "max": 1}, CLOUD)), written(other)))
    )
    cluster = written(a_cluster(*BIG, THERE, a_pod("db-7d9-a", "dc-1", of="db")))
    args = ("--policy", tmp_path / "p.yaml", "--snapshot", "-", "--scale", "web=3", "--scale", "db=3")
    outcomes = json.loads(simulate(*args, "-o", "json", stdin=cluster).output)[0]["outcomes"]
    assert [(o["policy"], [u["after"] for u in o["units"]]) for o in outcomes] == [
        ("default/web", [1, 2]),
        ("default/db", [3, 0]),
    ]


def of_web_and_db(tmp_path: Path, web: Json, db: Json) -> tuple[Json, Json]:
    """The answers for two policies and a new pod of each, in a data centre that is full and a free cloud."""
    (tmp_path / "p.yaml").write_text("---\n".join(map(written, (web, db))))
    there = a_pod("web-7d9-a", "dc-1", spec={"priority": -1}), a_pod("db-7d9-a", "dc-2", of="db")
    nodes = a_node("dc-1", "dc"), a_node("dc-2", "dc"), a_node("cloud-1", "cloud", 8)
    args = ("--policy", tmp_path / "p.yaml", "--snapshot", "-", "--scale", "web=2", "--scale", "db=2")
    result = simulate(*args, "-o", "json", stdin=written(a_cluster(*nodes, *there)))
    of_web, of_db = json.loads(result.output)[0]["outcomes"]
    return of_web, of_db


def test_the_pods_of_each_policy_go_on_when_their_own_timer_ends(tmp_path: Path) -> None:
    """O5: the end of the shorter one is not the end of the other."""
    web = timed("10m", {**DC, "max": 9}, CLOUD)
    db = timed("20m", {**DC, "max": 9}, CLOUD, name="db", selector={"app": "db"})
    outcomes = of_web_and_db(tmp_path, web, db)
    assert [[spill["at"] for spill in outcome["spills"]] for outcome in outcomes] == [[600.0], [1200.0]]


def test_preemption_is_told_of_the_policy_that_asks_for_it(tmp_path: Path) -> None:
    """P1: and not beside another policy."""
    web = a_policy(DC, CLOUD)
    db = a_policy(DC, CLOUD, name="db", selector={"app": "db"}, preemptPolicy="BeforeNextUnit")
    of_web, of_db = of_web_and_db(tmp_path, web, db)
    assert (len(of_web["notes"]), len(of_db["notes"])) == (0, 1)


class Terminal(io.StringIO):
    """One that a person looks at."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("form", "stream", "told"),
    [
        pytest.param("yaml", Terminal(), True, id="long YAML, to a person"),
        pytest.param("yaml", io.StringIO(), False, id="to nobody"),
        pytest.param("json", Terminal(), False, id="JSON is fast"),
    ],
)
def test_that_yaml_takes_longer_is_told_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, stream: io.StringIO, *, told: bool
) -> None:
    monkeypatch.setattr("author.chosen._LONG", 100)
    monkeypatch.setattr(sys, "stderr", stream)
    path = tmp_path / f"cluster.{form}"
    cluster = a_cluster(*ONE_EACH)
    path.write_text(written(cluster) if form == "yaml" else json.dumps(cluster))
    assert len(cluster_at(str(path)).nodes) == 2
    assert stream.getvalue().startswith("reading ") is told


def test_a_long_play_shows_a_bar_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, patience, shown in (
        (Terminal(), 0.0, True),
        (Terminal(), 60.0, False),
        (io.StringIO(), 0.0, False),
    ):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr("author.simulating._PATIENCE", patience)
        with Progress(200) as progress:
            for done in range(1, 201):
                progress(done, 200)
        assert ("100%" in stream.getvalue()) is shown


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        pytest.param((Fault(status=403),), "it takes the right to list nodes, pods, policies", id="no right"),
        pytest.param(
            (Fault(), Fault(), Fault(status=403)),
            "it takes the right to list nodes, pods, policies",
            id="to policies",
        ),
        pytest.param((Fault(), Fault(), Fault(status=404)), "", id="no policy is known at all"),
    ],
)
def test_what_the_api_server_refuses_is_one_line(
    tmp_path: Path, faults: tuple[Fault, ...], said: str
) -> None:
    with FakeApiServer() as api:
        api.put("/api/v1/nodes", "", "n1")
        api.fail("list", *faults)
        result = simulate("--live", "--kubeconfig", api.kubeconfig(tmp_path))
    assert result.exit_code == (2 if said else 0)
    assert said in result.stderr
    assert result.stderr.count("\n") == bool(said)


GOOD = written(a_cluster(*ONE_EACH, THERE))


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        pytest.param((), "", "simulate needs a cluster; give --snapshot FILE", id="no cluster"),
        pytest.param(("--snapshot", "-", "--scale", "web"), GOOD, "write NAME=N", id="no number"),
        pytest.param(
            ("--snapshot", "-", "--scale", "wbe=3"),
            GOOD,
            "no pod of it in the cluster (there are web)",
            id="no workload",
        ),
        pytest.param(
            ("--snapshot", "-", "--pod", "{d}", "--scale", "nwe=3"),
            GOOD,
            "; --pod has new",
            id="nor in the file",
        ),
        pytest.param(
            ("--snapshot", "-", "--pod", "{d}", "--scale", "shop/new=3"),
            GOOD,
            "; --pod has new",
            id="nor there",
        ),
        pytest.param(("--snapshot", "-", "--pod", "{n}"), GOOD, "holds nothing that makes pods", id="no pod"),
        pytest.param(
            ("--snapshot", "-", "--nodes-start", "x"), GOOD, "--nodes-start: 'x' is not", id="no time"
        ),
        pytest.param(
            ("--snapshot", "-", "--policy", "-"),
            "a: b",
            "holds no Node; write what `kubectl get",
            id="no node",
        ),
        pytest.param(("--snapshot", "-"), "a: [", "<stdin>: no YAML: ", id="no YAML"),
        pytest.param(("--snapshot", "-"), "{", "<stdin>: ", id="no JSON"),
        pytest.param(("--snapshot", "-"), "a: &a [*a]", "nested too deeply", id="a list that holds itself"),
        pytest.param(("--snapshot", "-"), '{"a":' * 5000, "nested too deeply", id="an abyss"),
        pytest.param(("--snapshot", "-"), '{"items": [{"kind": "Node"}]}', "`metadata`", id="no object"),
        pytest.param(
            ("--snapshot", "-", "--policy", "no-such"),
            GOOD,
            "no-such: No such file or directory",
            id="no policy",
        ),
        pytest.param(
            ("--snapshot", "-", "--policy", "{n}"), GOOD, "holds no ResourcePolicy", id="not a policy"
        ),
        pytest.param(
            ("--snapshot", "-", "--policy", "{b}"),
            GOOD,
            "b.yaml: spec.units: is empty",
            id="a policy with a fault",
        ),
        pytest.param(
            ("--snapshot", "-", "--policy", "{p}", "--add-nodes", "1"), GOOD, "write UNIT=N", id="no unit"
        ),
        pytest.param(
            ("--snapshot", "-", "--policy", "{p}", "--add-nodes", "9=1"),
            GOOD,
            "web has units 0 to 1",
            id="no such unit",
        ),
        pytest.param(
            ("--snapshot", "-", "--policy", "{p}", "--add-nodes", "db/0=1"),
            GOOD,
            "the policies here: web",
            id="no such policy",
        ),
        pytest.param(
            ("--snapshot", "-", "--policy", "{p}", "--add-nodes", "1=1"),
            written(a_cluster(a_node("dc-1", "dc"))),
            "units[1] has no node to take the size from",
            id="no size",
        ),
    ],
)
def test_a_mistake_is_one_line_with_the_fix(
    tmp_path: Path, arguments: tuple[str, ...], stdin: str, said: str
) -> None:
    (tmp_path / "p.yaml").write_text(written(a_policy(DC, CLOUD)))
    (tmp_path / "b.yaml").write_text(written(a_policy()))
    (tmp_path / "n.yaml").write_text("a: b")
    files = {name: str(tmp_path / f"{name}.yaml") for name in "pbn"}
    files["d"] = a_deployment(tmp_path)
    result = simulate(*(argument.format(**files) for argument in arguments), stdin=stdin)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1


def test_a_workload_in_two_namespaces_must_be_named_with_one() -> None:
    other = a_pod("web-7d9-b", "dc-2")
    other["metadata"] |= {"namespace": "prod"}
    stdin = written(a_cluster(*BIG, THERE, other))
    result = simulate("--snapshot", "-", "--scale", "web=3", stdin=stdin)
    assert "there is one in default and in prod; write default/web=N" in result.stderr
    assert simulate("--snapshot", "-", "--scale", "prod/web=3", stdin=stdin).exit_code == 0
