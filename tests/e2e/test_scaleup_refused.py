"""Units that cannot grow, the back-end without requests, and leaving, beside the real cluster-autoscaler.

Rules: W4, A6, A10; docs/design/autoscaler.md, section 6.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dev.controlplane import ControlPlane, NodeGroup
from dev.controlplane.api import ApiError
from dev.harness.watcher import Watcher
from dev.soak.scale_up.stockout import out_of_stock
from tests.e2e.scaleup import (
    COMMAND,
    DELAY,
    PLACEHOLDERS,
    REQUESTS,
    TEMPLATES,
    World,
    a_world,
    ecs,
    elastic,
    extended_plane,
    most,
)
from watcher.provisioner.request_manifests import OWNED

GROUPS = [
    *(NodeGroup(name, {"pool": name}, gpus=1) for name in ("first", "second", "third")),
    NodeGroup("large", {"pool": "large"}, gpus=4),
    NodeGroup("many-cpus", {"pool": "mixed"}, gpus=1, cpu="32"),
    NodeGroup("many-gpus", {"pool": "mixed"}, gpus=4, cpu="4"),
]
NODE_GROUPS = "node_groups: {first: {pool: first}, second: {pool: second}, third: {pool: third}}"
SHORT = ("--initial-node-group-backoff-duration=5s", "--max-node-group-backoff-duration=10s")
"""The autoscaler's own back-off; five minutes by default."""


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with extended_plane("placeholder") as plane:
        plane.start_autoscaler(GROUPS, *SHORT)
        yield plane


@pytest.fixture
def world(plane: ControlPlane) -> Iterator[World]:
    with a_world(plane, GROUPS) as world:
        yield world


def asked(world: World, pool: str) -> list[str]:
    """Names of live requests for a pool."""
    found = world.plane.api.items(TEMPLATES)
    return [t["metadata"]["name"] for t in found if t["template"]["spec"]["nodeSelector"]["pool"] == pool]


def test_a_pool_out_of_stock_is_passed_over_and_tried_again(world: World) -> None:
    """W4, A6: the first unit has reached its cap, the second is out of stock, the third is asked."""
    world.policy(elastic("first", max=1), elastic("second"), elastic("third"))
    with Watcher(world.plane, f"watcher: {{{NODE_GROUPS}}}") as watcher:
        with out_of_stock(world.plane, "second"):
            world.create_pods("a", "b", "c")
            world.await_bound("a", "b", "c")
            assert sorted(map(world.pool_of, "abc")) == ["first", "third", "third"]
            assert "is passed over" in watcher.log.read_text()
        world.plane.wait(
            lambda: "no longer passed over" in watcher.log.read_text(), what="the end of it", seconds=40
        )
        world.create_pods("d")
        world.await_bound("d")
        assert world.pool_of("d") == "second"
        world.await_nothing_asked()
        assert [len(world.bought(name)) for name in ("first", "second", "third")] == [1, 1, 2]


def test_a_unit_whose_nodes_are_too_small_for_one_pod_serves_the_others(world: World) -> None:
    """W4: pods of two sizes at once. Two large pods share a node, and the small ones get one each."""
    world.policy(elastic("first"), elastic("large"))
    with Watcher(world.plane, "watcher: {node_groups: {first: {pool: first}, large: {pool: large}}}"):
        world.create_pods("l1", "l2", gpus=2)
        world.create_pods("s1", "s2")
        world.await_bound("l1", "l2", "s1", "s2")
        assert [world.pool_of(name) for name in ("l1", "l2", "s1", "s2")] == ["large"] * 2 + ["first"] * 2
        world.await_nothing_asked()
        assert most(lambda: len(world.bought("large")), world.plane) == 1
        assert len(world.bought("first")) == 2


def pod_sets(world: World) -> list[int]:
    """The pods of each size in the one request there is."""
    found = world.plane.api.items(REQUESTS)
    return [each["count"] for each in found[0]["spec"]["podSets"]] if found else []


def test_pods_of_two_sizes_are_one_request_and_share_nodes(world: World) -> None:
    """A2, W3: three GPUs and one fit a node of four. The autoscaler packs by CPU, the larger first."""
    world.policy(elastic("large"))
    world.create_pods("l1", "l2", gpus=3, cpu="3")
    world.create_pods("s1", "s2", cpu="1")
    world.await_refused("l1", "l2", "s1", "s2")
    with Watcher(world.plane, "watcher: {node_groups: {large: {pool: large}}}"):
        assert world.plane.wait(lambda: pod_sets(world), what="a request") == [2, 2]
        world.await_bound("l1", "l2", "s1", "s2")
        world.await_nothing_asked()
        assert most(lambda: len(world.bought("large")), world.plane) == 2


def test_sizes_that_no_node_group_holds_together_are_asked_for_one_after_the_other(world: World) -> None:
    """A6: a request is served by one group, or not at all."""
    world.policy(elastic("mixed"))
    world.create_pods("l1", gpus=4)
    world.create_pods("s1", cpu="16")
    world.await_refused("l1", "s1")
    with Watcher(world.plane) as watcher:
        assert world.plane.wait(lambda: pod_sets(world), what="a request") == [1, 1]
        world.await_bound("l1", "s1")
        world.await_nothing_asked()
        assert [len(world.bought("many-cpus")), len(world.bought("many-gpus"))] == [1, 1]
        assert watcher.says("CapacityIsNotFound") == 2, "together, once; each alone is served"


def condition(kind: str, second: int) -> dict[str, str]:
    at = f"2026-11-25T12:00:{second:02}Z"
    return {"type": kind, "status": "True", "reason": "R", "message": "m", "lastTransitionTime": at}


def test_no_request_of_ours_is_started_twice(plane: ControlPlane) -> None:
    """A5: manifests/served-once.yaml, whether a watcher lives or not. The class is one that nobody serves."""
    api = plane.api
    request = {
        "apiVersion": "autoscaling.x-k8s.io/v1",
        "kind": "ProvisioningRequest",
        "metadata": {"name": "once", "namespace": "resourcepolicy", "labels": OWNED},
        "spec": {
            "provisioningClassName": "nobodys.example.com",
            "podSets": [{"podTemplateRef": {"name": "none"}, "count": 1}],
        },
    }
    api.create(request)
    path = f"{REQUESTS}/once/status"
    accepted = condition("Accepted", 1)
    api.patch(path, {"status": {"conditions": [accepted]}})
    with pytest.raises(ApiError, match="was served already"):
        api.patch(path, {"status": {"conditions": [condition("Accepted", 2)]}})
    api.patch(path, {"status": {"conditions": [accepted, condition("Provisioned", 2)]}})
    api.delete(f"{REQUESTS}/once")


def test_placeholders_bring_exactly_the_nodes_of_the_unit(world: World) -> None:
    """W1, W2, A5: beside free nodes that a cap refuses, and none is bought twice."""
    world.plane.create_node("dc-1", {"pool": "dc"})
    world.policy(ecs("dc", max=0), elastic("second", max=2), elastic("third"))
    with Watcher(world.plane, f"watcher: {{backend: placeholder, {NODE_GROUPS}}}"):
        world.create_pods("a", "b")
        world.plane.wait(lambda: world.plane.api.items(PLACEHOLDERS), what="placeholders")
        assert not world.plane.api.items(REQUESTS)
        world.await_bound("a", "b", seconds=90)
        assert list(map(world.pool_of, "ab")) == ["second", "second"]
        world.await_nothing_asked()
        assert most(lambda: len(world.bought("second")), world.plane) == 2
        assert not world.bought("third")


@contextmanager
def left_by_a_crash(world: World, settings: str) -> Iterator[None]:
    """What a watcher leaves that was killed while it waited for nodes."""
    world.policy(elastic("first"), elastic("second"))
    with Watcher(world.plane, settings):
        world.create_pods("a")
        world.plane.wait(lambda: DELAY in world.annotations("a"), what="the hold")
        world.plane.wait(lambda: asked(world, "first"), what="a request")
    yield


def test_nothing_is_left_behind_by_who_leaves(world: World) -> None:
    """A10: holds, placeholders and records."""
    with left_by_a_crash(world, f"watcher: {{backend: placeholder, {NODE_GROUPS}}}"):
        command = [str(COMMAND), "release", "--kubeconfig", str(world.plane.kubeconfig)]
        told = subprocess.run([*command, "--dry-run"], capture_output=True, text=True, check=True).stdout
        assert "placeholder" in told
        assert world.left_behind()
        subprocess.run(command, check=True)
        assert not world.left_behind()
        assert not [
            key for key in world.annotations("a") if key == DELAY or key.startswith("resourcepolicy.io/")
        ]
