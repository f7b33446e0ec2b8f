"""O5, O9: the time that a pod spent behind a scheduling gate is no wait for room.

The API keeps it: PodScheduled is False, with one time, from the creation of a gated pod to its binding.
"""

import math
from dataclasses import replace

import pytest

from cluster.cache.cache import Cache
from policy.api.objects import Pod
from policy.api.options import NodeKinds
from tests.builders import NOW, a_pod

HOUR = 3600.0
GATED = replace(a_pod("p", created=NOW), gated=True)
REFUSED = a_pod("p", created=NOW, unschedulable=True, unscheduled_since=NOW)


@pytest.mark.parametrize(
    ("first", "told", "expected"),
    [
        pytest.param(GATED, REFUSED, NOW + HOUR, id="O5: the wait begins when the gate is gone"),
        pytest.param(
            a_pod("p", created=NOW), REFUSED, NOW + HOUR, id="O5: also where the gate was seen to go before"
        ),
        pytest.param(
            a_pod("p", created=NOW),
            replace(REFUSED, unscheduled_since=NOW + 2),
            NOW + 2,
            id="O9: a time after the creation is no gate's",
        ),
        pytest.param(REFUSED, REFUSED, NOW, id="O9: of one whose gate we did not see there is nothing else"),
        pytest.param(GATED, GATED, None, id="O5: a gated pod does not wait yet"),
        pytest.param(
            GATED,
            replace(REFUSED, unscheduled_since=NOW + 2 * HOUR),
            NOW + 2 * HOUR,
            id="O9: a time that the API tells later stands",
        ),
    ],
)
def test_since_when_a_pod_is_refused(first: Pod, told: Pod, expected: float | None) -> None:
    now = NOW
    cache = Cache(lambda: now, NodeKinds(), 300.0, remembers_since=math.inf)
    with cache.lock:
        cache.upsert_pod(first)
        now += HOUR
        for _ in range(2):
            cache.upsert_pod(told)
            assert cache.unscheduled_since(told) == expected
            now += HOUR
