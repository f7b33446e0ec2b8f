"""The command `status`: which policies are shown, how, and what a user reads on a mistake."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from tests.fake_apiserver import FakeApiServer
from tests.unit.cli.explain.invoke import complaint
from tests.unit.cli.snapshots import a_cluster, a_node, a_pod, a_policy, written

Json = dict[str, Any]
POLICIES = "/apis/scheduling.alibabacloud.com/v1alpha1/resourcepolicies"
OWN: Json = {"nodeSelector": {"pool": "own"}}
CLOUD: Json = {"resource": "elastic", "nodeSelector": {"pool": "cloud"}}
NODES = [
    a_node("own-1", "own", gpus=4),
    a_node("own-2", "own", gpus=4, unschedulable=True),
    a_node("cloud-1", "cloud"),
]
CAPPED = a_policy({**OWN, "max": 2}, CLOUD)
PODS = [a_pod("a", "own-1"), a_pod("b", "own-1"), a_pod("c", "cloud-1"), a_pod("d")]


def status(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["status", *map(str, arguments)], input=stdin, prog_name="resourcepolicy")


def from_snapshot(*arguments: str, items: list[Json]) -> str:
    result = status("--snapshot", "-", *arguments, stdin=written(a_cluster(*NODES, *items)))
    assert result.exit_code == 0, result.output
    return result.output


TABLE = """\
ResourcePolicy default/web: 3 pod(s) placed, 1 pending, spill 33%

  unit  nodes                        pods  share  state    cap
  0     2 (1 unusable) ecs pool=own     2    67%  full     2 of 2 pods
  1     1 elastic, waits pool=cloud     1    33%  no room  none
  pending: d; `resourcepolicy explain POD` says why

  placed         pods units[0] units[1]    spill
  last 10m          3        2        1      33%
  Of pods that are there now, by when they were placed; those that are gone
  are not in it.
"""


def test_a_policy_is_shown_unit_by_unit() -> None:
    assert from_snapshot(items=[CAPPED, *PODS]) == TABLE


def test_a_policy_without_pods_is_shown_without_figures_about_them() -> None:
    text = from_snapshot(items=[CAPPED])
    assert text.startswith("ResourcePolicy default/web: 0 pod(s) placed\n")
    assert "spill" not in text
    assert "pending" not in text


def test_what_is_wrong_with_a_policy_stands_above_its_units() -> None:
    """M4, M8: as its conditions say."""
    older = a_policy(OWN, name="older", created="2026-10-01T00:00:00Z")
    text = " ".join(from_snapshot("web", items=[older, CAPPED, a_pod("p")]).split())
    assert "! ResourcePolicy older, which is older, matches pods of this one too, for example p" in text


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        pytest.param([], ["default/api", "default/web"], id="every policy of the namespace"),
        pytest.param(["web"], ["default/web"], id="one"),
        pytest.param(["-n", "shop"], ["shop/web"], id="another namespace"),
        pytest.param(["-A"], ["default/api", "default/web", "shop/web"], id="all namespaces"),
        pytest.param(["-n", "empty"], [], id="none"),
    ],
)
def test_which_policies_are_shown(arguments: list[str], shown: list[str]) -> None:
    other = {**a_policy(OWN), "metadata": {"name": "web", "namespace": "shop"}}
    items = [CAPPED, a_policy(OWN, name="api"), other]
    found = json.loads(from_snapshot("-o", "json", *arguments, items=items))
    assert [one["policy"] for one in found] == shown


def test_json_holds_the_figures() -> None:
    (found,) = json.loads(from_snapshot("-o", "json", items=[CAPPED, *PODS]))
    assert (found["spill"], found["pending"], found["states"]) == (1 / 3, ["d"], ["full", "no room"])
    assert found["free"][0] == {"nvidia.com/gpu": "6"}
    assert found["units"][0]["caps"] == [{"what": "pods", "used": "2", "limit": "2"}]


def test_more_units_and_groups_than_fit_are_shown_in_80_columns() -> None:
    units = [{"nodeSelector": {"pool": f"p{i}" + "x" * 40}, "max": 1_000_000} for i in range(9)]
    first = {**OWN, "max": 9, "maxResources": {"nvidia.com/gpu": 8, "cpu": "500"}}
    waiting = [a_pod(f"web-5d69f47b86-j6zq{number}") for number in range(5)]
    items = [a_policy(first, *units, matchLabelKeys=["pod-template-hash"]), *PODS, *waiting]
    text = from_snapshot(items=items)
    assert max(map(len, text.splitlines())) <= 80
    assert "2 of 9 pods" in text
    assert "2 of 8 nvidia.com/gpu" in text
    assert "later" in text


def test_no_policy_is_said_in_a_line_and_a_policy_that_cannot_be_used_with_its_fault() -> None:
    assert "No ResourcePolicy that can be used is in namespace default; -A shows all" in from_snapshot(
        items=[]
    )
    bad = a_policy({**OWN, "max": -1}, name="bad")
    assert "ResourcePolicy default/bad cannot be used (M6): spec.units[0].max" in from_snapshot(items=[bad])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["wbe"], "no ResourcePolicy wbe in namespace default (there are web);", id="a slip"),
        pytest.param(["web", "-n", "x"], "namespace x (there is none at all)", id="another namespace"),
        pytest.param(["bad"], "`resourcepolicy lint --live` says why", id="one that cannot be used"),
        pytest.param(["-A", "web"], "-A shows every policy", id="all and one"),
        pytest.param(["-A", "-n", "x"], "leave POLICY and -n away", id="all and a namespace"),
        pytest.param(["--context", "x"], "--snapshot asks no cluster", id="two clusters"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments: list[str], said: str) -> None:
    stdin = written(a_cluster(*NODES, CAPPED, a_policy({**OWN, "max": -1}, name="bad")))
    assert said in complaint(status("--snapshot", "-", *arguments, stdin=stdin))


def test_a_live_cluster_is_asked_for_one_namespace_only(tmp_path: Path) -> None:
    """Who may list pods there needs no right elsewhere (M1)."""
    with FakeApiServer() as api:
        for item in (*NODES, CAPPED, *PODS):
            metadata = item["metadata"]
            collection = {"Node": "/api/v1/nodes", "Pod": "/api/v1/pods"}.get(item["kind"], POLICIES)
            api.put(collection, metadata.get("namespace", ""), metadata["name"], **item)
        result = status("--kubeconfig", api.kubeconfig(tmp_path))
        assert "3 pod(s) placed, 1 pending, spill 33%" in result.output
        assert "before" in result.output, "they were placed long ago"
        asked = {request.path for request in api.requests}
    assert "/api/v1/namespaces/default/pods" in asked
    assert "/api/v1/pods" not in asked
