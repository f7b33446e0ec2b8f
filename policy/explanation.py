"""What a decision said of each unit, with the numbers it was made on (O10).

Owns how a walk that was made is read: the verdict per unit, its rule, its sentence. It decides nothing and
must not know where decisions are kept or how they are shown. Everything in an `Explanation` is plain, as it
goes over the wire; a `Taken` holds references, so that making one costs a decision next to nothing.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from policy.duration import format_duration
from policy.filter import Decision
from policy.objects import Pod
from policy.preempt import Choice
from policy.quantity import format_quantity
from policy.reasons import Reason, Refusal
from policy.resourcepolicy import NextUnits, ResourcePolicy, Unit
from policy.snapshot import View
from policy.units import Walk
from policy.usage import Group

__all__ = [
    "Amount",
    "Explanation",
    "State",
    "Taken",
    "Verb",
    "Verdict",
    "describe",
    "explain",
    "rule_of",
    "taken_filter",
    "taken_preempt",
]


class Verb(StrEnum):
    """What kube-scheduler asked."""

    FILTER = "filter"
    PREEMPT = "preempt"


class State(StrEnum):
    """What a unit was to the pod."""

    USED = "used"
    EXHAUSTED = "exhausted"
    """A cap is reached (O2)."""
    NO_ROOM = "no room"
    """No node that kube-scheduler asked about lies in it."""
    WAITING = "waiting"
    """The pod is kept here, and from every later unit."""
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True)
class Amount:
    """One resource that `maxResources` names, in Kubernetes' spelling."""

    resource: str
    used: str
    requested: str
    limit: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One unit. What the unit holds is told without the pod itself, and only if the unit was looked at."""

    unit: int
    what: str
    state: State
    rule: str = ""
    reason: Reason | None = None
    why: str = ""
    nodes: int | None = None
    pods: int | None = None
    max: int | None = None
    amounts: tuple[Amount, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """One decision, told."""

    verb: Verb
    namespace: str
    pod: str
    uid: str
    policy: str
    group: Mapping[str, str]
    """The labels of `matchLabelKeys` that say which pods are counted with this one (C2)."""
    at: float
    since: float
    """Of the first of the decisions in a row that said the same."""
    times: int
    asked: int
    """How many nodes kube-scheduler asked about."""
    kept: int
    unit: int | None
    rule: str
    reason: Reason | None
    why: str
    retry_at: float | None
    """When a timer lets it go on."""
    units: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class _Tally:
    """What a unit held at the time, the asking pod aside."""

    nodes: int
    pods: int
    requests: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Taken:
    """A decision as it was made."""

    verb: Verb
    at: float
    pod: Pod
    policy: ResourcePolicy
    group: Group
    asked: int
    kept: int
    unit: int | None
    walk: Walk | None
    """None: it ended before the first unit was looked at."""
    waits: Refusal | None
    retry_at: float
    tallies: Sequence[_Tally]
    """Of the units that were looked at."""

    def repeats(self, other: "Taken") -> bool:
        """Whether it says the same, so that one of the two is enough to keep."""
        return _gist(self) == _gist(other)


def _gist(taken: Taken) -> tuple[object, ...]:
    full = taken.walk.full.values() if taken.walk else ()
    passed = [(refusal.unit, refusal.reason) for refusal in full]
    waits = taken.waits and (taken.waits.unit, taken.waits.reason)
    return taken.verb, taken.policy.key, taken.unit, taken.kept > 0, waits, passed


def taken_filter(
    pod: Pod, asked: int, policy: ResourcePolicy, decision: Decision, view: View, now: float
) -> Taken:
    """Keep what filter decided."""
    return Taken(
        Verb.FILTER,
        now,
        pod,
        policy,
        decision.group,
        asked,
        len(decision.nodes),
        decision.unit,
        decision.walk,
        decision.waits,
        decision.retry_at,
        _tallies(pod, policy, decision.group, decision.walk, view),
    )


def taken_preempt(
    pod: Pod, asked: int, policy: ResourcePolicy, choice: Choice, view: View, now: float
) -> Taken:
    """Keep what preempt decided."""
    return Taken(
        Verb.PREEMPT,
        now,
        pod,
        policy,
        choice.group,
        asked,
        len(choice.nodes),
        choice.unit,
        choice.walk,
        choice.walk.waits if choice.walk else None,
        choice.walk.retry_at if choice.walk else math.inf,
        _tallies(pod, policy, choice.group, choice.walk, view),
    )


def _tallies(
    pod: Pod, policy: ResourcePolicy, group: Group, walk: Walk | None, view: View
) -> Sequence[_Tally]:
    found = []
    for index in range(_reached(policy, walk)):
        usage = view.usage(policy, index, group, but=pod.uid)
        # The view's own counts go on changing.
        requests = {name: usage.requests.get(name, 0) for name in policy.units[index].max_resources}
        found.append(_Tally(len(view.nodes_in(policy, index)), usage.pods, requests))
    return found


def _reached(policy: ResourcePolicy, walk: Walk | None) -> int:
    """How many units were looked at."""
    if walk is None:
        return 0
    if walk.unit is not None:
        return walk.unit + 1
    return len(policy.units) if walk.waits is None else walk.waits.unit + 1


def explain(taken: Taken, since: float | None = None, times: int = 1) -> Explanation:
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
        why=_conclusion(taken, refusal),
        retry_at=None if math.isinf(taken.retry_at) else taken.retry_at,
        units=tuple(_verdicts(taken)),
    )


def describe(unit: Unit) -> str:
    """A unit in a few words: `ecs pool=own`."""
    pairs = ",".join(f"{key}={value}" for key, value in unit.node_selector.items())
    return f"{unit.resource} {pairs}".rstrip()


_RULES = {
    Reason.MAX_REACHED: "O2",
    Reason.MAX_RESOURCES_REACHED: "O2",
    Reason.WAITING_FOR_ROOM: "O4",
    Reason.WAITING_FOR_TERMINATING: "O6",
    Reason.WAITING_FOR_PREEMPTION: "P1",
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
"""The rule by which a unit without room is left behind."""


def rule_of(refusal: Refusal) -> str:
    """The id of the rule in docs/rules.md that says no."""
    # Of the two modes with a timer each has its own rule.
    return _RULES.get(refusal.reason) or _OVERFLOWS[refusal.policy.when_try_next_units.policy]


def _refusal(taken: Taken) -> Refusal | None:
    """What keeps the pod; of several units that are closed to it, the first."""
    if taken.kept:
        return None
    if taken.waits is not None:
        return taken.waits
    full = taken.walk.full if taken.walk else {}
    return next(iter(full.values()), Refusal(Reason.OUTSIDE_UNITS, taken.policy))


def _verdicts(taken: Taken) -> Iterator[Verdict]:
    for index, unit in enumerate(taken.policy.units):
        what = describe(unit)
        if index >= len(taken.tallies) or taken.walk is None:
            yield Verdict(index, what, State.NOT_REACHED)
        else:
            yield _verdict(taken, taken.walk, index, what)


def _verdict(taken: Taken, walk: Walk, index: int, what: str) -> Verdict:
    """A unit that was looked at."""
    unit, tally = taken.policy.units[index], taken.tallies[index]
    state, refusal = _state(walk, index)
    amounts = tuple(_amounts(taken.pod, unit, tally))
    passed = _OVERFLOWS[taken.policy.when_try_next_units.policy]
    rule = rule_of(refusal) if refusal else ("O1" if state is State.USED else passed)
    return Verdict(
        unit=index,
        what=what,
        state=state,
        rule=rule,
        reason=refusal.reason if refusal else None,
        why=_why(taken, state, refusal, tally, amounts),
        nodes=tally.nodes,
        pods=tally.pods,
        max=unit.max,
        amounts=amounts,
    )


def _state(walk: Walk, index: int) -> tuple[State, Refusal | None]:
    if walk.unit == index:
        return State.USED, None
    if walk.waits is not None and walk.waits.unit == index:
        return State.WAITING, walk.waits
    if index in walk.full:
        return State.EXHAUSTED, walk.full[index]
    return State.NO_ROOM, None


def _amounts(pod: Pod, unit: Unit, tally: _Tally) -> Iterator[Amount]:
    for name, limit in unit.max_resources.items():
        amounts = (tally.requests[name], pod.requests.get(name, 0), limit)
        yield Amount(name, *map(format_quantity, amounts))


def _why(
    taken: Taken, state: State, refusal: Refusal | None, tally: _Tally, amounts: tuple[Amount, ...]
) -> str:
    if refusal is None:
        return _without_refusal(taken, state, tally)
    if refusal.reason is Reason.MAX_REACHED:
        return f"full: {tally.pods} of max {refusal.policy.units[refusal.unit].max} pod(s)"
    if refusal.reason is Reason.MAX_RESOURCES_REACHED:
        over = next(amount for amount in amounts if amount.resource == refusal.named)
        total = f"{over.used} used + {over.requested} requested"
        return f"maxResources: of {over.resource} {total} is more than the limit {over.limit}"
    return _WAITS[refusal.reason].format(
        timeout=format_duration(taken.policy.when_try_next_units.timeout),
        room=_without_refusal(taken, State.NO_ROOM, tally),
    )


def _without_refusal(taken: Taken, state: State, tally: _Tally) -> str:
    preempting = taken.verb is Verb.PREEMPT
    if state is State.USED:
        what = "preempting helps on" if preempting else "room on"
        return f"{what} {taken.kept} of its {tally.nodes} node(s)"
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


def _conclusion(taken: Taken, refusal: Refusal | None) -> str:
    if refusal is not None:
        return _refused(taken, refusal)
    if taken.unit is None:
        return "No unit can take it: it may use nodes in no unit, as outside_units is last."
    if taken.verb is Verb.PREEMPT:
        return f"Preempting pods of lower priority was allowed in units[{taken.unit}]."
    return f"It was sent to units[{taken.unit}], the first that may take it."


def _refused(taken: Taken, refusal: Refusal) -> str:
    name = f"ResourcePolicy {refusal.policy.name}"
    if taken.verb is Verb.PREEMPT:
        return "In no unit does preempting help."
    match refusal.reason:
        case Reason.LABEL_MISSING:
            return (
                f"It is refused: it lacks the label {refusal.named}, which matchLabelKeys of {name} counts "
                "by. Write the label into the pod template, or take the key out of the policy."
            )
        case Reason.CONFLICT:
            return (
                f"It is refused: {name} and another ResourcePolicy both match it, and the setting "
                "on_conflict is reject. Make the selectors exclude each other."
            )
        case Reason.EARLIER_UNIT_FIRST:
            return (
                f"Its nominated node alone was refused: units[{refusal.unit}] comes first and may have "
                "room. kube-scheduler asks about every node next."
            )
        case Reason.MAX_REACHED | Reason.MAX_RESOURCES_REACHED | Reason.OUTSIDE_UNITS:
            return f"It is refused: no unit of {name} can take it, and nodes in no unit are not used."
    return f"It is refused: it waits in units[{refusal.unit}], and no later unit is used meanwhile."
