"""C7, E7: a slot is not idle for want of room that was there when it was handed out.

Its binding may be to a node that has left the unit, or takes no pods any more.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from cluster.cache.cache import Cache
from policy.api.options import NodeKinds
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.reservation_expiry import SEEN_AFTER
from tests.builders import NOW, a_node, a_pod, a_policy, a_unit

GPU = "nvidia.com/gpu"
POLICY = a_policy(a_unit("dc"))
RECAPPED = a_policy(a_unit("cloud"), a_unit("dc", max=1))
REWRITTEN = a_policy(a_unit("dc", pod_labels={"a": "label"}))
FREE, TAKEN = (a_node(name, "dc", allocatable={GPU: "1"}) for name in ("dc-1", "dc-2"))
POD = a_pod("p", requests={GPU: "1"})
OTHER = a_pod("other", on="dc-2", requests={GPU: "1"})
LATE = a_pod("late", on="dc-1", requests={GPU: "1"})


Change = Callable[[Cache], None]


def gone(cache: Cache) -> None:
    cache.remove_node("dc-1")


def moved(cache: Cache) -> None:
    cache.upsert_node(a_node("dc-1", "cloud"))


def cordoned(cache: Cache) -> None:
    cache.upsert_node(replace(FREE, unschedulable=True))


def down(cache: Cache) -> None:
    cache.upsert_node(replace(FREE, ready=False))


def taken(cache: Cache) -> None:
    cache.upsert_pod(LATE)


def edited(before: Change, policy: ResourcePolicy) -> Change:
    def changes(cache: Cache) -> None:
        before(cache)
        cache.upsert_policy(policy)

    return changes


def replaced(before: Change, meanwhile: Change = lambda _: None) -> Change:
    def changes(cache: Cache) -> None:
        before(cache)
        cache.remove_policy(POLICY.key)
        meanwhile(cache)
        cache.upsert_policy(POLICY)

    return changes


@pytest.mark.parametrize(
    ("change", "held"),
    [
        pytest.param(gone, True, id="its node may be gone"),
        pytest.param(moved, True, id="or the one that left the unit"),
        pytest.param(cordoned, True, id="or was cordoned"),
        pytest.param(down, True, id="or went down"),
        pytest.param(taken, False, id="another pod took the room"),
        pytest.param(edited(gone, RECAPPED), True, id="an edit does not make up for the lost node"),
        pytest.param(edited(taken, RECAPPED), False, id="nor does it lose one"),
        pytest.param(edited(taken, REWRITTEN), True, id="but by another unit's room nothing is judged"),
        pytest.param(replaced(gone), True, id="nor does a policy that is made again"),
        pytest.param(replaced(taken), False, id="which has the same nodes"),
        pytest.param(replaced(taken, gone), True, id="or lacks one that went meanwhile"),
    ],
)
def test_a_slot_for_which_there_is_no_room_any_more(change: Change, *, held: bool) -> None:
    now = NOW
    cache = Cache(lambda: now, NodeKinds(), 300.0, remembers_since=NOW)
    with cache.lock:
        cache.replace_nodes([FREE, TAKEN])
        cache.replace_policies([POLICY])
        cache.replace_pods([POD, OTHER])
        cache.assume(POD, POLICY, 0, ())
        now += 1
        change(cache)
        now += SEEN_AFTER
        cache.upsert_pod(OTHER)
        cache.expire()
        assert (POD.uid in cache.reservations()) is held
        now += 300
        cache.expire()
        assert not cache.reservations(), "not for ever"


@pytest.mark.parametrize("policy", [POLICY, RECAPPED], ids=["made again", "made again with other units"])
def test_who_landed_without_a_policy_counts_where_its_node_was(policy: ResourcePolicy) -> None:
    """C7, L3: it had a slot when the policy went, and its node went before there was one again."""
    cache = Cache(lambda: NOW, NodeKinds(), 300.0, remembers_since=NOW)
    with cache.lock:
        cache.replace_nodes([FREE])
        cache.replace_policies([POLICY])
        cache.assume(POD, POLICY, 0, ())
        cache.remove_policy(POLICY.key)
        cache.upsert_pod(a_pod("p", on="dc-1", requests={GPU: "1"}))
        cache.remove_node("dc-1")
        cache.upsert_policy(policy)
        assert cache.usage(policy, len(policy.units) - 1, ()).pods == 1
