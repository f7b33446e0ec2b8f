"""One lint run: every rule over everything given.

Findings are sorted by place, so that the same documents always read the same.
"""

from collections.abc import Callable, Iterator

from policy.lint.cluster_rules import cluster_findings
from policy.lint.context import LintContext, context_of
from policy.lint.document_rules import document_findings
from policy.lint.documents import LintInput
from policy.lint.findings import Finding
from policy.lint.overflow_rules import overflow_findings
from policy.lint.scheduler_rules import scheduler_findings
from policy.lint.server_rules import server_findings
from policy.lint.unit_rules import unit_findings
from policy.lint.workload_rules import workload_findings

__all__ = ["lint"]

_RULES: tuple[Callable[[LintContext], Iterator[Finding]], ...] = (
    document_findings,
    unit_findings,
    overflow_findings,
    workload_findings,
    cluster_findings,
    scheduler_findings,
    server_findings,
)


def lint(given: LintInput) -> list[Finding]:
    """Everything found, by source and position."""
    context = context_of(given)
    found = [finding for rules in _RULES for finding in rules(context)]
    return sorted(found, key=lambda f: (f.place.source, f.place.position, f.code, f.place.path))
