"""Nominated pods and preemption (O1, P1, P2, E7): what was promised is held, and nobody dies in vain."""

import pytest

from policy.api.options import OnConflict
from policy.api.resourcepolicy import PreemptPolicy, ResourcePolicy, Strategy
from policy.scheduling.refusals import Reason
from tests.builders import a_node, a_pod, a_policy, a_unit
from tests.unit.extender.fixtures import (
    ANYWHERE,
    BOTH,
    CAPPED,
    CLOUD,
    DC,
    DC_1,
    GPU,
    ROOM,
    URGENT,
    VICTIM,
    World,
    bound,
    standard,
)

NOMINATED = a_pod("urgent", requests={GPU: "1"}, priority=1000, nominated_node="dc-1")
VICTIMS = {"cloud-1": ["another"], "dc-1": ["victim"]}


def test_a_preempt_answer_holds_a_slot() -> None:
    """P2, P3: in the first unit that helps, though it is full by its victim."""
    world = standard(VICTIM)
    preempted = world.extender.preempt(URGENT, VICTIMS)
    assert preempted is not None
    assert list(preempted.decision.nodes) == ["dc-1"]
    assert world.held == {"urgent": 0}
    world.tell_gone(VICTIM)
    assert world.ask(a_pod("b")) == 1, "the victim's slot is the preemptor's"


def test_a_slot_is_held_where_no_budget_protects_the_victims() -> None:
    """P2, E7."""
    world = standard(VICTIM, bound("another", "cloud-1", requests={GPU: "1"}))
    preempted = world.extender.preempt(URGENT, VICTIMS, protected=["dc-1"])
    assert preempted is not None
    assert list(preempted.decision.nodes) == ["cloud-1"]
    assert world.held == {"urgent": 1}


def test_the_slot_survives_a_refusal_while_the_victims_leave() -> None:
    world = standard(VICTIM, policy=a_policy(DC_1))
    world.extender.preempt(URGENT, VICTIMS)
    assert world.ask(NOMINATED, ["cloud-1"]) == Reason.OUTSIDE_UNITS
    assert world.held == {"urgent": 0}
    world.publish(NOMINATED)
    world.clock.now += 3600
    assert world.ask(NOMINATED, ["cloud-1"]) == Reason.OUTSIDE_UNITS
    assert world.held == {"urgent": 0}, "the nomination is ours, however long the victims take"


def test_the_slot_goes_with_the_nomination() -> None:
    """The scheduler gave the preemption up: a while after the answer nothing names the node."""
    world = standard(VICTIM, policy=a_policy(DC_1))
    world.extender.preempt(URGENT, VICTIMS)
    world.clock.now += 9
    world.ask(URGENT, ["cloud-1"])
    assert world.held == {"urgent": 0}, "the nomination may still be on its way"
    world.clock.now += 1
    world.ask(URGENT, ["cloud-1"])
    assert world.held == {}


@pytest.mark.parametrize(
    ("edit", "held"),
    [
        pytest.param(a_policy(a_unit("dc", max=0)), {}, id="E7: its unit is closed to it"),
        pytest.param(a_policy(a_unit("attic", max=1)), {}, id="E7: its node is in no unit"),
        pytest.param(a_policy(DC_1, generation=2), {"urgent": 0}, id="E7: its unit is as it was"),
    ],
)
def test_a_slot_that_an_edit_made_useless_goes_at_the_next_refusal(
    edit: ResourcePolicy, held: dict[str, int]
) -> None:
    """The scheduler does not end such a nomination: it may stand for ever."""
    world = standard(VICTIM, a_node("dc-2", "dc"), policy=a_policy(DC_1))
    world.extender.preempt(URGENT, VICTIMS)
    world.publish(NOMINATED, edit)
    assert set(world.held) == {"urgent"}, "its victims may be leaving: nothing is known yet"
    assert not isinstance(world.ask(NOMINATED, ["dc-1"]), int)
    assert world.held == held


def test_a_preemption_that_helps_no_unit_holds_nothing() -> None:
    world = standard(bound("bystander", "dc-1"), policy=a_policy(DC_1))
    preempted = world.extender.preempt(URGENT, {"dc-1": ["of-another-policy"]})
    assert preempted is not None
    assert not preempted.decision.nodes
    assert world.held == {}
    assert not world.cache.attempts


def test_nobody_leaves_for_a_pod_that_is_gone() -> None:
    """E7: the scheduler's watch may be behind ours."""
    world = standard(VICTIM)
    world.publish(URGENT)
    world.tell_gone(URGENT)
    preempted = world.extender.preempt(URGENT, VICTIMS)
    assert preempted is not None
    assert not preempted.decision.nodes
    assert world.held == {}


def test_nobody_leaves_for_a_pod_that_two_policies_match() -> None:
    """M4, P2: by the setting filter refuses it everywhere, so the victims would die in vain."""
    younger = a_policy(ANYWHERE, name="younger", created=1500.0)
    world = World(DC, CLOUD, CAPPED, younger, VICTIM, on_conflict=OnConflict.REJECT)
    preempted = world.extender.preempt(URGENT, VICTIMS)
    assert preempted is not None
    assert not preempted.decision.nodes
    assert world.held == {}


def test_our_own_nomination_is_honoured() -> None:
    """O1: the fast path shows one node alone, of a later unit; it was promised."""
    world = standard(bound("other", "cloud-1", requests={GPU: "1"}))
    assert world.ask(a_pod("first"), ["dc-1"]) == 0
    urgent = a_pod("urgent", requests={GPU: "1"}, priority=1000, nominated_node="cloud-1")
    preempted = world.extender.preempt(URGENT, {"cloud-1": ["other"]})
    assert preempted is not None
    assert list(preempted.decision.nodes) == ["cloud-1"]
    world.tell_gone(a_pod("first"))
    assert world.ask(urgent, ["cloud-1"]) == 1


def test_anothers_nomination_waits_for_the_full_list() -> None:
    """O1: refused alone, unresolvably; the full list comes next, in the same cycle."""
    world = standard()
    nominated = a_pod("a", nominated_node="cloud-1")
    assert world.ask(nominated, ["cloud-1"]) == Reason.EARLIER_UNIT_FIRST
    assert world.ask(nominated, BOTH) == 0
    assert world.ask(nominated, ["cloud-1"]) == Reason.EARLIER_UNIT_FIRST


def test_the_nominated_node_alone_twice_is_the_full_list() -> None:
    world = standard()
    nominated = a_pod("a", nominated_node="cloud-1")
    assert world.ask(nominated, ["cloud-1"]) == Reason.EARLIER_UNIT_FIRST
    assert world.ask(nominated, ["cloud-1"]) == 1


def test_a_nomination_into_the_first_open_unit_needs_no_second_call() -> None:
    world = standard(bound("other", "dc-1"))
    assert world.ask(a_pod("a", nominated_node="cloud-1"), ["cloud-1"]) == 1


BEFORE_NEXT = a_policy(
    a_unit("dc"), ANYWHERE, preempt_policy=PreemptPolicy.BEFORE_NEXT_UNIT, strategy=Strategy.REQUIRED
)


def test_before_the_next_unit_preemption_gets_one_chance() -> None:
    """P1: the first call is refused, so that the scheduler may preempt; the second overflows."""
    world = standard(VICTIM, policy=BEFORE_NEXT)
    assert world.ask(URGENT, ["cloud-1"]) == Reason.WAITING_FOR_PREEMPTION
    assert world.held == {}
    assert world.ask(URGENT, ["cloud-1"]) == 1


def test_before_the_next_unit_the_promise_is_waited_for() -> None:
    """P1: the pod is kept from the next unit while the victims leave, then gets what it was promised."""
    world = standard(VICTIM, policy=BEFORE_NEXT)
    assert world.ask(URGENT, ["cloud-1"]) == Reason.WAITING_FOR_PREEMPTION
    world.extender.preempt(URGENT, VICTIMS)
    assert [world.ask(NOMINATED, ["cloud-1"]) for _ in range(3)] == [Reason.WAITING_FOR_PREEMPTION] * 3
    world.tell_gone(VICTIM)
    assert world.ask(NOMINATED, ["dc-1"]) == 0


def test_before_the_next_unit_nobody_leaves_where_there_may_be_room() -> None:
    """P1: the scheduler finds no way in the first unit; the next has room, and a victim on another node."""
    busy = bound("busy", "cloud-2", requests={GPU: "1"})
    world = standard(VICTIM, a_node("cloud-2", "cloud", allocatable=ROOM), busy, policy=BEFORE_NEXT)
    assert world.ask(URGENT, ["cloud-1"]) == Reason.WAITING_FOR_PREEMPTION
    preempted = world.extender.preempt(URGENT, {"cloud-2": ["busy"]})
    assert preempted is not None
    assert not preempted.decision.nodes
    assert world.ask(URGENT, ["cloud-1"]) == 1


def test_a_chance_that_was_had_keeps_nobody_from_later_victims() -> None:
    """P1: no node has room any more, so that filter is not called again."""
    world = standard(VICTIM, policy=BEFORE_NEXT)
    assert world.ask(URGENT, ["cloud-1"]) == Reason.WAITING_FOR_PREEMPTION
    world.publish(bound("busy", "cloud-1", requests={GPU: "1"}))
    chosen = [world.extender.preempt(URGENT, {"cloud-1": ["busy"]}) for _ in range(2)]
    assert [list(one.decision.nodes) for one in chosen if one] == [[], ["cloud-1"]]
