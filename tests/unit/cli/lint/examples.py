"""The examples of docs/lint.md, and how a test lints text.

Nodes, and Pods beside a Node, stand for the cluster.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from cli.cluster.snapshot import cluster_in
from cli.lint.command import server_in
from cli.manifests.workloads import workloads_in
from cli.manifests.yaml_positions import documents_in
from policy.api.options import NodeKinds
from policy.lint.documents import LintInput
from policy.lint.engine import lint
from policy.lint.findings import Finding

__all__ = ["EXAMPLES", "PAGE", "Example", "found_in"]

PAGE = (Path(__file__).parents[4] / "docs/lint.md").read_text()
_SECTION = re.compile(
    r"^## (?P<code>RP\d{3}) (?P<title>[^\n]+)\n\n\*\*(?P<severity>\w+)\*\* · (?P<text>(?:[^\n]+\n)+)\n"
    r"Found:\n\n```(?P<language>\w+)\n(?P<failing>.*?)```\n\nNot found:\n\n```\w+\n(?P<passing>.*?)```\n",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Example:
    """One section of the page."""

    code: str
    title: str
    severity: str
    language: str
    failing: str
    passing: str


EXAMPLES = [
    Example(*(m[name] for name in ("code", "title", "severity", "language", "failing", "passing")))
    for m in _SECTION.finditer(PAGE)
]


def found_in(text: str, language: str = "yaml") -> list[Finding]:
    """What lint finds in a text."""
    if language == "python":
        return lint(LintInput(server=server_in("gunicorn.conf.py", text)))
    documents = documents_in("example.yaml", text)
    kinds = {document.kind for document in documents}
    cluster = {"Node", "Pod"} if "Node" in kinds else set()
    written = [document for document in documents if document.kind not in cluster]
    there = [dict(document.content) for document in documents if document.kind in cluster]
    snapshot = None
    if there:
        snapshot = cluster_in("example.yaml", yaml.safe_dump_all(there).encode()).snapshot(NodeKinds())
    return lint(LintInput(written, list(workloads_in(written)), snapshot))
