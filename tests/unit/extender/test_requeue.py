"""Who is woken, when, and how often: rounds under a clock of ours."""

import logging
from collections.abc import Callable
from threading import Event

import pytest

from extender.metrics import Metrics
from extender.requeue import Requeue
from policy.api.objects import Pod
from policy.api.resourcepolicy import NextUnits
from tests.builders import NOW, a_node, a_pod, a_policy, a_unit
from tests.unit.extender.fixtures import CAPPED, CLOUD, DC, World, bound

ROOM = {"pods": "10000", "cpu": "10000"}
BIG = a_node("dc-1", "dc", allocatable=ROOM)
ONE_SLOT = a_policy(a_unit("dc", max=1))
HOLDER = bound("holder", "dc-1")
SETTLED = 0.4


class Wakes:
    """A requeue over a world, and the names of the pods that it woke, in order."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.woken: list[str] = []
        self.fails: Callable[[Pod], bool] = lambda _: False
        self.not_ready_reason = ""
        self.metrics = Metrics()
        self.requeue = Requeue(
            world.cache, world.clock, self.patch, lambda: self.not_ready_reason, self.metrics
        )

    def patch(self, pod: Pod) -> bool:
        if self.fails(pod):
            return False
        self.woken.append(pod.name)
        return True

    def after(self, seconds: float) -> list[str]:
        """Whom the round wakes that comes so much later."""
        self.world.clock.now += seconds
        self.woken.clear()
        self.requeue.round()
        return list(self.woken)


def refused(wakes: Wakes, *pods: Pod) -> None:
    """The watch brings them and the scheduler asks; a moment passes."""
    for pod in pods:
        wakes.world.publish(pod)
        assert not wakes.world.decide(pod).nodes
    wakes.after(1.0)


def full(*more: Pod) -> Wakes:
    """One slot, taken, and pods that were refused for it."""
    wakes = Wakes(World(BIG, CLOUD, ONE_SLOT, HOLDER))
    refused(wakes, *more)
    return wakes


# Causes.


def test_a_slot_that_is_free_again_wakes_a_pod_once() -> None:
    """E9: the scheduler was told nothing that it would act on."""
    wakes = full(a_pod("a"))
    assert wakes.after(10) == []
    wakes.world.tell_gone(HOLDER)
    assert wakes.after(SETTLED / 2) == [], "the scheduler may ask again by itself"
    assert wakes.after(SETTLED) == ["a"]
    assert [wakes.after(1) for _ in range(5)] == [[]] * 5


def test_a_pod_that_was_asked_about_since_is_left_alone() -> None:
    wakes = full(a_pod("a"))
    wakes.world.tell_gone(HOLDER)
    wakes.world.clock.now += 0.1
    wakes.world.ask(a_pod("a"))
    assert wakes.after(SETTLED) == []


def test_a_pod_that_was_refused_again_since_the_change_is_left_alone() -> None:
    """The slot is free and the node looks free to us; the scheduler knows more, and did not name it."""
    wakes = full(a_pod("a"))
    wakes.world.tell_gone(HOLDER)
    wakes.world.clock.now += 0.1
    assert not wakes.world.decide(a_pod("a"), ["cloud-1"]).nodes
    assert wakes.after(SETTLED) == []


def test_a_woken_pod_that_is_refused_again_can_be_woken_again() -> None:
    wakes = full(a_pod("a"))
    wakes.world.tell_gone(HOLDER)
    for number in range(3):
        assert wakes.after(SETTLED) == ["a"]
        faster = bound(f"faster-{number}", "dc-1")
        wakes.world.publish(faster)
        wakes.world.clock.now += 0.1
        assert not wakes.world.decide(a_pod("a")).nodes
        assert wakes.after(1) == []
        wakes.world.tell_gone(faster)


@pytest.mark.parametrize(
    "cause",
    [
        pytest.param(lambda w: w.publish(a_policy(a_unit("dc", max=2))), id="the cap is raised"),
        pytest.param(
            lambda w: w.publish(a_policy(a_unit("dc", max=1), a_unit("cloud"))), id="a unit is added"
        ),
        pytest.param(lambda w: w.tell_gone(ONE_SLOT), id="the policy is deleted"),
        pytest.param(
            lambda w: w.publish(a_policy(a_unit("dc"), name="older", created=1.0)), id="another governs"
        ),
        pytest.param(
            lambda w: w.publish(a_policy(a_unit("dc", max=1), selector={"app": "x"})),
            id="none governs any more",
        ),
        pytest.param(
            lambda w: w.publish(bound("holder", "dc-1", terminating=True)), id="the holder terminates"
        ),
    ],
)
def test_what_the_scheduler_does_not_act_on_wakes_the_pod(cause: Callable[[World], None]) -> None:
    wakes = full(a_pod("a", requests={"pods": "0"}))
    wakes.world.publish(a_node("cloud-1", "cloud", allocatable=ROOM))
    wakes.after(1)
    wakes.world.ask(a_pod("a", requests={"pods": "0"}))
    wakes.world.clock.now += 1
    cause(wakes.world)
    assert wakes.after(SETTLED) == ["a"]


@pytest.mark.parametrize(
    "cause",
    [
        pytest.param(lambda w: w.publish(a_policy(a_unit("dc", max=0))), id="the cap is lowered"),
        pytest.param(lambda w: w.publish(a_node("dc-2", "dc", allocatable=ROOM)), id="more room, no slot"),
        pytest.param(lambda w: w.publish(a_node("x", "x")), id="a node in no unit"),
        pytest.param(
            lambda w: w.publish(a_policy(namespace="elsewhere")), id="a policy of another namespace"
        ),
        pytest.param(lambda w: w.publish(bound("stranger", "dc-1", namespace="elsewhere")), id="a stranger"),
        pytest.param(lambda w: w.tell_gone(a_pod("a")), id="the pod is gone"),
        pytest.param(lambda w: w.publish(bound("a", "cloud-1")), id="the pod is bound"),
    ],
)
def test_what_helps_no_pod_wakes_none(cause: Callable[[World], None]) -> None:
    wakes = full(a_pod("a"))
    cause(wakes.world)
    assert wakes.after(SETTLED) == []
    assert wakes.after(SETTLED) == []


def test_a_slot_that_expired_wakes_the_next_pod() -> None:
    """Its own pod is touched before, so that a watch with nothing to tell shows where it stands."""
    world = World(BIG, CLOUD, ONE_SLOT, a_pod("holder"))
    world.ask(a_pod("holder"))
    wakes = Wakes(world)
    refused(wakes, a_pod("a"))
    assert wakes.after(500) == ["holder"]
    assert wakes.after(100) == []
    assert wakes.after(SETTLED) == ["a"]


def test_a_slot_whose_pod_was_woken_too_early_to_tell_is_looked_after_again() -> None:
    """E6, E7: the watch has to be heard some seconds after the slot was given, or it stays for minutes."""
    victim, urgent = bound("victim", "dc-1"), a_pod("urgent", priority=1000)
    wakes = Wakes(World(BIG, CLOUD, ONE_SLOT, victim, urgent))
    wakes.world.extender.preempt(urgent, {"dc-1": ["victim"]})
    wakes.after(1.0)
    wakes.world.tell_gone(victim)
    assert wakes.after(SETTLED) == ["urgent"]
    assert wakes.after(10) == ["urgent"]
    assert wakes.after(10) == []


def test_a_label_that_brings_a_node_into_the_unit_wakes_the_pod() -> None:
    """E11: the scheduler knew the label before we did, asked, and has no reason to ask again."""
    wakes = Wakes(World(a_node("dc-1", allocatable=ROOM), CLOUD, ONE_SLOT))
    refused(wakes, a_pod("a"))
    wakes.world.publish(BIG)
    assert wakes.after(SETTLED) == ["a"]


# Timers.


def test_the_end_of_its_timer_wakes_a_pod_once() -> None:
    """O5: nothing happens in the cluster at that moment."""
    policy = a_policy(
        a_unit("dc", max=5), a_unit("cloud"), mode=NextUnits.TIMEOUT_OR_EXCEED_MAX, timeout="10s"
    )
    wakes = Wakes(World(DC, CLOUD, policy))
    pod = a_pod("a", requests={"cpu": "1"})
    assert not wakes.world.decide(pod, ["cloud-1"]).nodes
    assert wakes.after(9.5) == []
    assert wakes.after(0.5) == ["a"]
    assert wakes.after(10) == []
    assert wakes.world.ask(pod, ["cloud-1"]) == 1


def test_a_timer_and_a_change_at_once_wake_a_pod_once() -> None:
    policy = a_policy(
        a_unit("dc", max=5), a_unit("cloud"), mode=NextUnits.TIMEOUT_OR_EXCEED_MAX, timeout="10s"
    )
    wakes = Wakes(World(DC, CLOUD, policy))
    assert not wakes.world.decide(a_pod("a"), ["cloud-1"]).nodes
    wakes.world.clock.now += 10
    wakes.world.publish(a_node("dc-2", "dc", allocatable=ROOM))
    assert wakes.after(SETTLED) == ["a"]
    assert wakes.after(SETTLED) == []


# Storms.


def crowd(count: int) -> list[Pod]:
    return [a_pod(f"pod-{number:04}", created=NOW + number) for number in range(count)]


def test_one_slot_wakes_one_pod_of_a_thousand_the_oldest() -> None:
    """E8."""
    wakes = full(*crowd(1000))
    wakes.world.tell_gone(HOLDER)
    assert wakes.after(SETTLED) == ["pod-0000"]
    assert wakes.after(SETTLED) == []


def test_a_thousand_slots_wake_a_thousand_pods_some_at_a_time() -> None:
    wakes = full(*crowd(1000))
    wakes.world.publish(a_policy(a_unit("dc", max=2000)))
    rounds = [wakes.after(SETTLED) for _ in range(25)]
    assert [name for woken in rounds for name in woken] == [pod.name for pod in crowd(1000)]
    assert max(len(woken) for woken in rounds) <= 50


def test_a_place_that_the_woken_pod_cannot_use_is_the_next_ones() -> None:
    """E9: the scheduler knows why it is not this pod's; it may be another's."""
    wakes = full(a_pod("a"), a_pod("b"), a_pod("c"))
    wakes.world.tell_gone(HOLDER)
    woken = []
    for _ in range(5):
        names = wakes.after(SETTLED)
        woken += names
        wakes.world.clock.now += 0.1
        for name in names:
            assert not wakes.world.decide(a_pod(name), ["cloud-1"]).nodes
    assert woken == ["a", "b", "c"]


def test_a_place_that_the_woken_pod_takes_wakes_no_other() -> None:
    wakes = full(a_pod("a"), a_pod("b"))
    wakes.world.tell_gone(HOLDER)
    assert wakes.after(SETTLED) == ["a"]
    wakes.world.clock.now += 0.1
    wakes.world.publish(bound("a", "dc-1"))
    assert [wakes.after(SETTLED) for _ in range(3)] == [[]] * 3


def test_a_crowd_that_the_change_does_not_help_hides_nobody() -> None:
    """C2: all but the last are of a full group, or too large."""
    policy = a_policy(a_unit("dc", max=1), match_label_keys=("group",))
    holders = [bound(f"holder-{group}", "dc-1", labels={"group": group}) for group in "ab"]
    wakes = Wakes(World(BIG, CLOUD, policy, *holders))
    refused(wakes, *(a_pod(f"a-{number}", labels={"group": "a"}, priority=9) for number in range(200)))
    refused(wakes, a_pod("b", labels={"group": "b"}))
    wakes.world.tell_gone(holders[1])
    assert wakes.after(SETTLED) == ["b"]


def test_change_upon_change_delays_the_poke_no_longer_than_one() -> None:
    wakes = full(a_pod("a"))
    wakes.world.tell_gone(HOLDER)
    woken = []
    for number in range(10):
        wakes.world.publish(a_node("flapping", "dc", allocatable={"cpu": str(number)}))
        woken += wakes.after(0.1)
    assert woken == ["a"]


# Faults.


def test_a_poke_that_failed_is_repeated() -> None:
    wakes = full(a_pod("a"))
    wakes.fails = lambda _: True
    wakes.world.tell_gone(HOLDER)
    assert wakes.after(SETTLED) == []
    wakes.fails = lambda _: False
    assert wakes.after(2) == ["a"]
    assert wakes.after(2) == []


def test_a_pod_that_cannot_be_poked_keeps_no_other_from_it() -> None:
    wakes = full(*crowd(3))
    wakes.fails = lambda pod: pod.name == "pod-0000"
    wakes.world.publish(a_policy(a_unit("dc", max=9)))
    woken = [name for _ in range(5) for name in wakes.after(2)]
    assert sorted(woken) == ["pod-0001", "pod-0002"]


def test_a_refusal_that_overtakes_the_answer_to_the_poke_is_not_taken_for_an_earlier_one() -> None:
    """The scheduler can ask before the patch has come back to us."""
    wakes = full(a_pod("a"))
    faster = bound("faster", "dc-1")

    def asked_at_once(pod: Pod) -> bool:
        wakes.world.publish(faster)
        wakes.world.clock.now += 0.01
        wakes.world.ask(pod)
        wakes.world.clock.now += 0.01
        return False

    wakes.fails = asked_at_once
    wakes.world.tell_gone(HOLDER)
    assert wakes.after(SETTLED) == ["a"]
    wakes.fails = lambda _: False
    wakes.world.tell_gone(faster)
    assert wakes.after(SETTLED) == ["a"]


def test_nobody_is_woken_while_the_server_may_not_answer() -> None:
    """E4: it would be asked, and could only say `Error`."""
    wakes = full(a_pod("a"))
    wakes.world.tell_gone(HOLDER)
    wakes.not_ready_reason = "another replica leads"
    assert wakes.after(10) == []
    wakes.not_ready_reason = ""
    assert wakes.after(SETTLED) == ["a"]


def test_pods_that_a_former_server_refused_are_woken_once() -> None:
    """O9: their timers and the reasons for their refusal went with it."""
    pending = [a_pod("a", unschedulable=True), a_pod("foreign", unschedulable=True, namespace="elsewhere")]
    wakes = Wakes(World(BIG, CAPPED, *pending, a_pod("not-yet-tried"), bound("placed", "dc-1")))
    assert wakes.after(0) == ["a"]
    assert wakes.after(10) == []


def test_pods_that_were_refused_before_a_pause_are_woken_once_after_it() -> None:
    """C7, E9: until they are asked about again they are in doubt, and others wait for that."""
    wakes = full(a_pod("a", unschedulable=True), a_pod("asked", unschedulable=True))
    wakes.not_ready_reason = "what it knows of the cluster is too old"
    assert wakes.after(40) == []
    wakes.not_ready_reason = ""
    wakes.world.clock.now += 0.1
    wakes.world.ask(a_pod("asked"))
    assert wakes.after(0) == ["a"]
    assert wakes.after(10) == []


def test_a_bug_in_a_round_does_not_end_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    wakes = full(a_pod("a"))
    woken, stumbled = Event(), Event()

    def stumble(_: Pod) -> bool:
        if not stumbled.is_set():
            stumbled.set()
            raise RuntimeError("a bug of ours")
        woken.set()
        return False

    wakes.fails = stumble
    for number in range(2):
        wakes.world.publish(a_pod(f"another-{number}"))
        wakes.world.ask(a_pod(f"another-{number}"))
    wakes.world.clock.now += 1
    wakes.world.publish(a_policy(a_unit("dc", max=9)))
    wakes.world.clock.now += 1
    with caplog.at_level(logging.ERROR):
        wakes.requeue.start()
        try:
            assert woken.wait(10)
        finally:
            wakes.requeue.stop()
    assert "a bug of ours" in caplog.text


def test_pokes_are_counted() -> None:
    wakes = full(a_pod("a"))
    wakes.world.tell_gone(HOLDER)
    wakes.after(SETTLED)
    assert wakes.metrics.registry.get_sample_value("resourcepolicy_requeues_total") == 1
