"""What lint finds: every code with the examples that docs/lint.md gives for it.

The page is the table: its first example of a section fails, its second passes.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.manifests.workloads import workloads_in
from cli.manifests.yaml_positions import documents_in, read
from policy.lint.documents import LintInput
from policy.lint.engine import lint
from policy.lint.findings import Code, Severity
from tests.e2e.test_crd import API_VERSION, REFUSED
from tests.unit.cli.lint.examples import EXAMPLES, PAGE, Example, found_in

ROOT = Path(__file__).parents[4]
ACK = Path(__file__).parent / "ack.yaml"

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.code}: {e.title}")


def test_the_page_has_each_code_once_in_order_with_its_title_and_severity() -> None:
    assert [(e.code, e.title, e.severity) for e in EXAMPLES] == [(c, c.headline, c.severity) for c in Code]


def test_the_pages_table_is_its_sections() -> None:
    rows = re.findall(r"^\| \[(RP\d+)\]\(#(\S+)\) \| (\w+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert [(code, severity, title) for code, _, severity, title in rows] == [
        (code, code.severity, code.headline) for code in Code
    ]
    assert [anchor for _, anchor, _, _ in rows] == [
        re.sub(r"[^\w -]", "", f"{code} {code.headline}".lower()).replace(" ", "-") for code in Code
    ]


@each_example
def test_the_first_example_is_found(example: Example) -> None:
    found = [f for f in found_in(example.failing, example.language) if f.code == example.code]
    assert found
    assert {finding.severity for finding in found} == {example.severity}


@each_example
def test_the_second_example_is_not_found(example: Example) -> None:
    found = found_in(example.passing, example.language)
    assert example.code not in {finding.code for finding in found}
    assert Severity.ERROR not in {finding.severity for finding in found}, found


@each_example
def test_a_finding_says_where_why_and_what_instead(example: Example) -> None:
    for finding in found_in(example.failing, example.language):
        assert finding.place.position.line > 0
        assert finding.place.position.line <= example.failing.count("\n")
        assert finding.place.path
        assert finding.why.endswith(".")
        assert finding.instead


@pytest.mark.parametrize(
    "path",
    [ACK, *sorted((ROOT / "manifests").rglob("*.yaml")), *sorted((ROOT / "config").glob("*.yaml"))],
    ids=lambda path: path.name,
)
def test_what_ack_publishes_and_what_is_shipped_has_no_error(path: Path) -> None:
    ((source, text),) = read(str(path))
    documents = documents_in(source, text)
    findings = lint(LintInput(documents, list(workloads_in(documents))))
    assert not [finding for finding in findings if finding.severity is Severity.ERROR]


@pytest.mark.parametrize(("spec", "nearest", "said"), REFUSED)
def test_what_the_api_server_refuses_is_an_error_at_the_same_place(
    spec: Mapping[str, Any], nearest: Mapping[str, Any], said: Sequence[str]
) -> None:
    """M6: the rows that are put to the real one; beside each the nearest object that it takes."""
    manifest = {"apiVersion": API_VERSION, "kind": "ResourcePolicy", "metadata": {"name": "policy"}}
    refused = found_in(yaml.safe_dump({**manifest, "spec": spec}))
    place = re.sub(r"\[([a-z]+)\]", r".\1", said[0])
    told = [f.place.path for f in refused if f.severity is Severity.ERROR]
    assert any(place.startswith(path) or path.startswith(place) for path in told), (place, told)
    taken = found_in(yaml.safe_dump({**manifest, "spec": nearest}))
    assert [finding for finding in taken if finding.severity is Severity.ERROR] == []


def test_the_shipped_scheduler_configuration_has_no_finding_at_all() -> None:
    assert found_in((ROOT / "config/kube-scheduler.yaml").read_text()) == []
