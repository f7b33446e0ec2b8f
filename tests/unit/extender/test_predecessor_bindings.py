"""After a start: what a predecessor approved may still land (C7), and what nobody will use is given back."""

from dataclasses import replace

import pytest

from extender.metrics import Metrics
from extender.requeue import Requeue
from extender.service import NotReady
from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.refusals import Reason
from tests.builders import a_node, a_pod, a_policy, a_unit
from tests.unit.extender.fixtures import BOTH, CAPPED, CLOUD, DC, World

GPU = "nvidia.com/gpu"


def restarted(*told: object) -> World:
    return World(DC, CLOUD, *told, handover_grace_seconds=60.0)  # type: ignore[arg-type]


class Pokes:
    """A requeue whose rounds are run by hand, and whom it requeued."""

    def __init__(self, world: World) -> None:
        self.names: list[str] = []
        self._world = world
        extender = world.extender
        self._requeue = Requeue(
            world.cache,
            world.clock,
            self._patch,
            extender.not_ready_reason,
            Metrics(),
            extender.resolve_inflight,
        )

    def run(self, seconds: float) -> None:
        until = self._world.clock.now + seconds
        while self._world.clock.now < until:
            self._world.clock.now += 0.1
            self._requeue.round()

    def _patch(self, pod: Pod) -> bool:
        self.names.append(pod.name)
        return True


def woken(*told: object) -> tuple[World, Pokes]:
    world = restarted(CAPPED, *told)
    requeues = Pokes(world)
    requeues.run(1.0)  # what was told first has changed nothing for anybody
    return world, requeues


def test_a_slot_is_not_given_away_while_a_binding_from_before_may_need_it() -> None:
    world = restarted(CAPPED, a_pod("before"))
    assert world.ask(a_pod("new")) == Reason.WAITING_FOR_BINDINGS
    assert not world.held


def test_a_pod_that_is_asked_about_is_not_on_its_way() -> None:
    world = restarted(CAPPED, a_pod("before"))
    assert world.ask(a_pod("before")) == 0
    assert world.ask(a_pod("new")) == 1


@pytest.mark.parametrize(
    "after",
    [
        pytest.param([a_pod("before", on="cloud-1")], id="C7: it was bound elsewhere"),
        pytest.param([], id="C7: it is gone"),
    ],
)
def test_the_doubt_ends_when_the_pod_is_settled(after: list[object]) -> None:
    world = restarted(CAPPED, a_pod("before"))
    assert world.ask(a_pod("new")) == Reason.WAITING_FOR_BINDINGS
    if after:
        world.publish(*after)  # type: ignore[arg-type]
    else:
        world.tell_gone(a_pod("before"))
    world.clock.now += 0.1
    assert world.ask(a_pod("new")) == 0


def test_the_doubt_ends_with_the_time_to_settle() -> None:
    world = restarted(CAPPED, a_pod("before"))
    assert world.ask(a_pod("new")) == Reason.WAITING_FOR_BINDINGS
    world.clock.now += 60
    assert world.ask(a_pod("new")) == 0


def test_who_waits_for_a_doubt_preempts_nobody() -> None:
    """C7: nor does who would get other victims if the doubtful pods were bound."""
    world = restarted(CAPPED, a_pod("before"))
    world.ask(a_pod("new"))
    for name in ("new", "never asked about"):
        with pytest.raises(NotReady, match="from before its start"):
            world.extender.preempt(a_pod(name), {"dc-1": ["v"]})
    world.publish(a_pod("before", on="cloud-1"))
    world.clock.now += 0.1
    preempted = world.extender.preempt(a_pod("new"), {"dc-1": ["v"]})
    assert preempted is not None
    assert preempted.decision.unit == 0


def test_nobody_dies_on_a_node_where_a_doubt_would_refuse_the_preemptor() -> None:
    """P2: a victim that counts frees its slot; one that does not leaves it to the pod in doubt."""
    mate, other = a_pod("mate", on="dc-2"), a_pod("other", on="dc-1", namespace="elsewhere")
    capped = a_policy(a_unit("dc", max=2))
    world = restarted(a_node("dc-2", "dc"), capped, mate, other, a_pod("before"))
    preempted = world.extender.preempt(a_pod("new"), {"dc-1": ["other"], "dc-2": ["mate"]})
    assert preempted is not None
    assert list(preempted.decision.nodes) == ["dc-2"]
    world.tell_gone(mate)
    assert world.ask(a_pod("new", nominated_node="dc-2"), ["dc-2"]) == 0


def test_the_slot_of_a_nominated_pod_survives_a_restart_and_a_refusal_after_it() -> None:
    """E7: the victims are still leaving when other nodes are asked about."""
    nominated = a_pod("urgent", nominated_node="dc-1", priority=9)
    leaving = a_pod("victim", on="dc-1", terminating=True)
    world = restarted(a_policy(a_unit("dc", max=1)), leaving, nominated)
    assert world.ask(nominated, ["cloud-1"]) == Reason.OUTSIDE_UNITS
    assert world.ask(a_pod("new"), ["dc-1"]) == Reason.MAX_REACHED
    world.tell_gone(leaving)
    assert world.ask(a_pod("new"), ["dc-1"]) == Reason.MAX_REACHED
    assert world.ask(nominated, ["dc-1"]) == 0


def test_the_slot_of_a_nominated_pod_goes_when_preempt_helps_it_nowhere() -> None:
    """E7: kube-scheduler asks once nobody is leaving, and does not end the nomination by such an answer."""
    nominated = a_pod("urgent", nominated_node="dc-1", priority=9)
    world = restarted(a_policy(a_unit("dc", max=1)), nominated)
    assert world.ask(a_pod("new"), ["dc-1"]) == Reason.MAX_REACHED
    preempted = world.extender.preempt(nominated, {})
    assert preempted is not None
    assert world.ask(a_pod("new"), ["dc-1"]) == 0


def test_a_server_that_leads_again_doubts_its_old_slots() -> None:
    """C7: who led meanwhile may have sent the pod to another unit than we did."""
    second_of_two = a_policy(a_unit("dc", max=1), a_unit("cloud", max=1))
    world = restarted(second_of_two, a_pod("a"))
    assert world.ask(a_pod("a")) == 0
    world.ready = False
    with pytest.raises(NotReady):
        world.ask(a_pod("b"))
    world.ready = True
    assert world.ask(a_pod("b"), ["cloud-1"]) == Reason.WAITING_FOR_BINDINGS
    assert world.held == {"a": 0}
    world.publish(a_pod("a", on="cloud-1"))
    assert world.ask(a_pod("b")) == 0


def test_who_was_held_back_is_woken_when_the_doubt_ends() -> None:
    world, requeues = woken(a_pod("before"))
    assert world.ask(a_pod("new")) == Reason.WAITING_FOR_BINDINGS
    requeues.run(1.0)
    assert requeues.names == []
    world.ask(a_pod("before"), ["cloud-1"])
    requeues.run(1.0)
    assert requeues.names == ["new"]


def test_who_was_held_back_by_many_is_woken_a_few_times_only() -> None:
    """E8: a storm of questions, each of which ends a doubt, is not answered by a storm of touches."""
    before = [a_pod(f"before-{number}") for number in range(64)]
    world, requeues = woken(*before)
    for pod in [a_pod("new"), *before]:
        world.ask(pod, ["cloud-1"])
        requeues.run(0.5)
        if requeues.names[-1:] == ["new"]:
            world.ask(a_pod("new"), ["cloud-1"])
    requeues.run(2.0)
    assert 1 <= requeues.names.count("new") <= 8


def test_in_a_silent_cluster_one_pod_is_touched_so_that_the_doubts_can_end() -> None:
    """A pod for which the room is gone is not on its way, once the watch has been heard to say so."""
    world, requeues = woken(a_pod("before", requests={GPU: "1"}), a_pod("other", requests={GPU: "1"}))
    world.ask(a_pod("new"))
    for node in BOTH:
        guest = a_pod(f"guest of {node}", requests={GPU: "1"}, on=node)
        world.publish(replace(guest, namespace="elsewhere"))
    requeues.run(10.0)
    assert requeues.names == ["before"]
    assert world.ask(a_pod("new")) == Reason.WAITING_FOR_BINDINGS, "the touch has not come back"
    world.publish(a_pod("before", requests={GPU: "1"}))
    requeues.run(2.0)
    assert requeues.names == ["before", "new"]
    assert world.ask(a_pod("new")) == 0


def test_an_answer_that_does_not_hang_on_the_doubt_is_given_at_once() -> None:
    uncapped = a_policy(a_unit("dc"), a_unit("cloud"))
    assert restarted(uncapped, a_pod("before")).ask(a_pod("new")) == 0


def test_a_pod_for_which_no_node_has_room_is_not_on_its_way() -> None:
    """A binding under way holds room that our view shows as free."""
    world = restarted(CAPPED, a_pod("before", requests={GPU: "9"}))
    assert world.ask(a_pod("new")) == 0


TWO_CAPPED = a_policy(a_unit("dc", max=1), a_unit("cloud", max=1))


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(a_policy(*reversed(TWO_CAPPED.units), a_unit("attic")), id="C7: units were reordered"),
        pytest.param(a_policy(a_unit("attic"), a_unit(max=2)), id="C7: a unit has its nodes now"),
        pytest.param(a_policy(*TWO_CAPPED.units, name="older", created=1.0), id="C7: another policy governs"),
    ],
)
def test_doubts_follow_an_edit(edit: ResourcePolicy) -> None:
    """The pod may be on its way to the only place of the data centre, whatever unit has that now."""
    before = a_pod("before", requests={GPU: "1"})
    world = restarted(TWO_CAPPED, before, a_pod("on cloud-1", on="cloud-1", requests={GPU: "1"}))
    assert world.ask(a_pod("new")) == Reason.WAITING_FOR_BINDINGS
    world.publish(edit)
    assert world.ask(a_pod("new"), ["dc-1"]) == Reason.WAITING_FOR_BINDINGS
    world.ask(before, ["cloud-1"])
    assert world.ask(a_pod("new"), ["dc-1"]) != Reason.WAITING_FOR_BINDINGS


def test_who_is_in_doubt_by_an_edit_is_touched_once() -> None:
    """C7, E9: its next attempt ends the doubt; no policy governed it at the start."""
    world = restarted(a_pod("before"))
    requeues = Pokes(world)
    requeues.run(1.0)
    assert requeues.names == []
    world.publish(CAPPED)
    requeues.run(2.0)
    assert requeues.names == ["before"]


def test_a_binding_from_before_may_be_to_a_node_that_was_lost_since() -> None:
    """C7: no node has room for the pod any more, and it is counted where its node was."""
    world, requeues = woken(a_node("dc-2", "dc"), a_pod("before", requests={GPU: "1"}))
    world.tell_gone(DC)
    world.clock.now += 5.0
    world.publish(a_pod("other", labels={"app": "other"}))
    requeues.run(3.0)
    assert world.ask(a_pod("new"), ["dc-2"]) == Reason.WAITING_FOR_BINDINGS


def test_a_slot_whose_unit_has_no_room_for_the_pod_is_given_back() -> None:
    """Its binding failed and another took the room: nobody will ask about it again."""
    world = World(DC, CLOUD, CAPPED, a_pod("stuck", requests={GPU: "9"}))
    world.ask(a_pod("stuck", requests={GPU: "9"}))
    assert world.ask(a_pod("next")) == 1
    world.clock.now += 5
    assert world.ask(a_pod("next")) == 1, "the watch may be silent: it may not have shown the room yet"
    world.publish(a_pod("other", labels={"app": "other"}))
    world.clock.now += 1
    assert world.ask(a_pod("next")) == 0


def test_a_slot_is_kept_while_its_unit_has_room_for_the_pod() -> None:
    world = World(DC, CLOUD, CAPPED, a_pod("slow"))
    world.ask(a_pod("slow"))
    world.clock.now += 300
    assert world.ask(a_pod("next")) == 1


def test_a_pod_that_no_watch_ever_brings_was_gone_before_it_began() -> None:
    """The scheduler's watch was late, and asked about a pod that was deleted before this server started."""
    world = World(DC, CLOUD, CAPPED)
    world.ask(a_pod("ghost", nominated_node="dc-1"))
    world.clock.now += 5
    assert world.ask(a_pod("next")) == 1, "it may still come"
    world.publish(a_pod("other", labels={"app": "other"}))
    world.clock.now += 1
    assert world.ask(a_pod("next")) == 0


def test_a_pod_that_a_later_list_lacks_is_gone_though_no_watch_ever_brought_it() -> None:
    world = World(DC, CLOUD, CAPPED)
    world.ask(a_pod("short-lived"))
    world.clock.now += 1
    with world.cache.lock:
        world.cache.begin_list_of_pods()
        world.cache.replace_pods([])
    assert world.ask(a_pod("next")) == 0
