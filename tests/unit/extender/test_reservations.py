"""How a slot ends (C1, E6): by a binding, a deletion, another answer, or time."""

from collections.abc import Callable

import pytest

from policy.api.objects import Phase, Pod
from tests.builders import NOW, a_node, a_pod, a_policy, a_unit, recorded_in
from tests.unit.extender.fixtures import ANYWHERE, CAPPED, CLOUD, DC, DC_1, World, bound, standard


def test_a_bound_pod_counts_where_its_slot_was() -> None:
    """U5: also where its node lies in several units."""
    policy = a_policy(a_unit("dc", max=1), a_unit("dc", max=1), ANYWHERE)
    world = standard(policy=policy)
    assert [world.ask(a_pod(name)) for name in "ab"] == [0, 1]
    world.publish(bound("b", "dc-1"), bound("a", "dc-1"))
    assert world.held == {}
    assert [world.used(policy, unit) for unit in range(3)] == [1, 1, 0]
    world.tell_gone(bound("a", "dc-1"))
    assert world.ask(a_pod("c")) == 0
    assert world.ask(a_pod("d")) == 2, "units[1] still counts b"


def test_a_pod_that_went_elsewhere_than_it_was_sent_counts_there() -> None:
    """A second scheduler, or a node that left the unit: a slot does not record a place it never had."""
    world = standard()
    world.ask(a_pod("a"))
    world.publish(bound("a", "cloud-1"))
    assert [world.used(CAPPED, unit) for unit in (0, 1)] == [0, 1]


def test_the_record_on_the_pod_outlives_what_the_cache_remembers() -> None:
    """L3: the same after a restart, when only the annotation tells."""
    policy = a_policy(a_unit("dc", max=1), a_unit("dc", max=1))
    world = standard(bound("b", "dc-1", annotations=recorded_in(policy, 1)), policy=policy)
    assert [world.used(policy, unit) for unit in (0, 1)] == [0, 1]


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda world: world.tell_gone(a_pod("a")), id="deleted before it was bound"),
        pytest.param(lambda world: world.tell_gone(bound("a", "dc-1")), id="deleted after a binding unseen"),
        pytest.param(lambda world: world.publish(a_pod("a", phase=Phase.FAILED)), id="failed without a node"),
        pytest.param(
            lambda world: world.publish(bound("a", "dc-1", phase=Phase.SUCCEEDED)),
            id="bound and succeeded at once",
        ),
        pytest.param(
            lambda world: world.publish(bound("a", "dc-1"), bound("a", "dc-1", phase=Phase.FAILED)),
            id="bound, then failed",
        ),
        pytest.param(
            lambda world: world.publish(bound("a", "dc-1"), bound("a", "dc-1", terminating=True)),
            id="bound, then terminating, which does not count by default",
        ),
    ],
)
def test_a_slot_is_free_again_once_the_pod_is(end: Callable[[World], None]) -> None:
    world = standard(a_pod("a"))
    world.ask(a_pod("a"))
    end(world)
    assert world.held == {}
    assert world.ask(a_pod("b")) == 0


def test_a_terminating_pod_keeps_its_slot_where_the_policy_says_so() -> None:
    """C3."""
    policy = a_policy(DC_1, ANYWHERE, ignore_terminating_pod=False)
    world = standard(bound("a", "dc-1", terminating=True), policy=policy)
    assert world.ask(a_pod("b")) == 1


def test_a_list_without_the_pod_frees_its_slot() -> None:
    world = standard(a_pod("a"), a_pod("b"))
    world.ask(a_pod("a"))
    with world.cache.lock:
        world.cache.replace_pods([a_pod("b")])
    assert world.ask(a_pod("b")) == 0


def test_a_list_older_than_the_pod_does_not_free_its_slot() -> None:
    """E11: the scheduler asks about a pod that no list or watch has brought yet."""
    world = standard()
    world.ask(a_pod("a"))
    with world.cache.lock:
        world.cache.replace_pods([a_pod("b")])
    assert world.ask(a_pod("b")) == 1


def test_a_dead_uid_is_not_brought_back() -> None:
    """Neither by a late call nor by a late event."""
    world = standard(a_pod("a"))
    world.tell_gone(a_pod("a"))
    world.ask(a_pod("a"))
    world.extender.preempt(a_pod("a"), {"dc-1": ["v"]})
    world.publish(bound("a", "dc-1"))
    assert world.held == {}
    assert not world.cache.attempts
    assert not world.cache.pods()
    assert world.used(CAPPED, 0) == 0


def test_a_pod_of_the_same_name_is_another_pod() -> None:
    """A StatefulSet's: its predecessor's death does not reach it."""
    world = standard(a_pod("a"))
    world.tell_gone(a_pod("a"))
    successor = Pod(uid="a-again", namespace="default", name="a", created=NOW)
    assert world.ask(successor) == 0
    assert world.held == {"a-again": 0}


def test_a_bound_pod_gets_no_second_slot() -> None:
    """An attempt whose call comes after the binding of an earlier one was seen."""
    world = standard(bound("a", "dc-1"))
    assert world.ask(a_pod("a")) == 0
    assert world.held == {}
    assert world.used(CAPPED, 0) == 1


def test_a_finished_pod_gets_no_slot() -> None:
    """Its last call came before its end and is answered after it."""
    world = standard(a_pod("a", phase=Phase.FAILED))
    assert world.ask(a_pod("a")) == 0
    assert world.held == {}
    assert world.ask(a_pod("b")) == 0


def test_a_pod_whose_node_is_gone_counts_where_it_was() -> None:
    """U5: placed by us or not, until it is gone too."""
    world = standard(a_pod("a"), bound("b", "cloud-1"))
    world.ask(a_pod("a"))
    world.publish(bound("a", "dc-1"))
    world.tell_gone(DC, CLOUD)
    assert [world.used(CAPPED, unit) for unit in (0, 1)] == [1, 1]
    world.tell_gone(bound("a", "dc-1"), bound("b", "cloud-1"))
    assert [world.used(CAPPED, unit) for unit in (0, 1)] == [0, 0]


def test_a_pod_whose_node_is_gone_before_its_binding_is_seen_counts_where_it_was_sent() -> None:
    """U5, C7: the API server binds to a node that it does not have."""
    world = standard()
    assert world.ask(a_pod("a"), ["dc-1"]) == 0
    world.tell_gone(DC)
    world.publish(bound("a", "dc-1"))
    world.publish(a_node("dc-2", "dc"))
    assert world.ask(a_pod("b"), ["dc-2", "cloud-1"]) == 1
    world.tell_gone(bound("a", "dc-1"))
    assert world.ask(a_pod("c"), ["dc-2", "cloud-1"]) == 0


def test_a_slot_that_a_nomination_holds_delays_no_others_end() -> None:
    world = standard(a_pod("a", nominated_node="cloud-1"), a_pod("b"))
    world.ask(a_pod("a"), ["cloud-1"])
    world.ask(a_pod("a"), ["cloud-1"])
    world.ask(a_pod("b"))
    world.clock.now += 600
    assert world.ask(a_pod("c")) == 0
    assert world.held == {"a": 1, "c": 0}


def test_a_condition_that_tells_of_a_failure_does_not_end_a_slot() -> None:
    """E6, C7: it may be of an attempt before the one that the slot was handed out in."""
    world = standard()
    world.ask(a_pod("a"))
    world.publish(a_pod("a", unscheduled_since=world.clock.now + 1, unschedulable=True))
    assert world.ask(a_pod("b")) == 1
    assert world.ask(a_pod("a"), ["cloud-1"]) == 1
    assert world.ask(a_pod("c")) == 0, "its next call tells"


def test_a_slot_expires_when_nobody_speaks_of_it_any_more() -> None:
    world = standard(a_pod("a"))
    world.ask(a_pod("a"))
    world.clock.now += 599
    assert world.ask(a_pod("b")) == 1
    world.clock.now += 1
    assert world.ask(a_pod("b")) == 0


def test_a_slot_that_was_asked_for_again_is_young_again() -> None:
    world = standard(a_pod("a"))
    world.ask(a_pod("a"))
    world.clock.now += 400
    world.ask(a_pod("a"))
    world.clock.now += 400
    assert world.ask(a_pod("b")) == 1


def test_a_nomination_holds_the_slot_for_as_long_as_it_lasts() -> None:
    """E7."""
    world = standard(a_pod("a", nominated_node="dc-1"))
    world.ask(a_pod("a"))
    for _ in range(3):
        world.clock.now += 601
        assert world.ask(a_pod("b")) == 1
    world.publish(a_pod("a"))
    world.clock.now += 601
    assert world.ask(a_pod("b")) == 0
