"""The command `explain` on a small cluster, for the tests that read what it prints."""

from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from cli.main import main
from tests.unit.cli.snapshots import a_cluster, a_node, a_policy, written

Json = dict[str, Any]
POLICIES = "/apis/scheduling.alibabacloud.com/v1alpha1/resourcepolicies"
OWN: Json = {"nodeSelector": {"pool": "own"}}
CLOUD: Json = {"resource": "elastic", "nodeSelector": {"pool": "cloud"}}
NODES = [a_node("own-1", "own", gpus=4), a_node("cloud-1", "cloud", gpus=1)]
CAPPED = a_policy({**OWN, "max": 1}, CLOUD)


def explain(*arguments: str | Path, stdin: str | None = None) -> Result:
    typed = ["explain", *map(str, arguments)]
    return CliRunner().invoke(main, typed, input=stdin, prog_name="resourcepolicy")


def from_snapshot(pod: str, *items: Json, options: tuple[str, ...] = ()) -> str:
    result = explain(pod, "--snapshot", "-", *options, stdin=written(a_cluster(*NODES, *items)))
    assert result.exit_code == 0, result.output
    return result.output


def words(text: str) -> str:
    return " ".join(text.split())


def complaint(result: Result) -> str:
    """The one line that says what is wrong and what to do."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    _, _, error = result.output.rpartition("Error: ")
    assert error.strip().count("\n") == 0
    return error.strip()
