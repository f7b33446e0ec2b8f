"""The command `simulate` in small clusters, for the tests that read its answer."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from cli.main import main
from tests.unit.cli.snapshots import GPU, a_cluster, a_node, a_pod, a_policy, written

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


def timed(timeout: str, *units: Json, **fields: Any) -> Json:  # noqa: ANN401
    return a_policy(*units, whenTryNextUnits={"policy": "TimeoutOrExceedMax", "timeout": timeout}, **fields)


def a_deployment(tmp_path: Path, resources: Json | None = None) -> str:
    """A file with the Deployment `new`, whose pods are like those of `web`."""
    path = tmp_path / "new.yaml"
    spec = {"containers": [{"name": "c", "resources": resources or {"requests": {GPU: "1"}}}]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": spec}
    path.write_text(
        written({"kind": "Deployment", "metadata": {"name": "new"}, "spec": {"template": template}})
    )
    return str(path)


def told(policy: Json, cluster: tuple[Json, ...], tmp_path: Path, *arguments: str | Path) -> list[str]:
    """What is printed, without the bars."""
    (tmp_path / "p.yaml").write_text(written(policy))
    args = ("--policy", tmp_path / "p.yaml", "--snapshot", "-", *arguments)
    result = simulate(*args, stdin=written(a_cluster(*cluster)))
    assert result.exit_code == 0, result.output
    return [line.rstrip(" =+") for line in result.output.splitlines()]


def of_web_and_db(tmp_path: Path, web: Json, db: Json) -> tuple[Json, Json]:
    """The answers for two policies and a new pod of each, in a data centre that is full and a free cloud."""
    (tmp_path / "p.yaml").write_text("---\n".join(map(written, (web, db))))
    there = a_pod("web-7d9-a", "dc-1", spec={"priority": -1}), a_pod("db-7d9-a", "dc-2", of="db")
    nodes = a_node("dc-1", "dc"), a_node("dc-2", "dc"), a_node("cloud-1", "cloud", 8)
    args = ("--policy", tmp_path / "p.yaml", "--snapshot", "-", "--scale", "web=2", "--scale", "db=2")
    result = simulate(*args, "-o", "json", stdin=written(a_cluster(*nodes, *there)))
    of_web, of_db = json.loads(result.output)[0]["outcomes"]
    return of_web, of_db
