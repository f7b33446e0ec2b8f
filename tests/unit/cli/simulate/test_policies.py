"""The command `simulate`: which policies, pods and workloads are played, and what is assumed of them."""

import json
from pathlib import Path

from tests.fake_apiserver import FakeApiServer
from tests.unit.cli.simulate.invoke import (
    BIG,
    CLOUD,
    DC,
    ONE_EACH,
    THERE,
    a_deployment,
    of_web_and_db,
    played,
    simulate,
    timed,
)
from tests.unit.cli.snapshots import GPU, a_cluster, a_pod, a_policy, written


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


def test_a_workload_from_a_file_goes_by_its_namespace_too(tmp_path: Path) -> None:
    new = ("--pod", a_deployment(tmp_path))
    answer = played(tmp_path, a_policy(DC, CLOUD), ONE_EACH, *new, "--scale", "default/new=2")
    assert answer["arrived"] == 2


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
