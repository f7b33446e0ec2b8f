"""What is told of growth while it happens, beside the real cluster-autoscaler (L5, W1, W4)."""

from collections.abc import Iterator
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dev.controlplane import ControlPlane, NodeGroup
from dev.controlplane.autoscaler import GPU_LABEL
from dev.controlplane.processes import free_ports
from dev.harness.watcher import Watcher
from dev.soak.scale_up.stockout import out_of_stock
from tests.e2e.scaleup import GPU, POLICIES, Json, World, a_world, ecs, elastic, extended_plane

GROUPS = [
    NodeGroup("slow", {"pool": "slow"}, gpus=1, boot_after="3s"),
    NodeGroup("dry", {"pool": "dry"}, gpus=1),
    NodeGroup("tiny", {"pool": "tiny"}, gpus=1, max_count=1),
]
NODE_GROUPS = "watcher: {node_groups: {slow: {pool: slow}, dry: {pool: dry}}}"
MARKED = 'watcher: {node_groups: {dry: {pool: dry}}, node_group_labels: {kwok-group: "{}"}}'
SHORT = ("--initial-node-group-backoff-duration=5s", "--max-node-group-backoff-duration=10s")

COUNTING_GPUS = "--gpu-total=A10:0:100"
"""A limit on GPUs: only with one does 1.33.0 count them at all."""


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with extended_plane() as plane:
        plane.start_autoscaler(GROUPS, *SHORT, COUNTING_GPUS)
        yield plane


@pytest.fixture
def world(plane: ControlPlane) -> Iterator[World]:
    with a_world(plane, GROUPS) as world:
        yield world


def status(world: World) -> Json:
    found: Json = (
        world.plane.api.get(f"{POLICIES}/{world.namespace}/resourcepolicies/gpus").get("status") or {}
    )
    return found


def await_states(world: World, *expected: str) -> Json:
    """The status, once the units are in these states."""

    def found() -> Json | None:
        told = status(world)
        return told if [unit["state"] for unit in told.get("units", ())] == list(expected) else None

    return world.plane.wait(found, what=f"the units to be {', '.join(expected)}", seconds=40)


def await_condition(world: World, kind: str, of: str) -> str:
    """What it says, once its status is that."""

    def found() -> str | None:
        conditions = status(world).get("conditions", ())
        said = (str(c["message"]) for c in conditions if (c["type"], c["status"]) == (kind, of))
        return next(said, None)

    return world.plane.wait(found, what=f"{kind} to be {of}")


def reason(told: Json, kind: str) -> str:
    return next(str(c["reason"]) for c in told["conditions"] if c["type"] == kind and c["status"] == "True")


def note(world: World, name: str, of: str, where: str) -> str:
    """What the Event of this reason about these units says beside a pod or the policy, once it is there."""
    path = f"/apis/events.k8s.io/v1/namespaces/{world.namespace}/events"

    def found() -> str:
        events = (e for e in world.plane.api.items(path) if e["regarding"]["name"] == name)
        return next((str(e["note"]) for e in events if e["reason"] == of and where in e["note"]), "")

    return world.plane.wait(found, what=f"an event {of} beside {name}, about {where}")


def metrics(port: int) -> dict[str, float]:
    """By name and unit, or outcome, those of the one policy there is."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    found = {}
    for sample in (sample for family in families for sample in family.samples):
        of = sample.labels.get("unit") or sample.labels.get("outcome") or ""
        found[f"{sample.name.removeprefix('resourcepolicy_')} {of}".strip()] = sample.value
    return found


def test_nodes_that_are_asked_for_are_told_until_they_have_their_pods(world: World) -> None:
    """W1: in the status, beside policy and pods, and in metrics."""
    (port,) = free_ports(1)
    world.policy(elastic("slow", max=5))
    with Watcher(world.plane, NODE_GROUPS, "--metrics", f"127.0.0.1:{port}"):
        await_states(world, "Growable")
        world.create_pods("a", "b")
        told = await_states(world, "WaitingForNodes")
        assert (told["units"][0]["asked"], told["pending"], told["placed"]) == (2, 2, "0/5")
        assert reason(told, "WaitingForNodes") == "NodesAsked"
        assert note(world, "gpus", "WaitingForNodes", "units[0]") == "nodes were asked for in units[0]"
        assert (
            note(world, "a", "WaitingForNodes", "units[0]")
            == "nodes were asked for in units[0] of ResourcePolicy gpus"
        )
        world.await_bound("a", "b")
        told = await_states(world, "Growable")
        assert (told["units"][0]["asked"], told["pending"], told["placed"]) == (0, 0, "2/5")
        world.await_nothing_asked()
        seen = metrics(port)
    assert (seen["pod_scale_up_request_seconds_count 0"], seen["pod_scheduling_seconds_count 0"]) == (2, 2)
    assert 0 < seen["pod_scale_up_request_seconds_sum 0"] < seen["pod_scheduling_seconds_sum 0"]
    assert (seen["node_requests_total asked"], seen["node_requests_total provisioned"]) == (1, 1)
    assert (seen["unit_pods 0"], seen["unit_nodes 0"], seen["pending_pods"]) == (2, 2, 0)


def test_a_unit_that_cannot_grow_is_told_and_that_the_next_one_was_asked(world: World) -> None:
    """W4: to whom waits, and for as long as it cannot; and that the pod overflowed."""
    (port,) = free_ports(1)
    world.policy(elastic("dry"), elastic("slow"))
    watcher = Watcher(world.plane, NODE_GROUPS, "--metrics", f"127.0.0.1:{port}")
    with watcher, out_of_stock(world.plane, "dry"):
        world.create_pods("a")
        told = await_states(world, "NotGrowable", "WaitingForNodes")
        assert "units[0]: " in next(c["message"] for c in told["conditions"] if c["type"] == "NotGrowable")
        passed = note(world, "a", "WaitingForNodes", "units[1]")
        assert passed.startswith(
            "nodes were asked for in units[1] of ResourcePolicy gpus; units[0] is passed over"
        )
        assert "no stock" in passed
        assert "no stock" in note(world, "gpus", "NotGrowable", "units[0]: ")
        world.await_bound("a")
        assert world.pool_of("a") == "slow"
        world.await_nothing_asked()
        world.plane.wait(lambda: metrics(port).get("overflowed_pods_total 1") == 1, what="the overflow")


def test_a_group_is_known_by_its_nodes_once_it_has_had_one(world: World) -> None:
    """W4: and its unit is passed over for as long as the autoscaler tells that it is at its maximum."""
    world.policy(elastic("tiny"), elastic("slow"))
    with Watcher(world.plane, MARKED) as watcher:
        world.create_pods("a")
        world.await_bound("a")
        world.create_pods("b")
        world.await_bound("b")
        assert [world.pool_of(name) for name in "ab"] == ["tiny", "slow"]
        passed = "passed over until the autoscaler lifts it: AtMaximum tiny: at its maximum of 1"
        world.plane.wait(lambda: watcher.says(passed), what="what is known of the groups", seconds=20)
        world.await_nothing_asked()


def test_a_node_that_lost_its_gpu_is_named_until_it_has_one_again(world: World) -> None:
    """A8: later versions buy nothing while there is one (kubernetes/autoscaler#10301).

    1.33.0 leaves such a node out before it counts, and buys. When that fails here, the state has come to us.
    """
    world.plane.create_node("dc-dead", {"pool": "dc", GPU_LABEL: "A10"}, gpus=0)
    world.policy(ecs("dc"), elastic("slow"))
    with Watcher(world.plane, "watcher: {gpu_ready_timeout_seconds: 2}") as watcher:
        told = await_condition(world, "GpuLost", "True")
        assert told.startswith("dc-dead: labelled as having a GPU, and offering none")
        assert "kubernetes/autoscaler#10301" in told
        assert watcher.says("dc-dead: labelled as having a GPU") == 1
        world.create_pods("a")
        world.await_bound("a")
        assert world.pool_of("a") == "slow"
        world.plane.api.patch("/api/v1/nodes/dc-dead/status", {"status": {"allocatable": {GPU: "1"}}})
        await_condition(world, "GpuLost", "False")
        world.await_nothing_asked()
