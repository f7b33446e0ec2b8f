"""What the watcher tells of each unit: nodes on their way, and why none come (W4, W5, L5)."""

import pytest

from cluster.settings import Backend, Settings, WatcherSettings
from tests.builders import a_node, a_policy
from tests.unit.watcher.fixtures import DC, FAR, NEAR, World, room, waiting
from watcher.provisioner.autoscaler_status import AutoscalerStatus, NodeGroup
from watcher.provisioner.interface import RequestPhase
from watcher.scaleup.scaleup_status import AutoscalerHealth, Blocked, BlockReason, UnitScaleUp


def test_the_outlook_tells_what_was_asked_for_and_has_not_arrived() -> None:
    """L5: unit by unit, those that wait for no nodes aside."""
    world = World(a_policy(DC, NEAR, FAR))
    world.put(*map(waiting, "ab"))
    world.reconcile()
    asked_at = world.clock()
    world.after_phase(RequestPhase.PROVISIONED)
    scaleup_status = world.latest_status.latest()
    assert scaleup_status.health is AutoscalerHealth.SERVING
    assert scaleup_status.units == {
        ("default/policy", 1): UnitScaleUp(requested=2, pods=frozenset("ab"), since=asked_at),
        ("default/policy", 2): UnitScaleUp(),
    }
    world.put(room("new", "near"))
    world.bind("a", "new")
    world.reconcile()
    assert world.latest_status.latest().of("default/policy", 1) == UnitScaleUp(
        requested=1, pods=frozenset("b"), since=asked_at
    )


def test_the_outlook_tells_why_a_unit_is_passed_over_and_until_when() -> None:
    """W4, L5: in the autoscaler's words."""
    world = World(a_policy(NEAR))
    world.put(waiting("a"))
    world.reconcile()
    world.autoscaler.current_status = AutoscalerStatus("1", (NodeGroup("near", backoff="no stock"),))
    world.autoscaler.set_phase(RequestPhase.FAILED)
    world.reconcile()
    failed_at = world.clock()
    world.reconcile()
    blocked = Blocked(BlockReason.BACK_OFF, "near: no stock", failed_at + 60)
    assert world.latest_status.latest().of("default/policy", 0) == UnitScaleUp(blocked=blocked)
    assert not world.latest_status.latest().of("default/policy", 0).growable


@pytest.mark.parametrize(
    ("backend", "health"),
    [(Backend.NONE, AutoscalerHealth.OFF), (Backend.AUTO, AutoscalerHealth.NOT_SERVED)],
)
def test_the_outlook_tells_that_nobody_is_asked(backend: Backend, health: AutoscalerHealth) -> None:
    """W5."""
    world = World(a_policy(NEAR), settings=Settings(watcher=WatcherSettings(backend=backend)))
    assert world.latest_status.latest().health is AutoscalerHealth.UNKNOWN
    world.autoscaler.serves = False
    world.reconcile()
    assert world.latest_status.latest().health is health


@pytest.mark.parametrize("backend", [Backend.AUTO, Backend.NONE])
def test_a_node_that_lost_its_gpu_is_named_once_it_is_not_merely_booting(backend: Backend) -> None:
    """A8: later versions of the autoscaler buy nothing while there is one (kubernetes/autoscaler#10301)."""
    world = World(a_policy(DC, NEAR), settings=Settings(watcher=WatcherSettings(backend=backend)))
    world.put(a_node("dead", "dc", labels={"accelerator": "a10"}))
    world.reconcile(2)
    world.reconcile(100)
    assert world.latest_status.latest().unready_gpus == ()
    world.reconcile(30)
    assert world.latest_status.latest().unready_gpus == ("dead",)
    world.put(a_node("dead", "dc", labels={"accelerator": "a10"}, allocatable={"nvidia.com/gpu": "1"}))
    world.reconcile(2)
    assert world.latest_status.latest().unready_gpus == ()
