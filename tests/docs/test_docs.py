"""The documents against the code: reasons, settings, endpoints, rules and commands that both must name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click import Context
from click.testing import CliRunner

from cli.main import main
from cluster.settings import RENAMED, Settings
from extender.metrics import Metrics
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.refusals import Reason, Refusal
from watcher.telemetry.metrics import WatcherMetrics

COMMANDS = main.list_commands(Context(main))
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
RULES = (ROOT / "docs/rules.md").read_text()
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
FOLDERS = ("policy", "cluster", "extender", "watcher", "cli", "dev", "config", "manifests", "docs")
"""What cites rules and pages, besides the README."""
RULE_ID = re.compile(r"\b([MUOCPLWEA]\d{1,2})\b")
PAGE = re.compile(r"(?<![\w./:-])(?:\.\.?/)*(?:[\w-]+/)*[\w-]+\.md\b")
"""The name of a page; not a part of an address on the web."""
DEFINED = re.compile(r"^- \*\*([A-Z]\d+)\*\*", re.MULTILINE)


CODE = re.compile(r"(?<![\w/.])(?:policy|cluster|extender|watcher|cli|dev|tests)/[\w/]+\.py\b")
MODULE = re.compile(r"`((?:policy|cluster|extender|cli|dev|tests)(?:\.[A-Za-z_]\w*)+)")
"""What a sentence names between backticks. `watcher.NAME` may be a setting, and is not looked at."""


def sources(*more: str) -> Iterator[Path]:
    yield ROOT / "README.md"
    for folder in (*FOLDERS, *more):
        yield from (path for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".yaml", ".md"})


def exists(name: str, cited_in: Path) -> bool:
    """A page is named from the root, or from the folder of the file that cites it."""
    return (ROOT / name).is_file() or (cited_in.parent / name).is_file()


def example() -> ResourcePolicy:
    unit = {"max": 2, "maxResources": {"nvidia.com/gpu": 8}}
    return ResourcePolicy.from_manifest({"metadata": {"name": "qwen-chat"}, "spec": {"units": [unit]}})


@pytest.mark.parametrize("reason", Reason)
def test_the_page_on_reasons_has_each_reason_as_the_user_reads_it(reason: Reason) -> None:
    named = {
        Reason.MAX_RESOURCES_REACHED: "nvidia.com/gpu",
        Reason.LABEL_MISSING: "pod-template-hash",
    }.get(reason, "")
    text = Refusal(reason, example(), named=named).text
    assert f"| {reason} | {text} |" in (ROOT / "docs/reasons.md").read_text()


def test_each_rule_that_is_cited_anywhere_is_a_rule() -> None:
    rules = set(DEFINED.findall(RULES))
    cited = {
        (id_, str(path.relative_to(ROOT)))
        for path in sources()
        for id_ in RULE_ID.findall(path.read_text())
        if id_ not in rules
    }
    assert rules >= {"M1", "U7", "O10", "C9", "P3", "L7", "W5", "E11", "A10"}
    assert not cited


@pytest.mark.parametrize(("page", "letter"), [("extender-protocol", "E"), ("autoscaler", "A")])
def test_a_design_page_defines_in_full_the_rules_that_have_one_line(page: str, letter: str) -> None:
    full = DEFINED.findall((ROOT / f"docs/design/{page}.md").read_text())
    assert full == [id_ for id_ in DEFINED.findall(RULES) if id_[0] == letter]


def test_each_page_that_is_cited_anywhere_exists() -> None:
    missing = {
        (name, str(path.relative_to(ROOT)))
        for path in sources("tests")
        if path != Path(__file__)
        for name in PAGE.findall(path.read_text())
        if not exists(name, path)
    }
    assert not missing


def test_each_file_and_module_of_code_that_is_cited_anywhere_exists() -> None:
    missing = {
        (name, str(path.relative_to(ROOT)))
        for path in sources("tests")
        for name in (*CODE.findall(path.read_text()), *MODULE.findall(path.read_text()))
        if not (exists(name, path) or names_a_module(name))
    }
    assert not missing


def names_a_module(name: str) -> bool:
    """Of a module, or of something in it; a folder is one, too."""
    parts = name.split(".")
    whole = ROOT.joinpath(*parts)
    return whole.is_dir() or any(
        ROOT.joinpath(*parts[:length]).with_suffix(".py").is_file() for length in range(2, len(parts) + 1)
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_of_a_page_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    assert not [to for to in targets if ":" not in to and not (page.parent / to).exists()]


def test_the_index_lists_every_page() -> None:
    index = (ROOT / "docs/index.md").read_text()
    pages = [page.relative_to(ROOT / "docs") for page in PAGES if page.is_relative_to(ROOT / "docs")]
    assert not [page for page in pages if f"]({page})" not in index and page != Path("index.md")]


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
def test_the_page_on_endpoints_names_each(endpoint: str) -> None:
    page = (ROOT / "docs/http-api.md").read_text()
    assert re.search(rf"^\| `(GET|POST) {endpoint}[`?]", page, re.MULTILINE)


def test_each_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    typed = re.compile(r"(?:`|^ {4})make ([a-z-]+)", re.MULTILINE)
    pages = {page.name: set(typed.findall(page.read_text())) for page in PAGES}
    assert pages["README.md"] >= {"demo", "test", "test-fast"}
    assert pages["CONTRIBUTING.md"] >= {"check", "coverage", "faults", "bench", "mutation"}
    assert not {name: named - targets for name, named in pages.items() if named - targets}


def test_ci_runs_the_second_command_of_the_readme_and_nothing_else() -> None:
    assert (ROOT / ".ci/run").read_text().splitlines()[-1] == "exec make test"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_file_that_a_page_names_exists(page: Path) -> None:
    named = set(
        re.findall(
            r"(?<![\w/])((?:config|docs|manifests|dev|policy|cluster|extender|watcher|cli|tests)/[\w./-]+\w)",
            page.read_text(),
        )
    )
    assert not [name for name in named if not (ROOT / name).exists()]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_what_it_does_with_an_example(command: str) -> None:
    shown = CliRunner().invoke(main, [command, "--help"])
    assert shown.exit_code == 0
    assert f"Example: resourcepolicy {command}" in " ".join(shown.output.split())


def test_the_changelog_has_each_renamed_setting() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert not [new for old, new in RENAMED.items() if f"| `{old}` | `{new}` |" not in changelog]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_but_the_changelog_names_a_setting_as_it_was(page: Path) -> None:
    named = set(re.findall(r"`(?:watcher\.)?([a-z_]+)(?:: [^`]+)?`", page.read_text()))
    old = {name.removeprefix("watcher.") for name in RENAMED}
    assert page.name == "CHANGELOG.md" or not named & old


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
