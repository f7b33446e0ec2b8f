"""A finding: its code, how bad it is, where it is, why it hurts and what to write instead.

Described in docs/lint.md.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from policy.lint.documents import Location

__all__ = ["Code", "Finding", "Severity"]


class Severity(StrEnum):
    """How bad; only an error fails the command."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Code(StrEnum):
    """The code of a rule, with its headline and its usual severity."""

    headline: str
    severity: Severity

    def __new__(cls, code: str, severity: Severity, headline: str) -> Self:
        """A member that is its code, and carries the rest."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.severity = severity
        member.headline = headline
        return member

    INVALID = "RP001", Severity.ERROR, "not a usable policy"
    UNKNOWN_FIELD = "RP002", Severity.ERROR, "unknown field"
    DUPLICATE_KEY = "RP003", Severity.ERROR, "a key written twice"
    TIMEOUT_UNUSED = "RP004", Severity.ERROR, "timeout without a mode that has a timer"
    FIELD_WITHOUT_EFFECT = "RP005", Severity.INFO, "a field without effect"
    EVERY_POD = "RP006", Severity.INFO, "every pod of the namespace"
    MISSPELT = "RP007", Severity.ERROR, "apiVersion or kind misspelt"
    WRITTEN_TWICE = "RP008", Severity.ERROR, "a policy written twice"

    WAITING_UNIT_CAPPED = "RP010", Severity.WARNING, "a cap on a unit that waits for nodes"
    LAST_UNIT_CAPPED = "RP011", Severity.WARNING, "no unbounded last unit"
    NEVER_REACHED = "RP012", Severity.WARNING, "a unit that an earlier one swallows"
    CAP_BYPASSED = "RP013", Severity.WARNING, "a cap that a later unit goes around"
    NEVER_OPENS = "RP014", Severity.WARNING, "a unit that never opens"
    NODES_OVERLAP = "RP015", Severity.INFO, "nodes in two units"

    NEVER_WAITS = "RP020", Severity.WARNING, "a mode that waits, where nothing can wait"
    WAITS_FOR_EVER = "RP021", Severity.WARNING, "ExceedMax may wait for ever"
    TIMEOUT_SHORT = "RP022", Severity.WARNING, "timeout shorter than nodes take to start"
    WAITING_UNIT_SKIPPED = "RP023", Severity.WARNING, "a unit that waits for nodes, in a mode that does not"

    GROUP_LABEL_MISSING = "RP030", Severity.ERROR, "matchLabelKeys missing on the workload"
    SELECTED_LABEL_WRITTEN = "RP031", Severity.ERROR, "podLabels on a key that is selected by"
    VIRTUAL_NOT_TOLERATED = "RP032", Severity.WARNING, "virtual units without toleration"
    DELETION_COST_SET = "RP033", Severity.WARNING, "pod-deletion-cost set by the user"
    OPTED_OUT = "RP034", Severity.WARNING, "a workload that opts out of its policy"
    NOT_SENT = "RP035", Severity.ERROR, "pods that kube-scheduler does not send"

    TWO_POLICIES = "RP040", Severity.WARNING, "two policies on one pod"
    NO_POD = "RP041", Severity.WARNING, "a selector that matches no pod"
    NO_NODE = "RP042", Severity.WARNING, "a unit without nodes"

    NO_EXTENDER = "RP050", Severity.ERROR, "kube-scheduler asks no extender"
    SAMPLING = "RP051", Severity.ERROR, "kube-scheduler looks at a sample of nodes"
    IGNORABLE = "RP052", Severity.ERROR, "an ignorable extender"
    NODE_CACHE = "RP053", Severity.WARNING, "whole nodes on the wire"
    HTTP_TIMEOUT = "RP054", Severity.WARNING, "httpTimeout too long or too short"
    VERB_MISSING = "RP055", Severity.ERROR, "a verb that is missing, or not served"
    WEIGHT = "RP056", Severity.WARNING, "a weight that plugins outvote"
    NOT_LAST = "RP057", Severity.WARNING, "an extender after ours"
    RESOURCE_IGNORED = "RP058", Severity.ERROR, "ignoredByScheduler"
    VICTIM_SAMPLING = "RP059", Severity.WARNING, "preemption looks at a sample of nodes"
    SCHEDULER_FIELD = "RP060", Severity.ERROR, "a key that kube-scheduler refuses"
    UNVERIFIED_TLS = "RP061", Severity.WARNING, "HTTPS without verification"
    KEEP_ALIVE = "RP062", Severity.ERROR, "keep-alive shorter than kube-scheduler's"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found."""

    code: Code
    place: Location
    why: str
    """What is there, and why it hurts: a sentence or two."""
    instead: str
    """What to write instead."""
    severity: Severity
