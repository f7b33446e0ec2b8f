"""What a walk reports besides the unit: refusals that name everything, waits that follow each other."""

import math

import pytest

from policy.api.resourcepolicy import NextUnits, ResourcePolicy
from policy.scheduling.accounting import (
    MissingLabelError,
    Usage,
    group_of,
    needs_record,
    record_of,
    recorded_unit,
)
from policy.scheduling.refusals import Reason, Refusal
from policy.scheduling.unit_selection import UnitQuery, UnitSelection, limit_reached, select_unit
from tests.builders import a_policy, a_unit

GPU = "nvidia.com/gpu"
NOW = 1000.0


def a_walk(
    policy: ResourcePolicy,
    *,
    rooms: frozenset[int] = frozenset(),
    closed: dict[int, Refusal] | None = None,
    preempting: bool = False,
    unscheduled_since: float | None = None,
) -> UnitSelection:
    return select_unit(
        policy,
        UnitQuery(
            closed=(closed or {}).get,
            has_room=lambda index: index in rooms,
            leaving_until=lambda _: -math.inf,
            preempting=lambda _: preempting,
            refused_since={},
            unscheduled_since=unscheduled_since,
            now=NOW,
        ),
    )


THREE = a_policy(
    a_unit("a", max=1), a_unit("b", max=1), a_unit("c", max=1), mode=NextUnits.TIMEOUT, timeout="10s"
)
CAPPED_IN_ORDER = a_policy(
    a_unit("a", max=1),
    a_unit("b", max=1),
    a_unit("c", max=1),
    mode=NextUnits.TIMEOUT_OR_EXCEED_MAX,
    timeout="10s",
)


@pytest.mark.parametrize("policy", [THREE, CAPPED_IN_ORDER], ids=["O7", "O5"])
@pytest.mark.parametrize(
    ("waited", "unit", "retry_at"),
    [
        pytest.param(9.0, 0, NOW + 1, id="in the first unit"),
        pytest.param(19.0, 1, NOW + 1, id="in the second, from the end of the first wait"),
        pytest.param(29.0, 2, NOW + 1, id="in the third, from the end of both"),
    ],
)
def test_after_a_restart_the_waits_follow_each_other(
    policy: ResourcePolicy, waited: float, unit: int, retry_at: float
) -> None:
    outcome = a_walk(policy, unscheduled_since=NOW - waited)
    assert outcome.waits == Refusal(Reason.WAITING_FOR_TIMEOUT, policy, unit)
    assert outcome.retry_at == retry_at


def test_a_unit_passed_for_lack_of_room_is_told_apart_from_a_full_one() -> None:
    policy = a_policy(a_unit("a"), a_unit("b"))
    full = {0: Refusal(Reason.MAX_REACHED, policy, 0)}
    assert a_walk(policy, rooms=frozenset({1})) == UnitSelection(1, {}, lacked_room=True)
    assert a_walk(policy, rooms=frozenset({1}), closed=full) == UnitSelection(1, full, lacked_room=False)
    assert a_walk(policy, closed=full) == UnitSelection(None, full, lacked_room=True)


def test_a_unit_that_the_pod_waits_in_lacked_room_too() -> None:
    """O4, P1: whatever keeps the pod there."""
    policy = a_policy(a_unit("a", max=1), mode=NextUnits.EXCEED_MAX)
    waits = Refusal(Reason.WAITING_FOR_ROOM, policy, 0)
    assert a_walk(policy) == UnitSelection(None, {}, lacked_room=True, waits=waits)
    policy = a_policy()
    waits = Refusal(Reason.WAITING_FOR_PREEMPTION, policy, 0)
    assert a_walk(policy, preempting=True) == UnitSelection(None, {}, lacked_room=True, waits=waits)


def test_a_record_with_a_part_too_many_means_no_unit() -> None:
    """L3: it is not ours."""
    policy = a_policy()
    name, index, fingerprint = record_of(policy, 0).split("/")
    assert recorded_unit(f"{name}/{index}/{fingerprint}", policy) == 0
    assert recorded_unit(f"{name}/{index}/{index}/{fingerprint}", policy) is None


def test_a_walk_without_a_timer_is_not_retried_by_the_clock() -> None:
    assert a_walk(a_policy()).retry_at == math.inf


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param(Usage(2, {}), (Reason.MAX_REACHED, ""), id="O2: max"),
        pytest.param(Usage(0, {GPU: 10**9}), (Reason.MAX_RESOURCES_REACHED, GPU), id="O2: maxResources"),
    ],
)
def test_a_limit_names_the_policy_the_unit_and_the_resource(
    usage: Usage, expected: tuple[Reason, str]
) -> None:
    policy = a_policy(a_unit("a"), a_unit("b", max=2, maxResources={GPU: 1}))
    reason, resource = expected
    assert limit_reached(policy, 1, usage, {GPU: 1}) == Refusal(reason, policy, 1, resource)


def test_a_missing_label_is_named() -> None:
    policy = a_policy(match_label_keys=["app", "team"])
    with pytest.raises(MissingLabelError, match="team") as caught:
        group_of({"app": "web"}, policy)
    assert caught.value.key == "team"


def test_what_a_victim_does_not_request_is_not_taken_away() -> None:
    left = Usage(2, {"cpu": 4, GPU: 2}).without(Usage(1, {GPU: 1}))
    assert left == Usage(1, {"cpu": 4, GPU: 1})


def test_two_usages_add_up() -> None:
    assert Usage(1, {"cpu": 4}).plus(Usage(2, {"cpu": 1, GPU: 2})) == Usage(3, {"cpu": 5, GPU: 2})
    assert Usage(1, {GPU: 2}).plus(Usage(2, {})) == Usage(3, {GPU: 2})


@pytest.mark.parametrize(
    ("fields", "node_units", "needed"),
    [
        pytest.param({}, (1,), False, id="L3: the node is in one unit"),
        pytest.param({}, (0, 1), True, id="L3: the node is in two"),
        pytest.param({"podLabels": {"tier": "own"}}, (1,), True, id="L3: the unit has labels to come"),
    ],
)
def test_a_record_is_needed_where_the_node_does_not_tell(
    fields: dict[str, object], node_units: tuple[int, ...], *, needed: bool
) -> None:
    assert needs_record(a_unit("a", **fields), node_units) is needed


def test_preemption_before_the_next_unit_names_the_policy_and_the_unit() -> None:
    policy = a_policy(a_unit("a"), a_unit("b"), a_unit("c"))
    query = UnitQuery(
        closed=lambda _: None,
        has_room=lambda _: False,
        leaving_until=lambda _: -math.inf,
        preempting=lambda index: index == 1,
        refused_since={},
        unscheduled_since=None,
        now=NOW,
    )
    assert select_unit(policy, query).waits == Refusal(Reason.WAITING_FOR_PREEMPTION, policy, 1)
