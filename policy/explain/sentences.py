"""Messages that explain a decision about one pod, and the rules behind them.

Unlike those of `policy.scheduling.refusals`, which kube-scheduler compares, they contain the numbers of the
moment.
"""

from policy.api.duration import format_duration
from policy.api.resourcepolicy import NextUnits, ResourcePolicy
from policy.explain.types import Amount, UnitOutcome
from policy.scheduling.decision_record import DecisionRecord, UnitCounts, Verb
from policy.scheduling.refusals import Reason, Refusal

__all__ = ["again", "conclusion", "passed_by", "rule_of", "untried", "why"]

_RULES = {
    Reason.MAX_REACHED: "O2",
    Reason.MAX_RESOURCES_REACHED: "O2",
    Reason.WAITING_FOR_ROOM: "O4",
    Reason.WAITING_FOR_TERMINATING: "O6",
    Reason.WAITING_FOR_PREEMPTION: "P1",
    Reason.WAITING_FOR_BINDINGS: "C7",
    Reason.EARLIER_UNIT_FIRST: "O1",
    Reason.OUTSIDE_UNITS: "U6",
    Reason.LABEL_MISSING: "C2",
    Reason.CONFLICT: "M4",
}
_OVERFLOWS = {
    NextUnits.LACK_RESOURCE_OR_EXCEED_MAX: "O3",
    NextUnits.EXCEED_MAX: "O4",
    NextUnits.TIMEOUT_OR_EXCEED_MAX: "O5",
    NextUnits.LACK_RESOURCE_AND_NO_TERMINATING: "O6",
    NextUnits.TIMEOUT: "O7",
}


def passed_by(policy: ResourcePolicy) -> str:
    """The id of the rule by which a unit without room is left behind."""
    return _OVERFLOWS[policy.when_try_next_units.policy]


def rule_of(refusal: Refusal) -> str:
    """The id of the rule in docs/rules.md that says no."""
    # Of the two modes with a timer each has its own rule.
    return _RULES.get(refusal.reason) or passed_by(refusal.policy)


def why(
    record: DecisionRecord,
    state: UnitOutcome,
    refusal: Refusal | None,
    tally: UnitCounts,
    amounts: tuple[Amount, ...],
) -> str:
    """Of a unit that was looked at, with its numbers."""
    if refusal is None:
        return _without_refusal(record, state, tally)
    if refusal.reason is Reason.MAX_REACHED:
        return f"full: {tally.pods} of max {refusal.policy.units[refusal.unit].max} pod(s)"
    if refusal.reason is Reason.MAX_RESOURCES_REACHED:
        over = next(amount for amount in amounts if amount.resource == refusal.named)
        total = f"{over.used} used + {over.requested} requested"
        return f"maxResources: of {over.resource} {total} is more than the limit {over.limit}"
    return _WAITS[refusal.reason].format(
        timeout=format_duration(record.policy.when_try_next_units.timeout),
        room=_without_refusal(record, UnitOutcome.NO_ROOM, tally),
    )


def _without_refusal(record: DecisionRecord, state: UnitOutcome, tally: UnitCounts) -> str:
    preempting = record.verb is Verb.PREEMPT
    if state is UnitOutcome.USED:
        what = "preempting helps on" if preempting else "room on"
        return f"{what} {record.kept} of its {tally.nodes} node(s)"
    if not tally.nodes:
        return "it has no node"
    if preempting:
        return f"preempting helps on none of its {tally.nodes} node(s)"
    return f"kube-scheduler finds room on none of its {tally.nodes} node(s)"


_WAITS = {
    Reason.WAITING_FOR_ROOM: "{room}; below its cap ExceedMax waits for room, without limit",
    Reason.WAITING_FOR_TIMEOUT: "waits up to {timeout} for room here before the next unit",
    Reason.WAITING_FOR_TERMINATING: "pods are terminating here: waits for the room they leave",
    Reason.WAITING_FOR_PREEMPTION: "preempting pods of lower priority here comes before the next unit",
}
_UNTRIED = {
    Reason.WAITING_FOR_BINDINGS: "pods that the server had not seen yet may be on their way here",
    Reason.EARLIER_UNIT_FIRST: "comes before the unit of the nominated node, and may have room",
}


def untried(refusal: Refusal | None, index: int) -> str:
    """Of a unit that a pod is held back for before any is looked at; empty of the others."""
    return _UNTRIED.get(refusal.reason, "") if refusal is not None and refusal.unit == index else ""


def conclusion(record: DecisionRecord, refusal: Refusal | None) -> str:
    """Of the decision as a whole, and where the user can mend it, how."""
    if refusal is not None:
        return _refused(record, refusal)
    if record.unit is None:
        return "No unit can take it: it may use nodes in no unit, as outside_units is last."
    if record.verb is Verb.PREEMPT:
        return f"Preempting pods of lower priority was allowed in units[{record.unit}]."
    return f"It was sent to units[{record.unit}], the first that may take it."


def _refused(record: DecisionRecord, refusal: Refusal) -> str:
    if record.verb is Verb.PREEMPT:
        if record.waits is None:
            return "In no unit does preempting help."
        return f"It waits in units[{record.waits.unit}], and nobody leaves for it in a later unit meanwhile."
    name = f"ResourcePolicy {refusal.policy.name}"
    sentence = _REFUSED.get(refusal.reason, _WAITING)
    return sentence.format(policy=name, unit=refusal.unit, key=refusal.named)


_WAITING = "It is refused: it waits in units[{unit}], and no later unit is used meanwhile."
_NOWHERE = "It is refused: no unit of {policy} can take it, and it may use no node outside them."
_REFUSED = {
    Reason.MAX_REACHED: _NOWHERE,
    Reason.MAX_RESOURCES_REACHED: _NOWHERE,
    Reason.OUTSIDE_UNITS: _NOWHERE,
    Reason.LABEL_MISSING: "It is refused: it lacks the label {key}, which matchLabelKeys of {policy} counts "
    "by. Write the label into the pod template, or take the key out of the policy.",
    Reason.CONFLICT: "It is refused: {policy} and another ResourcePolicy both match it, and the setting "
    "on_conflict is reject. Make the selectors exclude each other.",
    Reason.WAITING_FOR_BINDINGS: "It is held back: the server had just started, and pods that it has not "
    "seen yet may be on their way to units[{unit}], within its caps.",
    Reason.EARLIER_UNIT_FIRST: "Its nominated node alone was refused: units[{unit}] comes first and may have "
    "room. kube-scheduler asks about every node next.",
}


def again(record: DecisionRecord, refusal: Refusal | None) -> str:
    """When the pod is tried again."""
    if refusal is None:
        return "once the pods that leave for it are gone" if record.verb is Verb.PREEMPT else ""
    return _AGAIN[refusal.reason].format(unit=refusal.unit)


_AGAIN = {
    Reason.MAX_REACHED: "when a slot or room comes free in a unit, or the policy changes",
    Reason.MAX_RESOURCES_REACHED: "when a slot or room comes free in a unit, or the policy changes",
    Reason.WAITING_FOR_ROOM: "when room comes in units[{unit}], or the policy changes",
    Reason.WAITING_FOR_TIMEOUT: "when its timer ends, and before that when room comes in units[{unit}]",
    Reason.WAITING_FOR_TERMINATING: "when the pods that are terminating in units[{unit}] are gone",
    Reason.WAITING_FOR_PREEMPTION: "at once, when kube-scheduler has tried to preempt in units[{unit}]",
    Reason.WAITING_FOR_BINDINGS: "as soon as those pods are seen or asked about",
    Reason.EARLIER_UNIT_FIRST: "at once, with every node",
    Reason.OUTSIDE_UNITS: "when room comes in a unit, or the policy changes",
    Reason.LABEL_MISSING: "when its labels or the policy change",
    Reason.CONFLICT: "when its labels or one of the policies change",
}
