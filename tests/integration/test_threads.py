"""Calls and events at once: one critical section, so that no slot is given away twice (C7, E10)."""

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Barrier

import pytest

from tests.builders import a_pod, a_policy, a_unit
from tests.unit.extender.fixtures import ANYWHERE, BOTH, CAPPED, Outcome, bound, standard


@contextmanager
def switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def at_once(calls: Iterable[Callable[[], Outcome]]) -> list[Outcome]:
    calls = list(calls)
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Outcome]) -> Outcome:
        barrier.wait(10)
        return call()

    with switching_often(), ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.parametrize("places", [0, 1, 5])
def test_threads_never_share_a_last_slot(places: int) -> None:
    policy = a_policy(a_unit("dc", max=places), ANYWHERE)
    for _ in range(5):
        world = standard(policy=policy)
        pods = [a_pod(f"pod-{number}") for number in range(20)]
        outcomes = at_once(partial(world.ask, pod) for pod in pods)
        assert outcomes.count(0) == places
        assert outcomes.count(1) == 20 - places
        assert world.used(policy, 0) == places


def test_threads_that_ask_about_one_pod_hold_one_slot() -> None:
    world = standard()
    assert set(at_once(partial(world.ask, a_pod("a")) for _ in range(20))) == {0}
    assert world.held == {"a": 0}
    assert world.used(CAPPED, 0) == 1


def test_calls_and_events_at_once_leave_a_true_count() -> None:
    policy = a_policy(a_unit("dc", max=10), ANYWHERE)
    world = standard(policy=policy)

    def live(number: int) -> Outcome:
        pod = a_pod(f"pod-{number}")
        world.publish(pod)
        outcome = world.ask(pod)
        world.publish(bound(pod.name, BOTH[int(str(outcome))]))
        if number % 2:
            world.tell_gone(pod)
        return outcome

    outcomes = at_once(partial(live, number) for number in range(20))
    assert outcomes.count(0) >= 10
    assert world.held == {}
    alive = [outcome for number, outcome in enumerate(outcomes) if not number % 2]
    assert world.used(policy, 0) == alive.count(0) <= 10
    assert world.used(policy, 1) == alive.count(1)
