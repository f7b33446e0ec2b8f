"""C7, E7: a slot is not idle for want of room that was there when it was handed out.

Its binding may be to a node that has left the unit, or takes no pods any more.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from cluster.cache import Cache
from policy.expiry import SEEN_AFTER
from policy.options import Kinds
from tests.builders import NOW, a_node, a_pod, a_policy, a_unit

GPU = "nvidia.com/gpu"
POLICY = a_policy(a_unit("dc"))
FREE, TAKEN = (a_node(name, "dc", allocatable={GPU: "1"}) for name in ("dc-1", "dc-2"))
POD = a_pod("p", requests={GPU: "1"})
OTHER = a_pod("other", on="dc-2", requests={GPU: "1"})
LATE = a_pod("late", on="dc-1", requests={GPU: "1"})


@pytest.mark.parametrize(
    ("change", "held"),
    [
        pytest.param(lambda cache: cache.remove_node("dc-1"), True, id="its node may be gone"),
        pytest.param(
            lambda cache: cache.upsert_node(a_node("dc-1", "cloud")), True, id="or the one that left the unit"
        ),
        pytest.param(
            lambda cache: cache.upsert_node(replace(FREE, unschedulable=True)), True, id="or was cordoned"
        ),
        pytest.param(lambda cache: cache.upsert_node(replace(FREE, ready=False)), True, id="or went down"),
        pytest.param(lambda cache: cache.upsert_pod(LATE), False, id="another pod took the room"),
    ],
)
def test_a_slot_for_which_there_is_no_room_any_more(change: Callable[[Cache], None], *, held: bool) -> None:
    now = NOW
    cache = Cache(lambda: now, Kinds(), 300.0, remembers_since=NOW)
    with cache.lock:
        cache.replace_nodes([FREE, TAKEN])
        cache.replace_policies([POLICY])
        cache.replace_pods([POD, OTHER])
        cache.reserve(POD, POLICY, 0, ())
        now += 1
        change(cache)
        now += SEEN_AFTER
        cache.upsert_pod(OTHER)
        cache.expire()
        assert (POD.uid in cache.reservations()) is held
        now += 300
        cache.expire()
        assert not cache.reservations(), "not for ever"
