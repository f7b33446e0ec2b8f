"""Units that cannot grow: how it is learnt, what is asked instead, when they are tried again.

Rules: W4, A6.
"""

from dataclasses import replace

import pytest

from cluster.kube.client import ApiError
from cluster.settings import Settings, WatcherSettings
from policy.api.objects import Pod
from policy.api.resourcepolicy import NextUnits
from tests.builders import a_policy, a_unit, amounts
from tests.unit.watcher.fixtures import FAR, NEAR, World, waiting
from watcher.provisioner.autoscaler_status import AutoscalerStatus, NodeGroup
from watcher.provisioner.interface import RequestPhase
from watcher.scaleup.scaleup_status import Blocked, BlockReason
from watcher.scaleup.unit_node_groups import NodeGroups

MAPPED = Settings(
    watcher=WatcherSettings(node_groups={"near-.*": {"pool": "near"}, "far": {"pool": "far", "zone": "z"}})
)
FREE = NodeGroup("near-1", max_size=9)
STOCK_OUT = replace(FREE, backoff="no stock")
FULL = replace(FREE, target=9, registered=9)
FAR_GROUP = NodeGroup("far", max_size=9)


def mapped(mode: NextUnits = NextUnits.LACK_RESOURCE_OR_EXCEED_MAX) -> World:
    """A world in which it is known which groups bring nodes of which unit."""
    return World(a_policy(NEAR, FAR, mode=mode, timeout="30s"), settings=MAPPED)


def tell(world: World, *groups: NodeGroup) -> None:
    """The autoscaler's next status; time enough passes that it is looked at."""
    world.autoscaler.current_status = AutoscalerStatus(f"{world.clock()}", groups)
    world.autoscaler.now += 2


def large(name: str) -> Pod:
    return replace(waiting(name), requests=amounts({"nvidia.com/gpu": "8"}))


@pytest.mark.parametrize("trouble", [STOCK_OUT, FULL], ids=["in back-off", "at its maximum"])
def test_a_unit_whose_groups_cannot_grow_is_passed_over_unasked(trouble: NodeGroup) -> None:
    """W4, A6: and asked again as soon as they can."""
    world = mapped()
    tell(world, trouble, FAR_GROUP)
    world.put(waiting("a"))
    assert world.reconcile() == [(1, ["a"])]
    world.after_phase(RequestPhase.PROVISIONED)
    tell(world, FREE, FAR_GROUP)
    world.put(waiting("b"))
    assert world.reconcile() == [(0, ["b"])]


def test_a_unit_grows_while_one_of_its_groups_can() -> None:
    """W4."""
    world = mapped()
    tell(world, STOCK_OUT, NodeGroup("near-2", max_size=9), FAR_GROUP)
    world.put(waiting("a"))
    assert world.reconcile() == [(0, ["a"])]


def test_a_failure_counts_for_as_long_as_the_autoscaler_says_and_no_longer() -> None:
    """W4: not for the time that would pass for a unit whose groups are not known."""
    world = mapped()
    tell(world, FREE, FAR_GROUP)
    world.put(waiting("a"))
    assert world.reconcile() == [(0, ["a"])]
    # Its status may come a moment after its answer.
    world.autoscaler.set_phase(RequestPhase.FAILED)
    world.reconcile()
    world.autoscaler.current_status = AutoscalerStatus("later", (STOCK_OUT, FAR_GROUP))
    assert world.reconcile() == [(1, ["a"])]
    world.after_phase(RequestPhase.PROVISIONED)
    tell(world, STOCK_OUT, FAR_GROUP)
    world.reconcile()
    tell(world, FREE, FAR_GROUP)
    world.put(waiting("b"))
    assert world.reconcile() == [(0, ["b"])]


def test_a_policy_that_waits_waits_though_the_groups_of_its_unit_cannot_grow() -> None:
    """W4 under O5: the overflow rule decides, not the autoscaler."""
    world = mapped(mode=NextUnits.TIMEOUT_OR_EXCEED_MAX)
    tell(world, STOCK_OUT, FAR_GROUP)
    world.put(waiting("a"))
    assert world.reconcile() == []
    assert world.reconcile(31) == [(1, ["a"])]


def test_a_new_back_off_ends_the_halving() -> None:
    """A6: where no setting tells the groups of a unit, one that the cloud refused meanwhile is its own."""
    world = World(a_policy(NEAR, FAR))
    tell(world, NodeGroup("g1"), NodeGroup("g2", backoff="before"))
    world.put(*map(waiting, "abcd"))
    assert world.reconcile() == [(0, ["a", "b", "c", "d"])]
    world.reconcile()
    world.autoscaler.current_status = AutoscalerStatus(
        "2", (NodeGroup("g1", backoff="no stock"), NodeGroup("g2"))
    )
    assert world.after_phase(RequestPhase.FAILED) == [(1, ["a", "b", "c", "d"])]
    blocked = world.latest_status.latest().of("default/policy", 0).blocked
    assert blocked
    assert blocked.reason is BlockReason.BACK_OFF


def test_an_old_back_off_does_not_end_it() -> None:
    """A6: some group is always in trouble somewhere."""
    world = World(a_policy(NEAR, FAR))
    tell(world, NodeGroup("g1"), NodeGroup("g2", backoff="before"))
    world.put(*map(waiting, "abcd"))
    world.reconcile()
    world.reconcile()
    assert world.after_phase(RequestPhase.FAILED) == [(0, ["a", "b"])]


def test_as_many_are_asked_for_as_a_group_may_still_grow() -> None:
    """A6: a request is all or nothing, and the maximum is known."""
    world = mapped()
    tell(world, replace(FREE, max_size=3), FAR_GROUP)
    world.put(*map(waiting, "abcd"))
    assert world.reconcile() == [(0, ["a", "b", "c", "d"])]
    assert world.after_phase(RequestPhase.FAILED) == [(0, ["a", "b", "c"])]


def test_a_pod_too_large_for_the_nodes_of_a_unit_does_not_close_it_to_others() -> None:
    """W4: the template does not fit this pod, and that says nothing of the next."""
    world = World(a_policy(NEAR, FAR))
    world.put(large("l"))
    assert world.reconcile() == [(0, ["l"])]
    assert world.after_phase(RequestPhase.FAILED) == [(1, ["l"])]
    world.after_phase(RequestPhase.PROVISIONED)
    world.put(waiting("a"))
    assert world.reconcile() == [(0, ["a"])]


def test_the_outlook_repeats_what_the_autoscaler_says_of_the_groups() -> None:
    """W4, L5: before anything was asked."""
    world = mapped()
    tell(world, STOCK_OUT, FAR_GROUP)
    world.reconcile()
    scaleup_status = world.latest_status.latest()
    assert scaleup_status.of("default/policy", 0).blocked == Blocked(BlockReason.BACK_OFF, "near-1: no stock")
    assert scaleup_status.of("default/policy", 1).growable


@pytest.mark.parametrize(
    ("selector", "serving"),
    [
        pytest.param({"pool": "far"}, ["far"], id="its labels have all pairs of the unit"),
        pytest.param({"pool": "far", "gpu": "h100"}, [], id="one pair is not known of it"),
        pytest.param({}, ["near-1", "far"], id="a unit of all nodes"),
        pytest.param({"pool": "near"}, ["near-1"], id="the whole name matches: nearer is another"),
    ],
)
def test_the_groups_of_a_unit_are_those_whose_nodes_would_be_in_it(
    selector: dict[str, str], serving: list[str]
) -> None:
    """W4."""
    groups = NodeGroups(MAPPED.watcher.node_groups)
    status = AutoscalerStatus("1", (FREE, FAR_GROUP, NodeGroup("nearer")))
    unit = a_unit(node_selector=selector, resource="elastic")
    assert [group.name for group in groups.serving(unit, status)] == serving


def test_a_unit_that_cannot_even_be_asked_for_is_passed_over() -> None:
    """W4: a quota of our namespace, or an admission policy, must not keep others waiting."""
    world = World(a_policy(NEAR, FAR))
    world.put(waiting("a"))
    world.autoscaler.refusals = [ApiError(403, "Forbidden", "exceeded quota", None)]
    assert world.reconcile() == []
    assert world.reconcile() == [(1, ["a"])]
    blocked = world.latest_status.latest().of("default/policy", 0).blocked
    assert blocked == Blocked(BlockReason.REFUSED, "exceeded quota", world.clock() - 0.2 + 60)
