"""The real watcher beside the real cluster-autoscaler: which nodes are bought, when, and how often.

Rules: W1 to W5, A1 to A10.
"""

import re
from collections.abc import Iterator
from time import monotonic

import pytest

from dev.controlplane import ControlPlane, NodeGroup
from dev.harness.watcher import Watcher
from tests.e2e.scaleup import DELAY, REQUESTS, World, a_world, ecs, elastic, extended_plane, most

GROUPS = [
    NodeGroup("near", {"pool": "near"}, gpus=1),
    NodeGroup("far", {"pool": "far"}, gpus=1),
    NodeGroup("slow", {"pool": "slow"}, gpus=1, boot_after="5s"),
    NodeGroup("small", {"pool": "small"}, gpus=1, max_count=2),
    NodeGroup("late", {"pool": "late"}, gpus=1, gpu_after="4s"),
]


@pytest.fixture(scope="module")
def bare() -> Iterator[ControlPlane]:
    with extended_plane() as plane:
        yield plane


@pytest.fixture(scope="module")
def grown(bare: ControlPlane) -> ControlPlane:
    """The same with cluster-autoscaler and ProvisioningRequests."""
    bare.start_autoscaler(GROUPS)
    return bare


@pytest.fixture
def world(bare: ControlPlane) -> Iterator[World]:
    with a_world(bare, GROUPS) as world:
        yield world


def test_without_provisioning_requests_it_says_so_once_and_holds_nothing(world: World) -> None:
    """A8, W5. First in this module: the autoscaler, once started, brings the resource."""
    world.plane.create_node("dc-w5", {"pool": "dc"})
    world.policy(ecs("dc"), elastic("near"))
    with Watcher(world.plane) as watcher:
        world.create_pods("one", "two")
        world.plane.wait(lambda: "1 pod(s) in unit 1" in watcher.log.read_text(), what="the observation")
        held = most(lambda: sum(DELAY in world.annotations(name) for name in ("one", "two")), world.plane, 2)
        assert held == 0
        assert watcher.log.read_text().count("does not serve ProvisioningRequests") == 1


def test_pods_that_overflow_get_exactly_their_nodes_in_the_group_of_their_unit(
    world: World, grown: ControlPlane
) -> None:
    """W1, A2: two groups fit, the policy names one. A5: nothing stays behind."""
    grown.create_node("dc-w1", {"pool": "dc"})
    world.policy(ecs("dc"), elastic("far"))
    with Watcher(grown) as watcher:
        world.create_pods("first")
        world.await_bound("first")
        began = monotonic()
        world.create_pods("second", "third")
        grown.wait(lambda: world.bought("far"), what="a node to be bought", seconds=25)
        print(f"bought after {monotonic() - began:.1f} s")  # noqa: T201
        world.await_bound("second", "third")
        assert [world.pool_of(name) for name in ("first", "second", "third")] == ["dc", "far", "far"]
        world.await_nothing_asked()
        assert most(lambda: len(world.bought("far")), grown) == 2
        assert not world.bought("near")
        age = re.search(r"asked for 2 pod\(s\) in unit 1 .* ([\d.]+) s after we saw", watcher.log.read_text())
        assert age, "two pods that became unschedulable together are one request"
        assert float(age[1]) < 15


def test_a_capped_unit_with_free_nodes_does_not_keep_the_next_from_growing(
    world: World, grown: ControlPlane
) -> None:
    """W2: the autoscaler alone believes that the pod fits."""
    for name in ("dc-a", "dc-b"):
        grown.create_node(name, {"pool": "dc"})
    world.policy(ecs("dc", max=1), elastic("near", max=1))
    with Watcher(grown):
        world.create_pods("one", "two", "three")
        grown.wait(
            lambda: sum(bool(world.node_of(n)) for n in ("one", "two", "three")) == 2, what="two bound"
        )
        world.await_nothing_asked()
        # W3: the third pod is over both caps.
        assert most(lambda: len(world.bought("near")), grown) == 1


def test_killed_and_restarted_it_asks_nothing_twice(world: World, grown: ControlPlane) -> None:
    """W3: while the nodes boot, with nothing kept but what is in the API."""
    world.policy(elastic("slow"))
    with Watcher(grown):
        world.create_pods("one", "two")
        grown.wait(lambda: world.bought("slow"), what="a node to be bought", seconds=25)
    with Watcher(grown):
        world.await_bound("one", "two", seconds=60)
        world.await_nothing_asked()
        assert most(lambda: len(world.bought("slow")), grown) == 2


def test_a_watcher_killed_right_after_asking_is_not_heard_twice(world: World, grown: ControlPlane) -> None:
    """W3: before any answer."""
    world.policy(elastic("slow"))
    with Watcher(grown):
        world.create_pods("one", "two")
        grown.wait(lambda: grown.api.items(REQUESTS), what="a request")
    with Watcher(grown):
        world.await_bound("one", "two", seconds=60)
        world.await_nothing_asked()
        assert most(lambda: len(world.bought("slow")), grown) == 2


def test_a_unit_at_its_maximum_is_filled_and_then_skipped(world: World, grown: ControlPlane) -> None:
    """W4, A6: the group takes two, the rest goes to the next unit; nothing is left to be repeated."""
    world.policy(elastic("small"), elastic("far"))
    with Watcher(grown):
        world.create_pods("one", "two", "three")
        world.await_bound("one", "two", "three", seconds=60)
        assert sorted(world.pool_of(name) for name in ("one", "two", "three")) == ["far", "small", "small"]
        world.await_nothing_asked()
        assert most(lambda: len(world.bought("far")), grown) == 1


def test_a_node_whose_gpu_comes_late_is_not_bought_again(world: World, grown: ControlPlane) -> None:
    """W3."""
    world.policy(elastic("late"))
    with Watcher(grown):
        world.create_pods("one")
        world.await_bound("one", seconds=60)
        assert most(lambda: len(world.bought("late")), grown) == 1


def test_a_pod_that_replaces_one_takes_the_node_on_its_way(world: World, grown: ControlPlane) -> None:
    """A4: a roll-out while the node boots buys nothing more."""
    world.policy(elastic("slow"))
    with Watcher(grown):
        world.create_pods("old")
        grown.wait(lambda: world.bought("slow"), what="a node to be bought", seconds=25)
        grown.api.delete(f"{world.pods}/old", grace_seconds=0)
        world.create_pods("new")
        world.await_bound("new", seconds=60)
        world.await_nothing_asked()
        assert most(lambda: len(world.bought("slow")), grown) == 1


def test_pods_are_held_at_first_sight_and_released_when_no_policy_governs_them(
    world: World, grown: ControlPlane
) -> None:
    """A1, A10. The hold that a user set stays."""
    world.policy(elastic("near", max=0))
    with Watcher(grown) as watcher:
        world.create_pods("one")
        grown.wait(lambda: DELAY in world.annotations("one"), what="the hold")
        grown.api.patch(f"{world.pods}/one", {"metadata": {"labels": {"alibabacloud.com/eci": "true"}}})
        grown.wait(lambda: DELAY not in world.annotations("one"), what="the release")
        assert watcher.stop() == 0
