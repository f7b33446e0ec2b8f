"""The documents against the code: reasons, settings, endpoints, rules and commands that both must name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click import Group
from click.testing import CliRunner

from cli.main import main
from cluster.settings import Settings
from extender.metrics import Metrics
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.reasons import Reason, Refusal
from watcher.telemetry.metrics import WatcherMetrics

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
RULES = (ROOT / "docs/rules.md").read_text()
RULE_ID = re.compile(r"\b([MUOCPLWE]\d{1,2})\b")


def sources() -> Iterator[Path]:
    for folder in ("policy", "cluster", "extender", "watcher", "cli", "config", "manifests"):
        yield from (path for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".yaml"})


def example() -> ResourcePolicy:
    unit = {"max": 2, "maxResources": {"nvidia.com/gpu": 8}}
    return ResourcePolicy.from_manifest({"metadata": {"name": "qwen-chat"}, "spec": {"units": [unit]}})


@pytest.mark.parametrize("reason", Reason)
def test_the_readme_has_each_reason_as_the_user_reads_it(reason: Reason) -> None:
    named = {
        Reason.MAX_RESOURCES_REACHED: "nvidia.com/gpu",
        Reason.LABEL_MISSING: "pod-template-hash",
    }.get(reason, "")
    text = Refusal(reason, example(), named=named).text
    assert f"| {reason} | {text} |" in README


def test_each_rule_that_code_or_manifests_cite_is_a_rule() -> None:
    rules = set(re.findall(r"\*\*([A-Z]\d+)\*\*", RULES))
    cited = {(id_, path.name) for path in sources() for id_ in RULE_ID.findall(path.read_text())}
    unknown = {(id_, name) for id_, name in cited if id_ not in rules and id_[0] not in "AE"}
    assert rules >= {"M1", "U7", "O10", "C9", "P3", "L7", "W5"}
    assert not unknown


def test_the_shipped_settings_show_every_setting_with_its_default() -> None:
    written = yaml.safe_load((ROOT / "config/extender.yaml").read_text())
    assert Settings.model_validate(written) == Settings()
    assert set(written) == set(Settings.model_fields)
    assert set(written["watcher"]) == set(type(Settings().watcher).model_fields)


def test_the_page_on_metrics_has_each_metric() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    written = re.findall(r"^\| `(resourcepolicy_\w+)` \|", page, re.MULTILINE)
    families = [f for metrics in (Metrics(), WatcherMetrics()) for f in metrics.registry.collect()]
    names = {f"{f.name}_total" if f.type == "counter" else f.name for f in families}
    assert sorted(written) == sorted(names)


@pytest.mark.parametrize(
    "endpoint", ["/filter", "/prioritize", "/preempt", "/healthz", "/readyz", "/metrics", "/decisions"]
)
def test_the_readme_names_each_endpoint(endpoint: str) -> None:
    assert f"`{endpoint}`" in README or f" {endpoint}`" in README


def test_each_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", README))
    assert named >= {"demo", "test", "test-fast"}
    assert named <= targets


def test_ci_runs_the_second_command_of_the_readme_and_nothing_else() -> None:
    assert (ROOT / ".ci/run").read_text().splitlines()[-1] == "exec make test"


def test_each_file_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"`?\b((?:config|docs|manifests)/[\w./-]+\w)", README))
    assert named
    assert not [name for name in named if not (ROOT / name).exists()]


@pytest.mark.parametrize("command", sorted(main.commands) if isinstance(main, Group) else [])
def test_each_command_says_what_it_does_with_an_example(command: str) -> None:
    shown = CliRunner().invoke(main, [command, "--help"])
    assert shown.exit_code == 0
    assert f"Example: resourcepolicy {command}" in " ".join(shown.output.split())


def test_each_line_of_the_log_that_a_page_explains_is_written_by_the_code() -> None:
    page = (ROOT / "docs/autoscaler.md").read_text()
    table = page.partition("## What the log says")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)[2:]
    said = {
        node.value
        for path in (ROOT / "watcher").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert len(rows) > 5
    assert not [row for row in rows if not any(row in text for text in said)]
