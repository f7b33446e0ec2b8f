"""What every rule starts from: the usable policies, and which pods each of them selects.

A policy that cannot be used is a finding of its own (M6), and no other rule looks at it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from policy.api import wellknown
from policy.api.resourcepolicy import InvalidPolicyError, ResourcePolicy
from policy.lint.documents import Document, LintInput, Path, PolicyDocument, Workload
from policy.lint.findings import Code, Finding, Severity
from policy.scheduling.matching import matches

__all__ = ["LintContext", "context_of", "found"]


@dataclass(frozen=True, slots=True)
class LintContext:
    """What is given, sorted."""

    given: LintInput
    written: tuple[Document, ...]
    """The documents that mean to be policies."""
    policies: tuple[PolicyDocument, ...]
    schedulers: tuple[Document, ...]

    def workloads_of(self, policy: ResourcePolicy) -> Iterator[Workload]:
        """The workloads among the documents whose pods the policy selects."""
        return (workload for workload in self.given.workloads if matches(policy, workload.pod))


def context_of(given: LintInput) -> LintContext:
    """Sort the documents."""
    written = tuple(document for document in given.documents if _means_policy(document))
    policies = tuple(policy for document in written if (policy := _policy_of(document)) is not None)
    schedulers = tuple(d for d in given.documents if d.kind == "KubeSchedulerConfiguration")
    return LintContext(given, written, policies, schedulers)


def _means_policy(document: Document) -> bool:
    return (document.kind, document.content.get("apiVersion")) == (
        "ResourcePolicy",
        wellknown.RESOURCEPOLICY_API,
    )


def _policy_of(document: Document) -> PolicyDocument | None:
    try:
        return PolicyDocument(document, ResourcePolicy.from_manifest(document.content))
    except InvalidPolicyError:
        return None


def found(
    code: Code, document: Document, path: Path, why: str, instead: str, severity: Severity | None = None
) -> Finding:
    """A finding of the code's usual severity, unless another is given."""
    return Finding(code, document.place(*path), why, instead, severity or code.severity)
