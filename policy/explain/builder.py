"""From a decision to an explanation of each unit (O10).

It reads what the decision recorded: it decides nothing and repeats no rule.
"""

import math
from collections.abc import Iterator

from policy.api.objects import Pod
from policy.api.quantity import format_quantity
from policy.api.resourcepolicy import Unit
from policy.api.selectors import spelled
from policy.explain.decision_record import DecisionRecord, UnitCounts
from policy.explain.messages import again, conclusion, passed_by, rule_of, untried, why
from policy.explain.types import Amount, Explanation, UnitExplanation, UnitOutcome
from policy.scheduling.reasons import Reason, Refusal
from policy.scheduling.unit_selection import UnitSelection

__all__ = ["describe", "explain"]


def explain(taken: DecisionRecord, since: float | None = None, times: int = 1) -> Explanation:
    """Tell a decision, the last of `times` in a row, since then, that said the same."""
    policy = taken.policy
    refusal = _refusal(taken)
    return Explanation(
        verb=taken.verb,
        namespace=taken.pod.namespace,
        pod=taken.pod.name,
        uid=taken.pod.uid,
        policy=policy.key,
        group=dict(zip(policy.match_label_keys, taken.group, strict=False)),
        at=taken.at,
        since=taken.at if since is None else since,
        times=times,
        asked=taken.asked,
        kept=taken.kept,
        unit=taken.unit,
        rule=rule_of(refusal) if refusal else ("O1" if taken.unit is not None else "U6"),
        reason=refusal.reason if refusal else None,
        why=conclusion(taken, refusal),
        retry_at=None if math.isinf(taken.retry_at) else taken.retry_at,
        again=again(taken, refusal),
        units=tuple(_verdicts(taken)),
    )


def describe(unit: Unit) -> str:
    """A unit in a few words: `ecs pool=own`."""
    return f"{unit.resource} {spelled(unit.node_selector)}".rstrip()


def _refusal(taken: DecisionRecord) -> Refusal | None:
    """What keeps the pod; of several units that are closed to it, the first."""
    if taken.kept:
        return None
    if taken.waits is not None:
        return taken.waits
    full = taken.walk.full if taken.walk else {}
    return next(iter(full.values()), Refusal(Reason.OUTSIDE_UNITS, taken.policy))


def _verdicts(taken: DecisionRecord) -> Iterator[UnitExplanation]:
    for index, unit in enumerate(taken.policy.units):
        what = describe(unit)
        kept_for = untried(taken.waits, index)
        if taken.waits is not None and kept_for:
            reason, rule = taken.waits.reason, rule_of(taken.waits)
            yield UnitExplanation(index, what, UnitOutcome.WAITING, rule, reason, kept_for)
        elif index >= len(taken.tallies) or taken.walk is None:
            yield UnitExplanation(index, what, UnitOutcome.NOT_REACHED)
        else:
            yield _verdict(taken, taken.walk, index, what)


def _verdict(taken: DecisionRecord, walk: UnitSelection, index: int, what: str) -> UnitExplanation:
    """A unit that was looked at."""
    unit, tally = taken.policy.units[index], taken.tallies[index]
    state, refusal = _state(walk, index)
    amounts = tuple(_amounts(taken.pod, unit, tally))
    unrefused = "O1" if state is UnitOutcome.USED else passed_by(taken.policy)
    return UnitExplanation(
        unit=index,
        what=what,
        state=state,
        rule=rule_of(refusal) if refusal else unrefused,
        reason=refusal.reason if refusal else None,
        why=why(taken, state, refusal, tally, amounts),
        nodes=tally.nodes,
        pods=tally.pods,
        max=unit.max,
        amounts=amounts,
    )


def _state(walk: UnitSelection, index: int) -> tuple[UnitOutcome, Refusal | None]:
    if walk.unit == index:
        return UnitOutcome.USED, None
    if walk.waits is not None and walk.waits.unit == index:
        return UnitOutcome.WAITING, walk.waits
    if index in walk.full:
        return UnitOutcome.EXHAUSTED, walk.full[index]
    return UnitOutcome.NO_ROOM, None


def _amounts(pod: Pod, unit: Unit, tally: UnitCounts) -> Iterator[Amount]:
    for name, limit in unit.max_resources.items():
        amounts = (tally.requests[name], pod.requests.get(name, 0), limit)
        yield Amount(name, *map(format_quantity, amounts))
