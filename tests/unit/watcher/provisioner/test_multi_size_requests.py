"""Pods of different sizes that want nodes of one unit: asked for together, and what follows from that.

Rules: W3, W4, A2, A5, A6.
"""

from dataclasses import replace

from policy.api.objects import Pod
from policy.api.resourcepolicy import Unit
from tests.builders import a_pod, a_policy, a_unit, amounts
from tests.unit.watcher.fixtures import FAR, NEAR, World, room, waiting
from watcher.provisioner.autoscaler_status import AutoscalerStatus, NodeGroup
from watcher.provisioner.interface import RequestPhase


def large(name: str) -> Pod:
    return replace(waiting(name), requests=amounts({"nvidia.com/gpu": "8"}))


def tell(world: World, group: NodeGroup) -> None:
    """The autoscaler's next status."""
    world.autoscaler.current_status = AutoscalerStatus(f"{world.clock()}", (group,))


def of_two_sizes(*units: Unit) -> World:
    """Small pods s and t, large ones l and m, for which one request is in flight."""
    world = World(a_policy(*units))
    world.put(large("l"), waiting("s"), large("m"), waiting("t"))
    assert world.reconcile() == [(0, ["l", "m"]), (0, ["s", "t"])]
    assert len({request.bundle for request in world.live}) == 1
    return world


def test_pods_of_different_sizes_are_asked_for_together() -> None:
    """A2, W3: one answer is for all, and each size counts its own places."""
    world = of_two_sizes(NEAR, FAR)
    assert world.after_phase(RequestPhase.PROVISIONED) == []
    world.put(room("n", "near"))
    world.bind("s", "n")
    world.put(waiting("u"))
    assert world.reconcile() == [(0, ["u"])]
    world.reconcile()
    assert world.latest_status.latest().of("default/policy", 0).requested == 4


def test_what_was_asked_together_ends_size_by_size_once_it_is_served() -> None:
    """A5: a size whose nodes others took must not wait for the end of another."""
    world = of_two_sizes(NEAR)
    world.after_phase(RequestPhase.PROVISIONED)
    for name, end in (("s", 2), ("t", 1), ("l", 1), ("m", 0)):
        world.put(room(f"for {name}", "near", gpus=8))
        bound = large(name) if name in "lm" else waiting(name)
        world.put(replace(bound, node_name=f"for {name}", bound_at=world.clock() + 1, unschedulable=False))
        world.reconcile(1)
        assert len(world.live) == end


def test_before_that_it_ends_as_a_whole() -> None:
    """A5: it is one object that the autoscaler sees."""
    world = of_two_sizes(NEAR)
    for name in "st":
        world.cache.remove_pod(waiting(name))
    world.reconcile(1)
    world.reconcile(60)
    assert len(world.live) == 2
    for name in "lm":
        world.cache.remove_pod(large(name))
    world.reconcile(1)
    world.reconcile(60)
    assert not world.live


def test_places_that_nobody_awaits_keep_others_back_no_longer_for_a_restart() -> None:
    """W3, A5: the pod found room elsewhere, as the API tells, and the cap leaves one place."""
    world = World(a_policy(a_unit("near", resource="elastic", max=1), FAR))
    world.put(waiting("s"))
    world.reconcile()
    world.after_phase(RequestPhase.PROVISIONED)
    world.put(room("n", "far"))
    world.bind("s", "n")
    world.put(large("l"))
    asked = []
    for _ in range(4):
        asked += world.reconcile(4)
        world.restart()
    assert asked == [(0, ["l"])]


def test_a_node_that_is_there_and_taken_keeps_others_back_no_longer_for_a_restart() -> None:
    """W3, A5: its pod is gone, the API tells not since when, and each watcher lives for four seconds."""
    world = World(a_policy(a_unit("near", resource="elastic", max=1), FAR))
    world.put(waiting("s"))
    world.reconcile()
    world.after_phase(RequestPhase.PROVISIONED)
    world.cache.remove_pod(waiting("s"))
    world.put(
        room("n", "near"), a_pod("thief", on="n", requests={"nvidia.com/gpu": "1"}, namespace="elsewhere")
    )
    world.put(large("l"))
    asked = []
    for _ in range(4):
        for _ in range(4):
            tell(world, NodeGroup("near", 1, 1, ready=1))
            asked += world.reconcile(1)
        world.restart()
    assert asked == [(0, ["l"])]


def test_bought_without_a_word_is_settled_for_all_that_was_asked_together() -> None:
    """A5, W3: also where the watcher dies after the first of two."""
    world = of_two_sizes(NEAR)
    world.reconcile()
    world.autoscaler.set_phase(RequestPhase.ACCEPTED)
    tell(world, NodeGroup("near", target=3))
    world.reconcile()
    world.reconcile()
    assert {request.phase for request in world.live} == {RequestPhase.PROVISIONED}
    world.restart()
    assert [world.reconcile(), world.reconcile()] == [[], []]


def test_sizes_that_no_group_holds_together_are_asked_for_one_after_the_other() -> None:
    """A6: a request is all or nothing in one group. Which of them is too large, its own request tells."""
    world = of_two_sizes(NEAR, FAR)
    assert world.after_phase(RequestPhase.FAILED) == [(0, ["l", "m"])]
    assert world.after_phase(RequestPhase.PROVISIONED) == [(0, ["s", "t"])]
    world.after_phase(RequestPhase.PROVISIONED)
    world.put(waiting("u"), large("n"))
    assert world.reconcile() == [(0, ["n"])]
    assert world.after_phase(RequestPhase.FAILED) == [(1, ["n"])]
    assert world.after_phase(RequestPhase.PROVISIONED) == [(0, ["u"])]


def test_they_are_asked_for_together_again_when_that_is_long_ago() -> None:
    """A6: it may have been want of nodes, not of the right ones."""
    world = of_two_sizes(NEAR)
    world.after_phase(RequestPhase.FAILED)
    world.after_phase(RequestPhase.PROVISIONED)
    world.after_phase(RequestPhase.PROVISIONED)
    world.reconcile(601)
    world.put(waiting("u"), large("n"))
    assert world.reconcile() == [(0, ["n"]), (0, ["u"])]


def test_a_cloud_without_stock_fails_every_size_at_once() -> None:
    """W4: to ask for each alone would be refused as well."""
    world = of_two_sizes(NEAR, FAR)
    tell(world, NodeGroup("g", backoff="no stock"))
    assert world.after_phase(RequestPhase.FAILED) == [(1, ["l", "m"]), (1, ["s", "t"])]


def test_no_more_is_asked_for_together_than_one_request_may_hold() -> None:
    """A2: 32 sizes."""
    world = World(a_policy(NEAR))
    world.put(*(replace(waiting(f"p{n}"), node_selector={"n": f"{n}"}) for n in range(40)))
    assert [len(world.reconcile()), len(world.after_phase(RequestPhase.PROVISIONED))] == [32, 8]
