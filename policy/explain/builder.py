"""From a decision to an explanation of each unit (O10).

It reads what the decision recorded: it decides nothing and repeats no rule.
"""

import math
from collections.abc import Iterator

from policy.api.objects import Pod
from policy.api.quantity import format_quantity
from policy.api.resourcepolicy import Unit
from policy.api.selectors import spelled
from policy.explain.sentences import again, conclusion, passed_by, rule_of, untried, why
from policy.explain.types import Amount, Explanation, UnitExplanation, UnitOutcome
from policy.scheduling.decision_record import DecisionRecord, UnitCounts
from policy.scheduling.refusals import Reason, Refusal
from policy.scheduling.unit_selection import UnitSelection

__all__ = ["describe", "explain"]


def explain(record: DecisionRecord, since: float | None = None, times: int = 1) -> Explanation:
    """Tell a decision, the last of `times` in a row, since then, that said the same."""
    policy = record.policy
    refusal = _refusal(record)
    return Explanation(
        verb=record.verb,
        namespace=record.pod.namespace,
        pod=record.pod.name,
        uid=record.pod.uid,
        policy=policy.key,
        group=dict(zip(policy.match_label_keys, record.group, strict=False)),
        at=record.at,
        since=record.at if since is None else since,
        times=times,
        asked=record.asked,
        kept=record.kept,
        unit=record.unit,
        rule=rule_of(refusal) if refusal else ("O1" if record.unit is not None else "U6"),
        reason=refusal.reason if refusal else None,
        why=conclusion(record, refusal),
        retry_at=None if math.isinf(record.retry_at) else record.retry_at,
        again=again(record, refusal),
        units=tuple(_unit_explanations(record)),
    )


def describe(unit: Unit) -> str:
    """A unit in a few words: `ecs pool=own`."""
    return f"{unit.resource} {spelled(unit.node_selector)}".rstrip()


def _refusal(record: DecisionRecord) -> Refusal | None:
    """What keeps the pod; of several units that are closed to it, the first."""
    if record.kept:
        return None
    if record.waits is not None:
        return record.waits
    full = record.selection.full if record.selection else {}
    return next(iter(full.values()), Refusal(Reason.OUTSIDE_UNITS, record.policy))


def _unit_explanations(record: DecisionRecord) -> Iterator[UnitExplanation]:
    for index, unit in enumerate(record.policy.units):
        what = describe(unit)
        kept_for = untried(record.waits, index)
        if record.waits is not None and kept_for:
            reason, rule = record.waits.reason, rule_of(record.waits)
            yield UnitExplanation(index, what, UnitOutcome.WAITING, rule, reason, kept_for)
        elif index >= len(record.tallies) or record.selection is None:
            yield UnitExplanation(index, what, UnitOutcome.NOT_REACHED)
        else:
            yield _unit_explanation(record, record.selection, index, what)


def _unit_explanation(
    record: DecisionRecord, selection: UnitSelection, index: int, what: str
) -> UnitExplanation:
    """A unit that was looked at."""
    unit, tally = record.policy.units[index], record.tallies[index]
    state, refusal = _state(selection, index)
    amounts = tuple(_amounts(record.pod, unit, tally))
    unrefused = "O1" if state is UnitOutcome.USED else passed_by(record.policy)
    return UnitExplanation(
        unit=index,
        what=what,
        state=state,
        rule=rule_of(refusal) if refusal else unrefused,
        reason=refusal.reason if refusal else None,
        why=why(record, state, refusal, tally, amounts),
        nodes=tally.nodes,
        pods=tally.pods,
        max=unit.max,
        amounts=amounts,
    )


def _state(selection: UnitSelection, index: int) -> tuple[UnitOutcome, Refusal | None]:
    if selection.unit == index:
        return UnitOutcome.USED, None
    if selection.waits is not None and selection.waits.unit == index:
        return UnitOutcome.WAITING, selection.waits
    if index in selection.full:
        return UnitOutcome.EXHAUSTED, selection.full[index]
    return UnitOutcome.NO_ROOM, None


def _amounts(pod: Pod, unit: Unit, tally: UnitCounts) -> Iterator[Amount]:
    for name, limit in unit.max_resources.items():
        amounts = (tally.requests[name], pod.requests.get(name, 0), limit)
        yield Amount(name, *map(format_quantity, amounts))
