"""A decision as it was made, with what its units held at that moment.

Owns what is taken down, by reference, so that it costs a decision next to nothing; must not know what is said
of it, nor where it is kept.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policy.filter import Decision
from policy.objects import Pod
from policy.preempt import Choice
from policy.reasons import Refusal
from policy.resourcepolicy import ResourcePolicy
from policy.snapshot import View
from policy.units import Walk
from policy.usage import Group
from policy.verdict import Verb

__all__ = ["Taken", "Tally", "taken_filter", "taken_preempt"]


@dataclass(frozen=True, slots=True)
class Tally:
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
    tallies: Sequence[Tally]
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
) -> Sequence[Tally]:
    found = []
    for index in range(_reached(policy, walk)):
        usage = view.usage(policy, index, group, but=pod.uid)
        # The view's own counts go on changing.
        requests = {name: usage.requests.get(name, 0) for name in policy.units[index].max_resources}
        found.append(Tally(len(view.nodes_in(policy, index)), usage.pods, requests))
    return found


def _reached(policy: ResourcePolicy, walk: Walk | None) -> int:
    """How many units were looked at."""
    if walk is None:
        return 0
    if walk.unit is not None:
        return walk.unit + 1
    return len(policy.units) if walk.waits is None else walk.waits.unit + 1
