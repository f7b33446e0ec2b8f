"""What an explanation says of each unit after a decision: state, rule, message and numbers (O10)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given

from extender.decision_codec import decode_explanations, encode_explanations
from policy.api.objects import Node, Pod
from policy.api.options import OutsideUnits
from policy.api.resourcepolicy import NextUnits, PreemptPolicy, ResourcePolicy
from policy.explain.builder import explain
from policy.explain.types import Explanation, UnitOutcome
from policy.scheduling.decision_record import DecisionRecord, Verb, record_filter, record_preempt
from policy.scheduling.filter import FilterDecision, decide, refuse
from policy.scheduling.pod_history import PodHistory
from policy.scheduling.preempt import decide as decide_preemption
from policy.scheduling.refusals import Reason, Refusal
from policy.scheduling.snapshot import Snapshot
from tests.builders import NOW, a_node, a_pod, a_policy, a_snapshot, a_unit
from tests.unit.policy.random_clusters import World, worlds

GPU = "nvidia.com/gpu"
DC, CLOUD = a_node("dc-1", "dc"), a_node("cloud-1", "cloud")
WAITS = NextUnits.TIMEOUT_OR_EXCEED_MAX
DC_1 = a_unit("dc", max=1)


@dataclass(frozen=True)
class Row:
    """A question, and what is said of it."""

    policy: ResourcePolicy
    states: tuple[UnitOutcome, ...]
    rules: tuple[str, ...]
    why: str
    """Part of what is said of the first unit."""
    concluded: str = "It was sent to units[1]"
    reason: Reason | None = None
    pods: tuple[Pod, ...] = ()
    candidates: tuple[str, ...] = ("dc-1", "cloud-1")
    pod: Pod = field(default_factory=lambda: a_pod(requests={GPU: "1"}))
    nodes: tuple[Node, ...] = (DC, CLOUD)
    histories: Mapping[str, PodHistory] = field(default_factory=dict)
    outside: OutsideUnits = OutsideUnits.NEVER

    def explained(self) -> Explanation:
        view = a_snapshot(self.policy, nodes=self.nodes, pods=self.pods, histories=self.histories)
        decision = decide(self.pod, self.candidates, self.policy, view, NOW, self.outside)
        return explained(self.pod, len(self.candidates), self.policy, decision, view)


def explained(
    pod: Pod, asked: int, policy: ResourcePolicy, decision: FilterDecision, view: Snapshot
) -> Explanation:
    return explain(record_filter(pod, asked, policy, decision, view, NOW))


USED, FULL, NO_ROOM = UnitOutcome.USED, UnitOutcome.EXHAUSTED, UnitOutcome.NO_ROOM
WAITING, NOT_REACHED = UnitOutcome.WAITING, UnitOutcome.NOT_REACHED
THERE = a_pod("there", on="dc-1", requests={GPU: "2"})
HELD = "It is refused: it waits in units[0], and no later unit is used meanwhile."
NOWHERE = "It is refused: no unit of ResourcePolicy policy can take it"

ROWS = [
    pytest.param(
        Row(
            a_policy(),
            (USED, NOT_REACHED),
            ("O1", ""),
            "room on 1 of its 1 node(s)",
            "It was sent to units[0]",
        ),
        id="O1: the first unit with room is used, and the later one is not looked at",
    ),
    pytest.param(
        Row(
            a_policy(DC_1, a_unit("cloud")),
            (FULL, USED),
            ("O2", "O1"),
            "full: 1 of max 1 pod(s)",
            pods=(THERE,),
        ),
        id="O2: a unit at its max",
    ),
    pytest.param(
        Row(
            a_policy(a_unit("dc", max_resources={GPU: "2"}), a_unit("cloud")),
            (FULL, USED),
            ("O2", "O1"),
            "maxResources: of nvidia.com/gpu 2 used + 1 requested is more than the limit 2",
            pods=(THERE,),
        ),
        id="O2: a unit whose maxResources leave too little",
    ),
    pytest.param(
        Row(
            a_policy(),
            (NO_ROOM, USED),
            ("O3", "O1"),
            "room on none of its 1 node(s)",
            candidates=("cloud-1",),
        ),
        id="O3: a unit without room",
    ),
    pytest.param(
        Row(
            a_policy(),
            (NO_ROOM, USED),
            ("O3", "O1"),
            "it has no node",
            nodes=(CLOUD,),
            candidates=("cloud-1",),
        ),
        id="O3: a unit without nodes",
    ),
    pytest.param(
        Row(
            a_policy(DC_1, a_unit("cloud"), mode=NextUnits.EXCEED_MAX),
            (WAITING, NOT_REACHED),
            ("O4", ""),
            "below its cap ExceedMax waits for room, without limit",
            HELD,
            Reason.WAITING_FOR_ROOM,
            candidates=("cloud-1",),
        ),
        id="O4: ExceedMax waits",
    ),
    pytest.param(
        Row(
            a_policy(DC_1, a_unit("cloud"), mode=WAITS),
            (WAITING, NOT_REACHED),
            ("O5", ""),
            "waits up to 15m for room here before the next unit",
            HELD,
            Reason.WAITING_FOR_TIMEOUT,
            candidates=("cloud-1",),
        ),
        id="O5: TimeoutOrExceedMax waits",
    ),
    pytest.param(
        Row(
            a_policy(DC_1, a_unit("cloud"), mode=NextUnits.TIMEOUT),
            (WAITING, NOT_REACHED),
            ("O7", ""),
            "waits up to 15m",
            HELD,
            Reason.WAITING_FOR_TIMEOUT,
            pods=(THERE,),
        ),
        id="O7: Timeout waits in a full unit, too",
    ),
    pytest.param(
        Row(
            a_policy(mode=NextUnits.LACK_RESOURCE_AND_NO_TERMINATING),
            (WAITING, NOT_REACHED),
            ("O6", ""),
            "pods are terminating here",
            HELD,
            Reason.WAITING_FOR_TERMINATING,
            pods=(a_pod("leaving", on="dc-1", terminating=True),),
            candidates=("cloud-1",),
        ),
        id="O6: a wait for pods that leave",
    ),
    pytest.param(
        Row(
            a_policy(preempt_policy=PreemptPolicy.BEFORE_NEXT_UNIT),
            (WAITING, NOT_REACHED),
            ("P1", ""),
            "preempting pods of lower priority here comes before the next unit",
            HELD,
            Reason.WAITING_FOR_PREEMPTION,
            pods=(THERE,),
            candidates=("cloud-1",),
            pod=a_pod(requests={GPU: "1"}, priority=9),
            nodes=(a_node("dc-1", "dc", allocatable={GPU: "2"}), CLOUD),
        ),
        id="P1: preemption comes first",
    ),
    pytest.param(
        Row(
            a_policy(DC_1, a_unit("cloud", max=0)),
            (FULL, FULL),
            ("O2", "O2"),
            "full: 1 of max 1",
            NOWHERE,
            Reason.MAX_REACHED,
            pods=(THERE,),
        ),
        id="O2: every unit is full",
    ),
    pytest.param(
        Row(a_policy(a_unit("gone")), (NO_ROOM,), ("O3",), "it has no node", NOWHERE, Reason.OUTSIDE_UNITS),
        id="U6: nothing but nodes in no unit",
    ),
    pytest.param(
        Row(
            a_policy(a_unit("gone")),
            (NO_ROOM,),
            ("O3",),
            "it has no node",
            "it may use nodes in no unit, as outside_units is last",
            outside=OutsideUnits.LAST,
        ),
        id="U6: nodes in no unit, where the setting allows it",
    ),
    pytest.param(
        Row(
            a_policy(match_label_keys=("rev",)),
            (NOT_REACHED, NOT_REACHED),
            ("", ""),
            "",
            "it lacks the label rev, which matchLabelKeys of ResourcePolicy policy counts by",
            Reason.LABEL_MISSING,
        ),
        id="C2: a label is missing",
    ),
    pytest.param(
        Row(
            a_policy(),
            (WAITING, NOT_REACHED),
            ("O1", ""),
            "comes before the unit of the nominated node, and may have room",
            "units[0] comes first and may have room",
            Reason.EARLIER_UNIT_FIRST,
            candidates=("cloud-1",),
            pod=a_pod(nominated_node="cloud-1"),
        ),
        id="O1: a nominated node of a later unit",
    ),
]


@pytest.mark.parametrize("row", ROWS)
def test_each_unit_has_its_verdict_rule_and_sentence(row: Row) -> None:
    told = row.explained()
    assert tuple(verdict.state for verdict in told.units) == row.states
    assert tuple(verdict.rule for verdict in told.units) == row.rules
    assert row.why in told.units[0].why
    assert bool(told.units[0].why) == bool(row.why)
    assert row.concluded in told.why
    assert told.reason == row.reason


def test_a_refused_conflict_is_told_with_what_to_do() -> None:
    """M4."""
    policy, view = a_policy(), a_snapshot(a_policy())
    told = explained(a_pod(), 2, policy, refuse(["a", "b"], Refusal(Reason.CONFLICT, policy)), view)
    assert (told.rule, told.reason) == ("M4", Reason.CONFLICT)
    assert "Make the selectors exclude each other." in told.why


def test_a_pod_held_back_after_a_start_is_told_what_for() -> None:
    """C7."""
    policy, view = a_policy(), a_snapshot(a_policy())
    refusal = Refusal(Reason.WAITING_FOR_BINDINGS, policy, 1)
    told = explained(a_pod(), 2, policy, refuse(["a", "b"], refusal), view)
    assert (told.rule, told.reason) == ("C7", Reason.WAITING_FOR_BINDINGS)
    assert "may be on their way to units[1]" in told.why
    assert [verdict.state for verdict in told.units] == [NOT_REACHED, WAITING]


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_has_a_rule_and_says_what_to_wait_for(reason: Reason) -> None:
    policy, view = a_policy(a_unit("dc", max=0)), a_snapshot(a_policy())
    told = explained(a_pod(), 1, policy, refuse(["a"], Refusal(reason, policy)), view)
    assert told.rule
    assert told.why.endswith(".")
    assert told.again


def test_the_numbers_are_those_of_the_decision() -> None:
    """O2, C2: of the pod's own group, the pod itself aside, and only of units that were looked at."""
    policy = a_policy(
        a_unit("dc", max=3, max_resources={GPU: "8", "cpu": "1"}), a_unit("cloud"), match_label_keys=("rev",)
    )
    pods = [
        a_pod("one", on="dc-1", labels={"rev": "1"}, requests={GPU: "2"}),
        a_pod("two", on="dc-1", labels={"rev": "2"}, requests={GPU: "2"}),
    ]
    view = a_snapshot(policy, nodes=[DC, CLOUD], pods=pods)
    pod = a_pod(labels={"rev": "1"}, requests={GPU: "4", "cpu": "500m"})
    told = explained(pod, 2, policy, decide(pod, ["dc-1", "cloud-1"], policy, view, NOW), view)
    first, second = told.units
    assert told.group == {"rev": "1"}
    assert (first.what, first.nodes, first.pods, first.max) == ("ecs pool=dc", 1, 1, 3)
    assert [(a.resource, a.used, a.requested, a.limit) for a in first.amounts] == [
        (GPU, "2", "4", "8"),
        ("cpu", "0", "500m", "1"),
    ]
    assert (second.nodes, second.pods) == (None, None)


def test_a_preemption_is_told_as_one() -> None:
    """P2."""
    policy = a_policy()
    view = a_snapshot(policy, nodes=[DC, CLOUD], pods=[THERE])
    pod = a_pod(priority=9)
    choice = decide_preemption(pod, {"dc-1": ["there"]}, policy, view, NOW)
    told = explain(record_preempt(pod, 1, policy, choice, view, NOW))
    assert (told.verb, told.unit, told.kept) == (Verb.PREEMPT, 0, 1)
    assert told.units[0].why == "preempting helps on 1 of its 1 node(s)"
    nowhere = decide_preemption(pod, {}, policy, view, NOW)
    told = explain(record_preempt(pod, 1, policy, nowhere, view, NOW))
    assert told.why == "In no unit does preempting help."
    assert told.units[0].why == "preempting helps on none of its 1 node(s)"
    kept = a_snapshot(policy, nodes=[DC, CLOUD], histories={pod.uid: PodHistory(withheld_unit=1)})
    choice = decide_preemption(pod, {"cloud-1": ["there"]}, policy, kept, NOW)
    told = explain(record_preempt(pod, 1, policy, choice, kept, NOW))
    assert told.why == "It waits in units[0], and nobody leaves for it in a later unit meanwhile."


def test_a_decision_repeats_another_that_differs_in_numbers_only() -> None:
    policy = a_policy(DC_1, a_unit("cloud", max=0))

    def taken(*pods: Pod, now: float = NOW) -> DecisionRecord:
        view = a_snapshot(policy, nodes=[DC, CLOUD], pods=pods)
        decision = decide(a_pod(), ["dc-1", "cloud-1"], policy, view, now)
        return record_filter(a_pod(), 2, policy, decision, view, now)

    full = taken(THERE)
    assert taken(THERE, a_pod("more", on="dc-1"), now=NOW + 5).repeats(full)
    assert not taken().repeats(full)


@given(worlds())
def test_in_every_world_the_verdicts_are_those_of_the_decision(world: World) -> None:
    """One unit at most is used, or one waited in, and it is the decision's; none after it was looked at."""
    view = world.snapshot
    decision = decide(world.asking, world.room, world.policy, view, NOW, world.outside)
    told = explained(world.asking, len(world.room), world.policy, decision, view)
    states = [verdict.state for verdict in told.units]
    assert [i for i, state in enumerate(states) if state is USED] == (
        [] if decision.unit is None else [decision.unit]
    )
    waits = None if told.reason is Reason.LABEL_MISSING else decision.waits
    assert [i for i, state in enumerate(states) if state is WAITING] == (
        [] if waits is None else [waits.unit]
    )
    looked_at = [state is not NOT_REACHED for state in states]
    assert looked_at == sorted(looked_at, reverse=True)
    assert (told.reason is None) == bool(decision.nodes)
    assert all(bool(verdict.why) == (verdict.state is not NOT_REACHED) for verdict in told.units)
    assert decode_explanations(encode_explanations([told])) == [told]
