"""A decision as it was made, with what its units held at that moment."""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from policy.api.objects import EMPTY, Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.accounting import Group, Usage
from policy.scheduling.filter import FilterDecision
from policy.scheduling.preempt import PreemptDecision
from policy.scheduling.refusals import Reason, Refusal
from policy.scheduling.snapshot import ClusterView
from policy.scheduling.unit_selection import UnitSelection

__all__ = ["DecisionRecord", "UnitCounts", "Verb", "record_filter", "record_preempt"]


class Verb(StrEnum):
    """What kube-scheduler asked."""

    FILTER = "filter"
    PREEMPT = "preempt"


class UnitCounts(NamedTuple):
    """What a unit held at the time, the asking pod aside."""

    nodes: int
    pods: int
    requests: Mapping[str, int]


class DecisionRecord(NamedTuple):
    """A decision as it was made. A tuple: one is made on every call, in a fraction of the time."""

    verb: Verb
    at: float
    pod: Pod
    policy: ResourcePolicy
    group: Group
    asked: int
    kept: int
    unit: int | None
    selection: UnitSelection | None
    """None: it ended before the first unit was looked at."""
    waits: Refusal | None
    retry_at: float
    tallies: Sequence[UnitCounts]
    """Of the units that were looked at."""

    def repeats(self, other: "DecisionRecord") -> bool:
        """Whether it says the same, so that one of the two is enough to keep."""
        return (
            (self.verb, self.unit, bool(self.kept)) == (other.verb, other.unit, bool(other.kept))
            and _key(self.waits) == _key(other.waits)
            and (self.policy is other.policy or self.policy.key == other.policy.key)
            and _passed(self) == _passed(other)
        )


def _key(refusal: Refusal | None) -> tuple[Reason, int] | None:
    return None if refusal is None else (refusal.reason, refusal.unit)


def _passed(record: DecisionRecord) -> Sequence[object]:
    return [_key(refusal) for refusal in record.selection.full.values()] if record.selection else ()


def record_filter(
    pod: Pod, asked: int, policy: ResourcePolicy, decision: FilterDecision, view: ClusterView, now: float
) -> DecisionRecord:
    """Keep what filter decided, at the moment of its decision."""
    usages = decision.usages
    return DecisionRecord(
        Verb.FILTER,
        now,
        pod,
        policy,
        decision.group,
        asked,
        len(decision.nodes),
        decision.unit,
        decision.selection,
        decision.waits,
        decision.retry_at,
        [_tally(policy, i, usages[i], view) for i in range(_reached(policy, decision.selection))],
    )


def record_preempt(
    pod: Pod, asked: int, policy: ResourcePolicy, choice: PreemptDecision, view: ClusterView, now: float
) -> DecisionRecord:
    """Keep what preempt decided, at the moment of its decision."""
    selection, group = choice.selection, choice.group
    reached = range(_reached(policy, selection))
    return DecisionRecord(
        Verb.PREEMPT,
        now,
        pod,
        policy,
        group,
        asked,
        len(choice.nodes),
        choice.unit,
        selection,
        selection.waits if selection else None,
        selection.retry_at if selection else math.inf,
        [_tally(policy, i, view.usage(policy, i, group, excluding=pod.uid), view) for i in reached],
    )


def _tally(policy: ResourcePolicy, index: int, usage: Usage, view: ClusterView) -> UnitCounts:
    # The view's own counts go on changing, and only what has a limit is told.
    limits = policy.units[index].max_resources
    requests = {name: usage.requests.get(name, 0) for name in limits} if limits else EMPTY
    return UnitCounts(len(view.nodes_in(policy, index)), usage.pods, requests)


def _reached(policy: ResourcePolicy, selection: UnitSelection | None) -> int:
    """How many units were looked at."""
    if selection is None:
        return 0
    if selection.unit is not None:
        return selection.unit + 1
    return len(policy.units) if selection.waits is None else selection.waits.unit + 1
