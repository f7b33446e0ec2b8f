"""What a call is answered and what it leaves behind; when there is no answer yet."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from extender.service import NotReady
from policy.api.options import OutsideUnits, ScoredNodes
from policy.api.resourcepolicy import Strategy
from policy.scheduling.refusals import Reason
from tests.builders import a_node, a_pod, a_policy, a_unit
from tests.unit.extender.fixtures import ANYWHERE, BOTH, CAPPED, CLOUD, DC, DC_1, GPU, World, standard

# What a call leaves behind.


def test_a_slot_is_held_for_a_pod_that_was_sent_to_a_unit() -> None:
    world = standard()
    assert world.ask(a_pod("a")) == 0
    assert world.held == {"a": 0}
    assert world.ask(a_pod("b")) == 1, "the only slot of units[0] is held"


def test_a_pod_does_not_stand_in_its_own_way() -> None:
    world = standard()
    assert [world.ask(a_pod("a")) for _ in range(3)] == [0, 0, 0]


def test_the_next_call_replaces_the_slot() -> None:
    world = standard()
    world.ask(a_pod("a"))
    assert world.ask(a_pod("a"), ["cloud-1"]) == 1
    assert world.held == {"a": 1}
    assert world.ask(a_pod("b")) == 0


def test_a_refused_call_forgets_the_slot() -> None:
    world = standard(a_node("attic-1"))
    world.ask(a_pod("a"))
    assert world.ask(a_pod("a"), ["attic-1"]) == Reason.OUTSIDE_UNITS
    assert world.held == {}
    assert world.ask(a_pod("b")) == 0


def test_a_place_outside_every_unit_holds_no_slot() -> None:
    prefer = a_policy(DC_1, strategy=Strategy.PREFER)
    world = World(DC, a_node("attic-1"), prefer, outside_units=OutsideUnits.LAST)
    world.ask(a_pod("a"), ["dc-1"])
    assert world.ask(a_pod("a"), ["attic-1"]) == "outside"
    assert world.held == {}


def test_slots_are_held_by_group() -> None:
    """C2: ("a", "bc") and ("ab", "c") are two groups."""
    policy = a_policy(DC_1, ANYWHERE, match_label_keys=("x", "y"))
    world = standard(policy=policy)
    assert world.ask(a_pod("1", labels={"x": "a", "y": "bc"})) == 0
    assert world.ask(a_pod("2", labels={"x": "ab", "y": "c"})) == 0
    assert world.ask(a_pod("3", labels={"x": "a", "y": "bc"})) == 1


def test_held_requests_count_against_max_resources() -> None:
    policy = a_policy(a_unit("dc", max_resources={GPU: "3"}), ANYWHERE)
    world = standard(policy=policy)
    two = {GPU: "2"}
    assert world.ask(a_pod("a", requests=two)) == 0
    assert world.ask(a_pod("b", requests=two)) == 1
    assert world.ask(a_pod("c", requests={GPU: "1"})) == 0


def test_a_pod_without_a_policy_is_untouched() -> None:
    """M5: every verb, and nothing is remembered about it."""
    world = World(DC, a_policy(namespace="elsewhere"))
    pod = a_pod("a")
    assert world.extender.filter(pod, ["dc-1", "never-heard-of"]) is None
    assert world.extender.prioritize(pod, ["dc-1"]) is None
    assert world.extender.preempt(pod, {"dc-1": ["v"]}) is None
    assert world.held == {}
    assert not world.cache.attempts


def test_prioritize_leaves_nothing_behind() -> None:
    world = standard()
    assert world.extender.prioritize(a_pod("a"), BOTH) == {10: {"dc-1"}, 9: {"cloud-1"}}
    assert world.held == {}
    assert not world.cache.attempts


# When the scheduler is ahead.


def test_nothing_is_answered_before_the_cache_has_synced() -> None:
    world = World(DC, CAPPED, synced=False)
    with pytest.raises(NotReady, match="synced"):
        world.extender.filter(a_pod(), ["dc-1"])
    with pytest.raises(NotReady, match="synced"):
        world.extender.prioritize(a_pod(), ["dc-1"])
    with pytest.raises(NotReady, match="synced"):
        world.extender.preempt(a_pod(), {"dc-1": ["v"]})
    assert world.held == {}


def test_a_call_waits_for_a_node_that_it_does_not_know() -> None:
    world = World(CLOUD, CAPPED, unknown_node_seconds=60.0)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(world.ask, a_pod("a"))
        assert world.clock.read.wait(10)
        world.publish(DC)  # takes the lock, which is free only while the call waits
        assert answer.result(10) == 0


def test_others_are_answered_while_one_call_waits() -> None:
    world = World(CLOUD, CAPPED, unknown_node_seconds=60.0)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(world.ask, a_pod("a"))
        assert world.clock.read.wait(10)
        assert world.ask(a_pod("b"), ["cloud-1"]) == 1
        world.publish(DC)
        assert answer.result(10) == 0


def test_a_waiting_call_sees_that_its_policy_is_gone() -> None:
    world = World(CLOUD, CAPPED, unknown_node_seconds=60.0)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(world.ask, a_pod("a"))
        assert world.clock.read.wait(10)
        world.tell_gone(CAPPED)
        assert answer.result(10) == "untouched"


def test_a_node_that_does_not_come_is_an_error_and_not_a_refusal() -> None:
    world = World(CLOUD, CAPPED, unknown_node_seconds=0.01)
    with pytest.raises(NotReady, match=r"node\(s\) not seen yet by the extender"):
        world.ask(a_pod("a"))
    assert world.held == {}
    assert not world.cache.attempts


def test_an_unknown_node_delays_no_pod_that_an_earlier_unit_takes() -> None:
    world = standard()
    assert world.ask(a_pod("a"), ["dc-1", "not-seen-yet"]) == 0


def test_a_departed_node_is_not_waited_for() -> None:
    """The scheduler is behind: it still names a node whose deletion we saw."""
    world = standard()
    world.tell_gone(DC)
    assert world.ask(a_pod("a")) == 1
    assert world.ask(a_pod("a"), ["dc-1"]) == Reason.OUTSIDE_UNITS


def test_a_node_that_returns_under_its_name_is_known() -> None:
    world = standard()
    world.tell_gone(DC)
    world.publish(DC)
    assert world.ask(a_pod("a")) == 0


# How many nodes are given away to be scored.


@pytest.mark.parametrize(
    ("setting", "numbers"),
    [
        pytest.param(ScoredNodes.ALL, [300, 300, 300], id="all"),
        pytest.param(ScoredNodes.SAMPLED, [188, 188, 188], id="47 % of 400, of one unit"),
    ],
)
def test_as_many_nodes_are_scored_as_the_setting_says(setting: ScoredNodes, numbers: list[int]) -> None:
    """Others for each pod; what is refused, and a pod that no policy governs, is as it was."""
    owned = [a_node(f"dc-{i}", "dc") for i in range(300)]
    rented = [a_node(f"cloud-{i}", "cloud") for i in range(100)]
    world = World(*owned, *rented, a_policy(a_unit("dc"), ANYWHERE), scored_nodes=setting)
    names = [node.name for node in (*owned, *rented)]
    answers = [world.decide(a_pod(uid), names).nodes for uid in ("a", "b", "c")]
    assert [len(nodes) for nodes in answers] == numbers
    assert set().union(*answers) == {node.name for node in owned}
    assert world.extender.filter(a_pod("d", namespace="other"), names) is None
