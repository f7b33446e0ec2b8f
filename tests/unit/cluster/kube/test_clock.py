"""A step of the wall clock, forward or back, changes nothing (C7)."""

import time

import pytest

from cluster.cache.cache import Cache
from cluster.kube.clock import SteadyClock
from policy.api.options import NodeKinds
from tests.builders import a_node, a_pod, a_policy

YEAR = 365 * 24 * 3600.0


@pytest.mark.parametrize("step", [YEAR, -YEAR])
def test_a_step_of_the_wall_clock_ends_no_slot(step: float, monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.time()
    clock = SteadyClock()
    cache = Cache(clock, NodeKinds(), reservation_seconds=600.0, remembers_since=clock())
    policy = a_policy()
    with cache.lock:
        cache.upsert_node(a_node("dc-1", "dc"))
        cache.upsert_policy(policy)
        cache.assume(a_pod("a"), policy, 0, ())
        monkeypatch.setattr(time, "time", lambda: began + step)
        cache.expire()
        assert cache.reservations().keys() == {"a"}
    assert abs(clock() - began) < 60
