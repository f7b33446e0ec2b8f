"""Which pods are held from the autoscaler, for how long, and which are left alone (A1, A8, A10, M4, M8)."""

from dataclasses import replace

import pytest

from cluster.settings import Backend, Settings, WatcherSettings
from policy.api import wellknown
from policy.api.objects import Pod
from policy.api.options import OnConflict
from tests.builders import LATER, NOW, a_pod, a_policy
from tests.unit.watcher.fixtures import FAR, NEAR, World, room, waiting
from watcher.provisioner.autoscaler_status import UNKNOWN, AutoscalerStatus
from watcher.provisioner.interface import RequestPhase
from watcher.scaleup.pod_holds import hold_changes
from watcher.scaleup.scaleup_status import AutoscalerHealth


def test_where_several_policies_mean_refusal_nothing_is_asked() -> None:
    """M4: the extender refuses the pod everywhere."""
    settings = Settings(on_conflict=OnConflict.REJECT)
    world = World(a_policy(NEAR), a_policy(FAR, name="other"), settings=settings)
    world.put(waiting("a"))
    assert world.reconcile() == []
    assert [change.held for change in world.held] == [True]


def test_a_pod_that_the_scheduler_leaves_beside_a_free_node_is_left_to_the_autoscaler() -> None:
    """W1: it has filters that we have not, anti-affinity for one; held, the pod would be pending for good."""
    world = World(a_policy(NEAR))
    world.put(replace(waiting("a"), annotations=OURS), room("near-1", "near"))
    for seconds, released in ((0.2, False), (59, False), (3, False), (0.2, True)):
        assert world.reconcile(seconds) == []
        assert ([change.held for change in world.held] == [False]) is released
    world.put(replace(waiting("b"), node_name="near-1"))
    assert world.reconcile(3) == [(0, ["a"])]
    world.put(waiting("a"))
    world.reconcile(3)
    assert [change.held for change in world.held] == [True]


def test_pods_that_the_extender_is_not_asked_about_are_left_alone() -> None:
    """M8."""
    world = World(a_policy(NEAR))
    world.put(a_pod("a", requests={"cpu": "1"}, unschedulable=True))
    assert world.reconcile() == []
    assert not world.held


@pytest.mark.parametrize(
    ("backend", "serves"), [(Backend.NONE, True), (Backend.AUTO, False)], ids=["switched off", "not served"]
)
def test_an_observer_asks_nothing_and_takes_its_holds_back(backend: Backend, *, serves: bool) -> None:
    """A1, A8, A10, W5."""
    world = World(a_policy(NEAR), settings=Settings(watcher=WatcherSettings(backend=backend)))
    world.autoscaler.serves = serves
    world.put(replace(waiting("a"), annotations=OURS))
    assert world.reconcile() == []
    assert [change.held for change in world.held] == [False]


@pytest.mark.parametrize(
    "said", [UNKNOWN, AutoscalerStatus(unreadable="forbidden")], ids=["none", "unreadable"]
)
def test_where_no_autoscaler_has_ever_told_anything_nothing_is_held(said: AutoscalerStatus) -> None:
    """A1, A8, W5: the API is served, and nobody is behind it; or we may not see who."""
    world = World(a_policy(NEAR))
    world.autoscaler.current_status = said
    world.put(replace(waiting("a"), annotations=OURS))
    assert world.reconcile() == []
    assert [change.held for change in world.held] == [False]
    assert world.latest_status.latest().health is AutoscalerHealth.NOT_SERVED


def test_an_autoscaler_that_was_there_is_waited_for() -> None:
    """A8: it acts on pods that are not held as soon as it is back, and takes any group."""
    world = World(a_policy(NEAR))
    world.reconcile()
    world.autoscaler.current_status = UNKNOWN
    world.put(waiting("a"))
    assert world.reconcile(2) == []
    assert [change.held for change in world.held] == [True]


def test_holds_end_while_a_live_autoscaler_does_not_answer_and_return_when_it_does() -> None:
    """A1, A8: requests are switched off there, and a held pod would get no node at all."""
    world = World(a_policy(NEAR))
    held = replace(waiting("a"), annotations=OURS)
    world.put(held)
    world.reconcile()
    world.reconcile()
    world.autoscaler.current_status = replace(world.autoscaler.current_status, updated="2")
    world.reconcile(61)
    world.reconcile()
    assert [change.held for change in world.held] == [False]
    world.put(waiting("a"))
    world.after_phase(RequestPhase.PROVISIONED)
    assert [change.held for change in world.held] == [True]


def test_holds_stay_while_the_autoscaler_is_dead() -> None:
    """A8: nothing could act on them, and it will serve the request when it is back."""
    world = World(a_policy(NEAR))
    world.put(replace(waiting("a"), annotations=OURS))
    world.reconcile()
    for _ in range(3):
        world.reconcile(61)
    assert not world.held


def held_for(seconds: int) -> dict[str, str]:
    """The annotations of a pod of that age at NOW, and so much left of its hold."""
    value = f"{NOW - LATER + seconds:.0f}s"
    return {wellknown.POD_SCALE_UP_DELAY: value, wellknown.HELD: value}


OURS, THEIRS = held_for(1800), {wellknown.POD_SCALE_UP_DELAY: "5m"}


@pytest.mark.parametrize(
    ("pod", "due", "change"),
    [
        pytest.param(a_pod("a"), True, "9800s", id="a pending pod is held, from its age on"),
        pytest.param(a_pod("a", annotations=THEIRS), True, None, id="what the user set is left alone"),
        pytest.param(a_pod("a", annotations={**OURS, **THEIRS}), True, None, id="even over ours"),
        pytest.param(a_pod("a", annotations=OURS), True, None, id="held once"),
        pytest.param(a_pod("a", annotations=held_for(901)), True, None, id="until half of it is over"),
        pytest.param(a_pod("a", annotations=held_for(899)), True, "9800s", id="and then renewed"),
        pytest.param(a_pod("a", annotations=OURS), False, "", id="released when no longer due"),
        pytest.param(a_pod("a", annotations=THEIRS), False, None, id="what the user set is not removed"),
        pytest.param(a_pod("a", on="n", annotations=OURS), False, None, id="a placed pod needs no release"),
        pytest.param(a_pod("a", terminating=True), True, None, id="a leaving pod needs no hold"),
    ],
)
def test_a_hold_is_put_and_taken_where_it_is_ours(pod: Pod, *, due: bool, change: str | None) -> None:
    """A1, A10."""
    found = hold_changes([pod], {"a"} if due else set(), NOW, 1800)
    assert [c.delay for c in found] == ([] if change is None else [change])
