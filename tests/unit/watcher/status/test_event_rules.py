"""What is worth a person's look, beside which object, and in which words (L5, W4, W5)."""

import pytest

from policy.api.objects import Pod
from policy.status.conditions import Condition, ConditionType, accepted
from tests.builders import a_pod, a_policy, a_unit
from watcher.scaleup.scaleup_status import AutoscalerHealth, Blocked, BlockReason, ScaleUpStatus, UnitScaleUp
from watcher.status.builder import PolicyStatus, StatusReport
from watcher.status.event_rules import EventSpec, EventType, event_specs

ELASTIC = a_policy(a_unit("dc"), *(a_unit(pool, resource="elastic") for pool in ("near", "far")), uid="p")
WAITS = a_pod("a", unschedulable=True)
STOCK_OUT = UnitScaleUp(blocked=Blocked(BlockReason.BACK_OFF, "no stock"))
FULL = UnitScaleUp(blocked=Blocked(BlockReason.AT_MAXIMUM, ""))
ASKED = UnitScaleUp(requested=1, pods=frozenset({"a"}))


def told(
    *conditions: Condition, growth: dict[int, UnitScaleUp] | None = None, waiting: tuple[Pod, ...] = (WAITS,)
) -> list[EventSpec]:
    units = {(ELASTIC.key, unit): found for unit, found in (growth or {}).items()}
    status = PolicyStatus(1, conditions, uid="p", waiting=waiting)
    report = StatusReport(
        {ELASTIC.key: status}, {ELASTIC.key: ELASTIC}, ScaleUpStatus(AutoscalerHealth.SERVING, units)
    )
    return list(event_specs(report))


def condition(kind: ConditionType, message: str = "so it is", *, status: bool = True) -> Condition:
    return Condition(kind, status=status, reason="Reason", message=message)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(accepted(), [], id="nothing to say"),
        pytest.param(
            condition(ConditionType.ACCEPTED, status=False), [("Warning", "NotAccepted")], id="M6: rejected"
        ),
        pytest.param(condition(ConditionType.CONFLICTED), [("Warning", "Conflicted")], id="M4: a conflict"),
        pytest.param(condition(ConditionType.PODS_NOT_SENT), [("Warning", "PodsNotSent")], id="M8: not sent"),
        pytest.param(
            condition(ConditionType.NOT_GROWABLE), [("Warning", "NotGrowable")], id="W4: a unit cannot grow"
        ),
        pytest.param(
            condition(ConditionType.FOREIGN_DELETION_COSTS),
            [("Warning", "ForeignDeletionCosts")],
            id="L2: a user's cost",
        ),
        pytest.param(
            condition(ConditionType.LABELS_REFUSED), [("Warning", "LabelsRefused")], id="L1: a label refused"
        ),
        pytest.param(
            condition(ConditionType.WAITING_FOR_NODES),
            [("Normal", "WaitingForNodes")],
            id="W1: nodes asked for",
        ),
        pytest.param(condition(ConditionType.NOT_GROWABLE, status=False), [], id="it is over"),
    ],
)
def test_a_condition_that_a_person_should_see_is_told_beside_the_policy(
    found: Condition, expected: list[tuple[str, str]]
) -> None:
    notes = told(found, waiting=())
    assert [(note.severity, note.reason) for note in notes] == expected
    assert {(note.about.kind, note.about.uid, note.note) for note in notes} <= {
        ("ResourcePolicy", "p", "so it is")
    }


def test_another_example_is_no_other_cause_and_another_label_is() -> None:
    for kind, same in ((ConditionType.FOREIGN_DELETION_COSTS, True), (ConditionType.LABELS_REFUSED, False)):
        causes = {told(condition(kind, message), waiting=())[0].dedupe_key for message in ("web-1", "web-2")}
        assert (len(causes) == 1) is same


def test_a_unit_that_fails_again_in_other_words_is_no_other_cause_and_another_unit_is() -> None:
    """W4: the autoscaler names the node that it could not make."""
    again = UnitScaleUp(blocked=Blocked(BlockReason.BACK_OFF, "still no stock"))
    found = condition(ConditionType.NOT_GROWABLE)
    first, second, third = (
        {(notice.about.kind, notice.dedupe_key) for notice in told(found, growth=growth)}
        for growth in ({1: STOCK_OUT, 2: FULL}, {1: again, 2: FULL}, {1: FULL, 2: again})
    )
    assert len(first) == 2
    assert first == second
    assert first.isdisjoint(third)


@pytest.mark.parametrize(
    ("growth", "expected"),
    [
        pytest.param({}, None, id="nothing is known"),
        pytest.param({1: ASKED}, "nodes were asked for in units[1] of ResourcePolicy policy", id="W1: asked"),
        pytest.param(
            {1: STOCK_OUT, 2: ASKED},
            "nodes were asked for in units[2] of ResourcePolicy policy; units[1] is passed over: the cloud "
            "refused nodes, and the autoscaler waits before it tries again (no stock)",
            id="W4: an earlier unit cannot grow, the next one is asked",
        ),
        pytest.param(
            {1: ASKED, 2: STOCK_OUT},
            "nodes were asked for in units[1] of ResourcePolicy policy",
            id="W4: a later unit that cannot grow is not the pod's concern",
        ),
        pytest.param({1: STOCK_OUT}, None, id="W4: another unit may still be asked"),
        pytest.param(
            {1: STOCK_OUT, 2: FULL},
            "ResourcePolicy policy gets no nodes for it now; units[1]: the cloud refused nodes, and the "
            "autoscaler waits before it tries again (no stock); units[2]: its node groups have as many nodes "
            "as they may have",
            id="W4: nobody can be asked",
        ),
    ],
)
def test_a_pod_that_waits_is_told_for_what(growth: dict[int, UnitScaleUp], expected: str | None) -> None:
    notes = told(growth=growth)
    assert [note.note for note in notes] == ([] if expected is None else [expected])
    assert {(note.about.kind, note.about.name) for note in notes} <= {("Pod", "a")}
    assert {note.severity for note in notes} <= {
        EventType.NORMAL if expected and expected.startswith("nodes") else EventType.WARNING
    }


def test_of_thousands_of_pods_a_few_are_told() -> None:
    crowd = tuple(a_pod(f"p{index}", unschedulable=True) for index in range(1000))
    assert len(told(growth={1: STOCK_OUT, 2: FULL}, waiting=crowd)) == 20
