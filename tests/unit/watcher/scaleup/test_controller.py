"""What the watcher does, told in rounds: real cache and rules, a fake clock, an autoscaler that records.

Rules: W1 to W5, A1 to A10.
"""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from policy.api.resourcepolicy import NextUnits, ResourcePolicy
from tests.builders import NOW, a_pod, a_policy, a_unit
from tests.unit.watcher.fixtures import DC, FAR, NEAR, World, room, waiting
from watcher.provisioner.autoscaler_status import AutoscalerStatus, NodeGroup
from watcher.provisioner.interface import RequestPhase
from watcher.scaleup.scaleup_status import BlockReason
from watcher.scaleup.unit_backoff import UnitBackoff


def test_one_request_stands_for_all_pods_that_wait_for_the_unit() -> None:
    """A2, W1: the unit that the policy names, with a count."""
    world = World(a_policy(DC, FAR))
    world.put(waiting("a"), waiting("b"))
    assert world.reconcile() == [(1, ["a", "b"])]


def test_a_capped_unit_is_passed_over_though_it_has_free_nodes() -> None:
    """W2."""
    world = World(a_policy(a_unit("dc", max=0), FAR))
    world.put(room("dc-1", "dc"), waiting("a"))
    assert world.reconcile() == [(1, ["a"])]


def test_no_more_is_asked_for_than_the_caps_leave() -> None:
    """W3."""
    world = World(a_policy(a_unit("far", resource="elastic", max=2)))
    world.put(*map(waiting, "abc"))
    assert world.reconcile() == [(0, ["a", "b"])]
    assert world.after_phase(RequestPhase.PROVISIONED) == []


@pytest.mark.parametrize(
    "phase",
    [RequestPhase.SENT, RequestPhase.ACCEPTED, RequestPhase.PROVISIONED],
    ids=lambda phase: f"while it is {phase}",
)
def test_nothing_is_asked_twice_not_even_by_the_next_watcher(phase: RequestPhase) -> None:
    """W3."""
    world = World(a_policy(FAR))
    world.put(waiting("a"))
    world.reconcile()
    world.autoscaler.set_phase(phase)
    assert world.reconcile() == []
    world.restart()
    assert [world.reconcile() for _ in range(3)] == [[], [], []]


def test_the_next_request_waits_for_the_answer_to_the_first() -> None:
    """A4: one request in flight."""
    world = World(a_policy(NEAR))
    world.put(waiting("a"))
    world.reconcile()
    world.put(waiting("b"))
    assert world.reconcile() == []
    assert world.after_phase(RequestPhase.PROVISIONED) == [(0, ["b"])]


def test_a_request_ends_when_its_pods_are_bound() -> None:
    """A5."""
    world = World(a_policy(NEAR))
    world.put(waiting("a"))
    world.reconcile()
    world.autoscaler.set_phase(RequestPhase.PROVISIONED)
    world.put(room("new", "near"))
    world.bind("a", "new")
    world.reconcile()
    assert not world.live


def test_a_twin_that_took_the_place_ends_the_request_and_the_pod_asks_again() -> None:
    """A4: places count, not pods; the scheduler takes either."""
    world = World(a_policy(NEAR))
    world.put(waiting("a"))
    world.reconcile()
    world.autoscaler.set_phase(RequestPhase.PROVISIONED)
    world.reconcile(1)
    world.put(room("new", "near"))
    world.bind("twin", "new")
    assert world.reconcile(2) == [(0, ["a"])]


def test_the_nodes_of_one_request_are_not_taken_for_those_of_a_later_one() -> None:
    """W3: its pods arrive while the later one is still under way."""
    world = World(a_policy(NEAR))
    world.put(waiting("a"))
    world.reconcile()
    world.after_phase(RequestPhase.PROVISIONED)
    world.put(waiting("b"))
    assert world.reconcile() == [(0, ["b"])]
    world.after_phase(RequestPhase.PROVISIONED)
    world.put(room("first", "near"))
    world.bind("a", "first")
    assert [world.reconcile(1) for _ in range(3)] == [[], [], []]
    assert [request.pods for request in world.live] == [frozenset("b")]


def test_a_pod_that_landed_takes_no_place_of_a_request_made_in_the_same_second() -> None:
    """W3: the times of the API are whole seconds, and all that was asked before has ended."""
    world = World(a_policy(NEAR))
    world.put(waiting("a"))
    world.reconcile()
    world.after_phase(RequestPhase.PROVISIONED)
    world.put(replace(room("first", "near"), created=world.clock() + 1))
    world.bind("a", "first")
    world.reconcile()
    assert [world.reconcile(), world.live] == [[], []]
    world.put(waiting("b"))
    assert world.reconcile() == [(0, ["b"])]
    assert world.after_phase(RequestPhase.PROVISIONED) == []
    assert world.reconcile() == []


def test_a_younger_twin_that_lands_first_leaves_its_own_request_to_the_older_pod() -> None:
    """A4: a node for each is on its way, whoever takes the first."""
    world = World(a_policy(NEAR))
    world.put(waiting("older"))
    world.reconcile()
    world.after_phase(RequestPhase.PROVISIONED)
    world.put(waiting("younger"))
    assert world.reconcile() == [(0, ["younger"])]
    world.put(room("first", "near"))
    world.bind("younger", "first")
    assert [world.reconcile(1) for _ in range(3)] == [[], [], []]
    assert world.after_phase(RequestPhase.PROVISIONED) == []
    world.put(room("second", "near"))
    world.bind("older", "second")
    assert world.reconcile() == []
    assert not world.live


def test_a_request_in_flight_is_not_withdrawn_before_its_answer() -> None:
    """A5: it may have been served, and its purchase would be taken for that of the next."""
    world = World(a_policy(NEAR))
    world.put(waiting("a"))
    world.reconcile()
    world.put(room("dc-1", "near"))
    world.bind("a", "dc-1")
    world.reconcile()
    world.put(waiting("b"))
    assert world.reconcile() == []
    assert world.live


def test_a_replacement_takes_the_place_that_is_on_its_way() -> None:
    """A4: a roll-out buys nothing more."""
    world = World(a_policy(NEAR))
    world.put(waiting("old"))
    world.reconcile()
    world.after_phase(RequestPhase.PROVISIONED)
    world.cache.remove_pod(waiting("old"))
    world.reconcile(5)
    world.put(waiting("new"))
    assert [world.reconcile(20) for _ in range(3)] == [[], [], []]


def test_room_that_nobody_wants_any_more_is_given_up() -> None:
    """A5."""
    world = World(a_policy(NEAR))
    world.put(waiting("old"))
    world.reconcile()
    world.after_phase(RequestPhase.PROVISIONED)
    world.cache.remove_pod(waiting("old"))
    world.reconcile()
    assert world.live
    world.reconcile(11)
    assert not world.live


def test_bought_without_a_word_is_settled_before_it_is_bought_again() -> None:
    """A5, docs/design/autoscaler.md section 5, step 2."""
    world = World(a_policy(NEAR))
    world.put(waiting("a"))
    world.reconcile()
    world.reconcile()
    world.autoscaler.set_phase(RequestPhase.ACCEPTED)
    world.autoscaler.current_status = AutoscalerStatus("2", (NodeGroup("near", target=1), NodeGroup("far")))
    world.reconcile()
    assert not world.autoscaler.settled
    world.reconcile(0.4)
    assert len(world.autoscaler.settled) == 1
    assert world.reconcile() == []


@pytest.mark.parametrize(
    ("before", "after", "settled"),
    [
        pytest.param(NodeGroup("g"), NodeGroup("g", target=1), True, id="its target rose"),
        pytest.param(NodeGroup("g"), NodeGroup("g"), False, id="nothing rose"),
        pytest.param(NodeGroup("g", 2, 2), NodeGroup("g", 2, 0), True, id="idle nodes went meanwhile"),
        pytest.param(NodeGroup("g", 2, 2), NodeGroup("g", 1, 2), False, id="a node is on its way out"),
    ],
)
def test_only_a_group_that_grew_tells_of_a_purchase(
    before: NodeGroup, after: NodeGroup, *, settled: bool
) -> None:
    """A5: a guess would leave pods without a node, or buy two."""
    world = World(a_policy(NEAR))
    world.autoscaler.current_status = AutoscalerStatus("1", (before,))
    world.put(waiting("a"))
    world.reconcile()
    world.reconcile()
    world.autoscaler.set_phase(RequestPhase.ACCEPTED)
    world.autoscaler.current_status = AutoscalerStatus("2", (after,))
    world.reconcile()
    world.reconcile(0.4)
    assert bool(world.autoscaler.settled) is settled


def test_an_answer_that_was_lost_is_asked_for_again_if_nothing_grew() -> None:
    """A6: room was found, or none; which, the next answer tells. A watcher that has just begun knows, too."""
    world = World(a_policy(NEAR, FAR))
    world.put(waiting("a"))
    world.reconcile()
    (request,) = world.live
    world.autoscaler.live[request.name] = replace(request, phase=RequestPhase.ACCEPTED, accepted_at=NOW)
    for loop, asked in (("02:46:40.9", []), ("02:46:41.1", [(0, ["a"])])):
        world.restart()
        world.autoscaler.current_status = replace(
            world.autoscaler.current_status, updated=f"1970-01-01 {loop} +0000 UTC"
        )
        assert world.reconcile() + world.reconcile() == asked


def test_what_a_former_watcher_knew_to_be_bought_is_settled_by_the_next() -> None:
    """W3: it died between the two writes."""
    world = World(a_policy(NEAR))
    world.put(waiting("a"))
    world.reconcile()
    world.autoscaler.set_phase(RequestPhase.SCALED_UP)
    world.restart()
    assert world.reconcile() == []
    assert len(world.autoscaler.settled) == 1


def test_a_request_that_was_never_sent_is_made_anew() -> None:
    """A3."""
    world = World(a_policy(NEAR))
    world.put(waiting("a"))
    world.reconcile()
    world.autoscaler.set_phase(RequestPhase.UNSENT)
    world.restart()
    assert world.reconcile() == [(0, ["a"])]


def test_a_failed_request_is_halved_until_the_unit_is_stuck_and_the_next_one_asked() -> None:
    """A6, W4: a request is all or nothing."""
    world = World(a_policy(NEAR, FAR))
    world.put(*map(waiting, "abcd"))
    assert world.reconcile() == [(0, ["a", "b", "c", "d"])]
    assert world.after_phase(RequestPhase.FAILED) == [(0, ["a", "b"])]
    assert world.after_phase(RequestPhase.FAILED) == [(0, ["a"])]
    assert world.after_phase(RequestPhase.FAILED) == [(1, ["a", "b", "c", "d"])]


def test_a_policy_that_waits_asks_no_later_unit_while_the_first_is_stuck() -> None:
    """W4 under O5: stuck is no room, and the timer runs."""
    world = World(a_policy(NEAR, FAR, mode=NextUnits.TIMEOUT_OR_EXCEED_MAX, timeout="30s"))
    world.put(waiting("a"))
    world.reconcile()
    assert world.after_phase(RequestPhase.FAILED) == []
    assert world.reconcile(31) == [(1, ["a"])]


def test_a_stuck_unit_is_tried_again_with_one_pod() -> None:
    """W4."""
    world = World(a_policy(NEAR))
    world.put(*map(waiting, "ab"))
    world.reconcile()
    assert world.after_phase(RequestPhase.FAILED) == [(0, ["a"])]
    assert world.after_phase(RequestPhase.FAILED) == []
    assert world.reconcile(50) == []
    assert world.reconcile(11) == [(0, ["a"])]


def test_nodes_that_do_not_come_in_time_count_as_not_coming() -> None:
    """A6, W4: for a policy with a timeout, no later than its pods may go on (O5)."""
    world = World(a_policy(NEAR, FAR, mode=NextUnits.TIMEOUT_OR_EXCEED_MAX, timeout="30s"))
    world.put(waiting("a"))
    world.reconcile()
    assert world.after_phase(RequestPhase.PROVISIONED) == []
    world.reconcile(31)
    assert world.reconcile() == [(1, ["a"])]


def test_a_pod_whose_own_node_selector_excludes_the_unit_buys_nothing() -> None:
    """W3: the node would stay empty."""
    world = World(a_policy(NEAR))
    world.put(replace(waiting("a"), node_selector={"pool": "elsewhere"}))
    assert world.reconcile() == []


def test_a_policy_that_is_gone_takes_its_requests_along() -> None:
    """A5."""
    world = World(a_policy(NEAR))
    world.put(waiting("a"))
    world.reconcile()
    world.after_phase(RequestPhase.PROVISIONED)
    world.cache.remove_policy("default/policy")
    world.reconcile()
    assert not world.live


def test_nothing_is_asked_of_an_autoscaler_that_starts() -> None:
    """A5: it tells of no groups yet, and what its first loop buys could not be told from what was there."""
    world = World(a_policy(NEAR))
    world.autoscaler.current_status = AutoscalerStatus("1")
    world.put(waiting("a"))
    assert world.reconcile() == []
    assert [change.held for change in world.held] == [True]
    world.autoscaler.current_status = AutoscalerStatus("2", (NodeGroup("near"),))
    assert world.reconcile(2) == [(0, ["a"])]


def test_the_wait_of_a_stuck_unit_doubles_up_to_the_longest_and_starts_anew_after_success() -> None:
    """W4: as the autoscaler does."""
    policy, backoff, waits = a_policy(NEAR), UnitBackoff(60, 600), []
    for _ in range(6):
        backoff = backoff.with_failure(policy, 0, "shape", NOW, BlockReason.REFUSED)
        waits.append(retry_at(backoff, policy) - NOW)
    assert waits == [60, 120, 240, 480, 600, 600]
    backoff = backoff.with_success(policy, 0, "shape")
    backoff = backoff.with_failure(policy, 0, "shape", NOW, BlockReason.REFUSED)
    assert retry_at(backoff, policy) == NOW + 60


def retry_at(backoff: UnitBackoff, policy: ResourcePolicy) -> float:
    blocked = backoff.blocked(policy, 0, NOW)
    assert blocked
    return blocked.until


def test_a_node_that_others_took_is_asked_for_again() -> None:
    """W1, A4: the request was served, nothing is to come any more, and there is no room for its pod."""
    world = World(a_policy(NEAR))
    world.put(waiting("a"))
    world.reconcile()
    world.autoscaler.current_status = AutoscalerStatus("2", (NodeGroup("near", target=1, registered=1),))
    world.after_phase(RequestPhase.PROVISIONED)
    world.put(
        room("new", "near"), a_pod("thief", on="new", requests={"nvidia.com/gpu": "1"}, namespace="elsewhere")
    )
    world.autoscaler.current_status = AutoscalerStatus("3", (NodeGroup("near", target=1, registered=1),))
    world.reconcile(2)
    assert world.reconcile(6) == []  # its GPU may be on its way
    world.autoscaler.current_status = AutoscalerStatus("4", (NodeGroup("near", 1, 1, ready=1),))
    assert world.reconcile(2) == []
    assert world.reconcile(0.5) == []
    assert world.reconcile(1) == [(0, ["a"])]


@pytest.mark.parametrize("restarts", [0, 2, 4], ids="restarted {} s after".format)
def test_a_node_that_others_took_a_moment_ago_is_given_five_seconds(restarts: int) -> None:
    """W1, A4: from when it was taken, as the API tells it: a watcher that is restarted does not wait anew."""
    world = World(a_policy(NEAR))
    world.put(waiting("a"))
    world.reconcile()
    world.autoscaler.current_status = AutoscalerStatus("2", (NodeGroup("near", 1, 1, ready=1),))
    world.after_phase(RequestPhase.PROVISIONED)
    thief = a_pod("thief", on="new", requests={"nvidia.com/gpu": "1"}, namespace="elsewhere")
    world.put(room("new", "near"), replace(thief, bound_at=world.clock()))
    asked_after = next(second for second in range(1, 30) if world_after(world, second, restarts))
    assert 5 <= asked_after <= 8


def world_after(world: World, second: int, restarts: int) -> bool:
    """Play a second in which the autoscaler does a loop; whether anything was asked for in it."""
    if second == restarts:
        world.restart()
    world.autoscaler.current_status = AutoscalerStatus(f"loop {second}", (NodeGroup("near", 1, 1, ready=1),))
    return bool(world.reconcile(0.5) + world.reconcile(0.5))


def test_watchers_that_live_two_seconds_ask_again_for_a_node_that_others_took() -> None:
    """W1, A4: the autoscaler's times tell a new watcher that a loop has ended since it served the request."""
    world = World(a_policy(NEAR))
    world.put(waiting("a"))
    world.reconcile()
    (request,) = world.live
    served = replace(request, phase=RequestPhase.PROVISIONED, served_at=world.clock())
    world.autoscaler.live[request.name] = served
    thief = a_pod("thief", on="new", requests={"nvidia.com/gpu": "1"}, namespace="elsewhere")
    world.put(room("new", "near"), replace(thief, bound_at=world.clock()))
    asked = []
    for _ in range(6):
        for _ in range(2):
            loop = datetime.fromtimestamp(world.clock(), UTC)
            world.autoscaler.current_status = AutoscalerStatus(
                f"{loop:%F %T} +0000 UTC", (NodeGroup("near", 1, 1, ready=1),)
            )
            asked += world.reconcile(1)
        world.restart()
    assert asked == [(0, ["a"])]


@pytest.mark.parametrize(
    "group",
    [
        pytest.param(NodeGroup("near", target=1), id="it has not registered"),
        pytest.param(NodeGroup("near", target=1, registered=1), id="it is not ready"),
    ],
)
def test_a_node_that_is_still_to_come_is_waited_for(group: NodeGroup) -> None:
    """W3."""
    world = World(a_policy(NEAR))
    world.put(waiting("a"))
    world.reconcile()
    world.after_phase(RequestPhase.PROVISIONED)
    world.autoscaler.current_status = AutoscalerStatus("2", (group,))
    assert [world.reconcile(10) for _ in range(5)] == [[]] * 5


def test_a_pod_that_counted_on_a_spare_place_asks_once_that_is_lost() -> None:
    """A4: nobody of the request waits any more, and its node has gone to others."""
    world = World(a_policy(NEAR))
    world.put(waiting("old"))
    world.reconcile()
    world.after_phase(RequestPhase.PROVISIONED)
    world.cache.remove_pod(waiting("old"))
    world.put(waiting("new"))
    world.put(room("n", "near"), a_pod("thief", on="n", requests={"nvidia.com/gpu": "1"}, namespace="x"))
    world.autoscaler.current_status = AutoscalerStatus("3", (NodeGroup("near", 1, 1, ready=1),))
    assert world.reconcile(2) == []
    assert world.reconcile(6) == [(0, ["new"])]
