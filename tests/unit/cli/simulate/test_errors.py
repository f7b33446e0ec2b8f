"""The command `simulate`: a mistake, of the user or of the cluster, is one line with its fix."""

from pathlib import Path

import pytest

from tests.fake_apiserver import FakeApiServer, Fault
from tests.unit.cli.simulate.invoke import BIG, CLOUD, DC, ONE_EACH, THERE, a_deployment, simulate
from tests.unit.cli.snapshots import a_cluster, a_node, a_pod, a_policy, written


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
        pytest.param(("--snapshot", "-"), "a: &a [*a]", "holds no Node", id="a list that holds itself"),
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
