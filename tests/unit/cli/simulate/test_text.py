"""The command `simulate`: its answer as text and JSON, and what is shown while it is worked out."""

import io
import json
import sys
from pathlib import Path

import pytest

from cli.cluster.source import cluster_at
from cli.simulate.command import Progress
from tests.unit.cli.simulate.invoke import (
    BIG,
    CLOUD,
    DC,
    ELASTIC,
    ONE_EACH,
    THERE,
    played,
    simulate,
    timed,
    told,
)
from tests.unit.cli.snapshots import GPU, a_cluster, a_node, a_pod, a_policy, written


def test_json_and_yaml_snapshots_say_the_same(tmp_path: Path) -> None:
    policy, cluster = tmp_path / "p.yaml", a_cluster(*BIG, THERE)
    policy.write_text(written(a_policy({**DC, "max": 2}, CLOUD)))
    args = ("--policy", policy, "--snapshot", "-", "--scale", "web=5")
    assert simulate(*args, stdin=json.dumps(cluster)).output == simulate(*args, stdin=written(cluster)).output


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
    monkeypatch.setattr("cli.cluster.source._LONG", 100)
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
        monkeypatch.setattr("cli.simulate.command._PATIENCE", patience)
        with Progress(200) as progress:
            for done in range(1, 201):
                progress(done, 200)
        assert ("100%" in stream.getvalue()) is shown
