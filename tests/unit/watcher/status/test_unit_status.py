"""The state of a unit in a word, and the conditions of its policy (L5, W4, W5)."""

import pytest

from policy.api.resourcepolicy import Unit
from policy.scheduling.refusals import Reason, Refusal
from policy.status.unit_capacity import UnitCapacity
from tests.builders import a_policy, a_unit
from watcher.scaleup.scaleup_status import AutoscalerHealth, Blocked, BlockReason, ScaleUpStatus, UnitScaleUp
from watcher.status.unit_status import UnitStateType, growth_conditions, states

ELASTIC = a_unit("cloud", resource="elastic", max=3)
FIXED = a_unit("dc", max=3, max_resources={"nvidia.com/gpu": "8"})
SERVING = AutoscalerHealth.SERVING
IDLE, ASKED = UnitScaleUp(), UnitScaleUp(requested=2)
STOCK_OUT = UnitScaleUp(blocked=Blocked(BlockReason.BACK_OFF, "ResourceExhausted: no GPU left", 99.0))
AT_MAXIMUM = UnitScaleUp(blocked=Blocked(BlockReason.AT_MAXIMUM, ""))
NO_ROOM, ROOM, BARE = UnitCapacity(nodes=2), UnitCapacity(nodes=2, room=True), UnitCapacity()
POLICY = a_policy(FIXED, ELASTIC)


def capped(reason: Reason, named: str = "") -> UnitCapacity:
    return UnitCapacity(nodes=2, exhausted=Refusal(reason, POLICY, 0, named))


@pytest.mark.parametrize(
    ("unit", "occupancy", "growth", "health", "expected"),
    [
        pytest.param(FIXED, ROOM, IDLE, SERVING, ("Open", "HasRoom"), id="room"),
        pytest.param(FIXED, NO_ROOM, IDLE, SERVING, ("Full", "NoRoom"), id="no room"),
        pytest.param(FIXED, BARE, IDLE, SERVING, ("Empty", "NoNodes"), id="no nodes"),
        pytest.param(
            FIXED, capped(Reason.MAX_REACHED), IDLE, SERVING, ("Exhausted", "MaxReached"), id="O2: max"
        ),
        pytest.param(
            FIXED,
            capped(Reason.MAX_RESOURCES_REACHED, "nvidia.com/gpu"),
            IDLE,
            SERVING,
            ("Exhausted", "MaxResourcesReached"),
            id="O2: maxResources",
        ),
        pytest.param(
            ELASTIC, ROOM, ASKED, SERVING, ("Open", "HasRoom"), id="W1: room, and nodes on their way"
        ),
        pytest.param(
            ELASTIC, BARE, ASKED, SERVING, ("WaitingForNodes", "NodesAsked"), id="W1: nodes on their way"
        ),
        pytest.param(ELASTIC, BARE, IDLE, SERVING, ("Growable", "CanGrow"), id="W1: nobody needs nodes"),
        pytest.param(ELASTIC, NO_ROOM, STOCK_OUT, SERVING, ("NotGrowable", "BackOff"), id="W4: a stock-out"),
        pytest.param(
            ELASTIC, NO_ROOM, AT_MAXIMUM, SERVING, ("NotGrowable", "AtMaximum"), id="W4: at maximum"
        ),
        pytest.param(
            ELASTIC, BARE, IDLE, AutoscalerHealth.OFF, ("NotGrowable", "BackendOff"), id="W5: switched off"
        ),
        pytest.param(
            ELASTIC,
            BARE,
            IDLE,
            AutoscalerHealth.NOT_SERVED,
            ("NotGrowable", "NoAutoscaler"),
            id="W5: no autoscaler",
        ),
        pytest.param(
            ELASTIC,
            BARE,
            IDLE,
            AutoscalerHealth.DOWN,
            ("NotGrowable", "AutoscalerUnavailable"),
            id="W5: a dead one",
        ),
        pytest.param(
            ELASTIC,
            BARE,
            IDLE,
            AutoscalerHealth.NOT_RESPONDING,
            ("NotGrowable", "AutoscalerNotResponding"),
            id="W5: a deaf one",
        ),
        pytest.param(
            ELASTIC, BARE, IDLE, AutoscalerHealth.UNKNOWN, ("Empty", "NoNodes"), id="not looked yet"
        ),
        pytest.param(
            FIXED, NO_ROOM, IDLE, AutoscalerHealth.OFF, ("Full", "NoRoom"), id="U4: it waits for no nodes"
        ),
    ],
)
def test_the_state_of_a_unit(
    unit: Unit,
    occupancy: UnitCapacity,
    growth: UnitScaleUp,
    health: AutoscalerHealth,
    expected: tuple[str, str],
) -> None:
    policy = a_policy(unit)
    (found,) = states(policy, [occupancy], ScaleUpStatus(health, {(policy.key, 0): growth}))
    assert (found.state, found.reason) == expected
    assert found.message


def test_the_limit_is_named_and_for_whom_it_holds() -> None:
    grouped = a_policy(FIXED, match_label_keys=["job"])
    (found,) = states(
        grouped, [UnitCapacity(exhausted=Refusal(Reason.MAX_REACHED, grouped, 0))], ScaleUpStatus()
    )
    assert found.message == "its max of 3 pod(s) is reached by every group of job"
    (found,) = states(
        a_policy(FIXED), [capped(Reason.MAX_RESOURCES_REACHED, "nvidia.com/gpu")], ScaleUpStatus()
    )
    assert found.message == "its maxResources leave too little nvidia.com/gpu (limit 8)"


def test_the_autoscalers_own_words_are_passed_on_and_bounded() -> None:
    scaleup_status = ScaleUpStatus(SERVING, {(POLICY.key, 1): STOCK_OUT})
    assert "(ResourceExhausted: no GPU left)" in states(POLICY, [ROOM, NO_ROOM], scaleup_status)[1].message
    endless = UnitScaleUp(blocked=Blocked(BlockReason.REFUSED, "x" * 100_000))
    _, told, _ = growth_conditions(POLICY, ScaleUpStatus(SERVING, {(POLICY.key, 1): endless}))
    assert len(told.message) < 1024


@pytest.mark.parametrize(
    ("growth", "health", "waiting", "obstacle"),
    [
        pytest.param(IDLE, SERVING, "NothingAsked", "NoObstacle", id="quiet"),
        pytest.param(ASKED, SERVING, "NodesAsked", "NoObstacle", id="W1: asked"),
        pytest.param(STOCK_OUT, SERVING, "NothingAsked", "BackOff", id="W4: a stock-out"),
        pytest.param(
            IDLE, AutoscalerHealth.NOT_SERVED, "NothingAsked", "NoAutoscaler", id="W5: nobody to ask"
        ),
    ],
)
def test_the_conditions_about_growth(
    growth: UnitScaleUp, health: AutoscalerHealth, waiting: str, obstacle: str
) -> None:
    *found, _ = growth_conditions(POLICY, ScaleUpStatus(health, {(POLICY.key, 1): growth}))
    assert [condition.reason for condition in found] == [waiting, obstacle]
    assert [condition.status for condition in found] == [waiting == "NodesAsked", obstacle != "NoObstacle"]
    assert all("units[1]" in condition.message for condition in found if condition.status)


def test_a_policy_without_elastic_units_has_no_obstacle() -> None:
    for scaleup_status in (
        ScaleUpStatus(AutoscalerHealth.NOT_SERVED),
        ScaleUpStatus(SERVING, unready_gpus=("dc-1",)),
    ):
        assert not any(told.status for told in growth_conditions(a_policy(), scaleup_status))


def test_nodes_that_lost_their_gpu_are_named() -> None:
    """kubernetes/autoscaler#10301."""
    names = tuple(f"dc-{index}" for index in range(1000))
    *_, told = growth_conditions(POLICY, ScaleUpStatus(SERVING, unready_gpus=names))
    assert told.status
    assert "dc-0, dc-1, " in told.message
    assert len(told.message) < 1024


def test_every_state_is_one_that_the_table_shows() -> None:
    assert {*UnitStateType} == {
        "Open",
        "Exhausted",
        "Full",
        "Empty",
        "Growable",
        "WaitingForNodes",
        "NotGrowable",
    }
