"""Timers through several calls (O5), and how long an attempt is remembered."""

from policy.api.resourcepolicy import NextUnits, ResourcePolicy, Unit
from policy.scheduling.refusals import Reason
from tests.builders import NOW, a_pod, a_policy, a_unit
from tests.unit.extender.fixtures import ANYWHERE, URGENT, bound, standard


def test_a_timer_runs_from_the_first_refusal_to_the_next_unit() -> None:
    """One timer per pod and unit, which other pods' refusals and a second refusal do not restart."""
    policy = a_policy(a_unit("dc", max=5), ANYWHERE, mode=NextUnits.TIMEOUT_OR_EXCEED_MAX, timeout="10s")
    world = standard(policy=policy)
    assert world.decide(a_pod("a"), ["cloud-1"]).retry_at == NOW + 10
    world.clock.now += 6
    assert world.decide(a_pod("a"), ["cloud-1"]).retry_at == NOW + 10
    assert world.ask(a_pod("b"), ["cloud-1"]) == Reason.WAITING_FOR_TIMEOUT
    world.clock.now += 4
    assert world.ask(a_pod("a"), ["cloud-1"]) == 1
    assert world.ask(a_pod("b"), ["cloud-1"]) == Reason.WAITING_FOR_TIMEOUT


def test_the_timer_of_a_pod_that_can_only_preempt_runs_too() -> None:
    """O5, P1: no node has room, so that filter is never called; the wait ends all the same."""
    policy = a_policy(a_unit("dc", max=5), ANYWHERE, mode=NextUnits.TIMEOUT_OR_EXCEED_MAX, timeout="10s")
    world = standard(bound("equal", "dc-1", priority=1000), bound("lower", "cloud-1"), policy=policy)
    for waited, nodes in ((0, []), (6, []), (10, ["cloud-1"])):
        world.clock.now = NOW + waited
        preempted = world.extender.preempt(URGENT, {"cloud-1": ["lower"]})
        assert preempted is not None
        assert list(preempted.decision.nodes) == nodes


def test_a_timer_goes_with_its_unit() -> None:
    """O5, L4: a unit that is written before it begins to wait now, and another policy's units do, too."""

    def timed(*units: Unit, **fields: object) -> ResourcePolicy:
        mode = NextUnits.TIMEOUT_OR_EXCEED_MAX
        return a_policy(*units, mode=mode, timeout="10s", **fields)  # type: ignore[arg-type]

    dc = a_unit("dc", max=5)
    world = standard(policy=timed(dc, ANYWHERE))
    assert world.decide(a_pod("a"), ["cloud-1"]).retry_at == NOW + 10
    world.clock.now += 9
    world.publish(timed(a_unit("attic", max=5), dc, ANYWHERE))
    assert world.decide(a_pod("a"), ["cloud-1"]).retry_at == NOW + 19
    world.clock.now += 1
    world.publish(timed(dc, ANYWHERE))
    assert world.ask(a_pod("a"), ["cloud-1"]) == 1
    world.publish(timed(dc, ANYWHERE, name="older", created=1.0))
    assert world.decide(a_pod("a"), ["cloud-1"]).retry_at == NOW + 20


def test_an_attempt_is_remembered_until_the_pod_is_bound_or_gone() -> None:
    world = standard(a_pod("a"), a_pod("b"))
    for name in "ab":
        world.ask(a_pod(name))
    assert {attempt.pod.uid for attempt in world.cache.attempts} == {"a", "b"}
    world.publish(bound("a", "dc-1"))
    world.tell_gone(a_pod("b"))
    assert not world.cache.attempts
