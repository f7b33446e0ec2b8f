"""Pods that overflowed, counted once each. Rules: O3 to O7, U5, U6, M8, L3."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from cluster.cache.cache import Cache
from policy.api.objects import Phase, Pod
from policy.api.options import NodeKinds
from policy.api.resourcepolicy import ResourcePolicy
from tests.builders import NOW, a_node, a_pod, a_policy, a_unit, recorded_in
from watcher.telemetry.overflow_counter import OverflowCounter

GPU = "nvidia.com/gpu"
TWICE = a_policy(a_unit("dc"), a_unit())
"""Nodes of the data centre are in both units."""


class Stage:
    """A cache, a clock, and what was counted."""

    def __init__(self, policy: ResourcePolicy) -> None:
        self.now = NOW
        self.counts = Counter[tuple[str, str]]()
        self.cache = Cache(lambda: self.now, NodeKinds(), 600.0, remembers_since=0.0)
        self.cache.lock.acquire()  # one thread, to the end of the test
        self.cache.replace_policies([policy])
        for name in ("dc-1", "cloud-1", "attic-1"):
            self.cache.upsert_node(a_node(name, name.partition("-")[0]))
        self.overflow = OverflowCounter(self.cache, [GPU], lambda: self.now, self.count)

    def count(self, policy: str, place: str) -> None:
        self.counts[policy, place] += 1

    def see(self, *pods: Pod) -> Mapping[tuple[str, str], int]:
        for pod in pods:
            self.cache.upsert_pod(pod)
        self.overflow.reconcile()
        return dict(self.counts)


def placed(on: str, name: str = "a", **fields: Any) -> Pod:  # noqa: ANN401  a pod's fields
    return a_pod(name, on=on, **{"requests": {GPU: "1"}, "bound_at": NOW, **fields})


@pytest.mark.parametrize(
    ("pod", "place"),
    [
        pytest.param(placed("dc-1"), None, id="the first unit is no overflow"),
        pytest.param(placed("cloud-1"), "1", id="O3: a later unit is"),
        pytest.param(placed("attic-1"), "outside", id="U6: and a node in none"),
        pytest.param(placed("cloud-1", phase=Phase.SUCCEEDED), None, id="C5: it is over already"),
        pytest.param(placed("cloud-1", requests={"cpu": "1"}), None, id="M8: nobody decided about it"),
        pytest.param(placed("cloud-1", namespace="elsewhere"), None, id="M5: no policy governs it"),
    ],
)
def test_a_pod_that_is_placed_beyond_the_first_unit_is_counted_once(pod: Pod, place: str | None) -> None:
    stage = Stage(a_policy())
    stage.see()
    expected = {} if place is None else {("default/policy", place): 1}
    assert [stage.see(pod), stage.see(pod)] == [expected, expected]


def test_pods_that_were_placed_before_are_not_counted() -> None:
    """Whoever looked then has counted them; also another leader."""
    stage = Stage(a_policy())
    assert stage.see(placed("cloud-1")) == {}
    assert stage.see(placed("cloud-1", "b")) == {("default/policy", "1"): 1}


@pytest.mark.parametrize(
    ("then", "after", "expected"),
    [
        pytest.param(placed("dc-1"), 1.0, {}, id="not yet"),
        pytest.param(
            placed("dc-1", annotations=recorded_in(TWICE, 1)), 1.0, {("default/policy", "1"): 1}, id="L3"
        ),
        pytest.param(placed("dc-1", annotations=recorded_in(TWICE, 0)), 1.0, {}, id="L3: the first unit"),
        pytest.param(placed("attic-1"), 0.0, {("default/policy", "1"): 1}, id="U5: its node alone tells"),
    ],
)
def test_where_only_a_record_tells_the_unit_it_is_waited_for(
    then: Pod, after: float, expected: Mapping[tuple[str, str], int]
) -> None:
    stage = Stage(TWICE)
    stage.see()
    assert stage.see(placed(then.node_name)) == (expected if not after else {})
    stage.now += after
    assert stage.see(then) == expected
