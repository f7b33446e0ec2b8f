"""Slots that are given back though nobody said that their pods will not come (E7)."""

from dataclasses import replace

import pytest

from policy.api.objects import Pod
from policy.scheduling.filter import NodeRefusals
from policy.scheduling.pod_history import Nomination, PodHistory
from policy.scheduling.refusals import Reason, Refusal
from policy.scheduling.reservation_expiry import is_idle, may_get, outlives
from tests.builders import NOW, a_node, a_pod, a_policy, a_reservation, a_snapshot, a_unit

GPU = "nvidia.com/gpu"
POLICY = a_policy(a_unit("dc"))
POD = a_pod("p", requests={GPU: "1"})
NOMINATED = replace(POD, nominated_node="dc-1", priority=10)
PASSED = replace(POD, nominated_node="dc-1")
TO_NONE, TO_A_NEW_ONE = (replace(NOMINATED, nominated_node=name) for name in ("gone-1", "new-1"))
TAKEN = a_pod("taken", on="dc-1", requests={GPU: "1"})
LASTS = 300.0
PROMISED = PodHistory(nomination=Nomination(0, frozenset({"dc-1"}), made_at=NOW))


@pytest.mark.parametrize(
    ("known", "age", "seen", "full", "history", "idle"),
    [
        pytest.param(POD, 4, True, True, None, False, id="E7: just handed out, the binding may be under way"),
        pytest.param(POD, 6, True, False, None, False, id="E7: room that is seen may be held by a binding"),
        pytest.param(POD, 6, True, True, None, True, id="E7: the unit has no room for it any more"),
        pytest.param(POD, 6, False, True, None, False, id="E7: the view is too old to tell"),
        pytest.param(None, 6, True, False, None, True, id="E7: it was gone before the watch began"),
        pytest.param(None, 6, False, False, None, False, id="E7: the watch may not have brought it yet"),
        pytest.param(POD, 299, True, False, None, False, id="E7: Permit and gangs may take long"),
        pytest.param(POD, 300, False, False, None, True, id="E7: but not for ever"),
        pytest.param(NOMINATED, 900, True, True, None, False, id="E7: a nomination holds its slot"),
        pytest.param(NOMINATED, 900, True, True, PROMISED, False, id="E7: so does the promise it came from"),
        pytest.param(PASSED, 6, True, True, PROMISED, True, id="E7: not where nobody leaves for it"),
        pytest.param(PASSED, 6, True, False, None, False, id="E7: but while there is room for it"),
        pytest.param(PASSED, 4, True, True, None, False, id="E7: and not at once"),
        pytest.param(TO_NONE, 6, True, True, None, True, id="E7: its node is gone"),
        pytest.param(TO_A_NEW_ONE, 6, True, True, None, False, id="E11: its node is not seen yet"),
        pytest.param(POD, 9, True, True, PROMISED, False, id="E7: a nomination may be on its way"),
        pytest.param(POD, 11, True, True, PROMISED, True, id="E7: but comes soon, or not at all"),
    ],
)
def test_a_slot_is_idle(
    known: Pod | None, age: float, history: PodHistory | None, *, seen: bool, full: bool, idle: bool
) -> None:
    dc = a_node("dc-1", "dc", allocatable={GPU: "1"})
    histories = {"p": history} if history else {}
    view = a_snapshot(
        POLICY, nodes=[dc], pods=[TAKEN] if full else [], histories=histories, departed=["gone-1"]
    )
    slot = a_reservation(replace(POD, priority=known.priority if known else 0), POLICY)
    assert is_idle(slot, POLICY, known, view, NOW + age, seen=seen, shrank=False, lasts=LASTS) is idle


@pytest.mark.parametrize(
    ("age", "idle"),
    [
        pytest.param(6, False, id="E7, C7: its binding may be to the node that the unit has lost"),
        pytest.param(300, True, id="E7: that does not hold it for ever"),
    ],
)
def test_a_slot_of_a_unit_that_lost_a_node_is_not_judged_by_room(age: float, *, idle: bool) -> None:
    view, slot = a_snapshot(POLICY), a_reservation(POD, POLICY)
    assert is_idle(slot, POLICY, POD, view, NOW + age, seen=True, shrank=True, lasts=LASTS) is idle


def test_who_is_leaving_anyway_makes_room_for_the_nominated() -> None:
    dc, leaving = a_node("dc-1", "dc", allocatable={GPU: "1"}), replace(TAKEN, terminating=True)
    assert may_get(PASSED, "dc-1", a_snapshot(POLICY, nodes=[dc], pods=[leaving]))
    assert not may_get(PASSED, "dc-1", a_snapshot(POLICY, nodes=[dc], pods=[TAKEN]))


FULL, DOUBTED = Reason.MAX_REACHED, Reason.WAITING_FOR_BINDINGS


@pytest.mark.parametrize(
    ("pod", "history", "asked", "reason", "kept"),
    [
        pytest.param(POD, None, "cloud-1", FULL, False, id="E7: a refusal takes the slot"),
        pytest.param(POD, PROMISED, "cloud-1", FULL, True, id="E7: but for a promise, which may be underway"),
        pytest.param(NOMINATED, PROMISED, "dc-1", FULL, True, id="E7: whatever our view shows"),
        pytest.param(NOMINATED, None, "cloud-1", FULL, True, id="E7: but while others leave for the pod"),
        pytest.param(NOMINATED, None, "dc-1", FULL, False, id="E7: nobody does once it fits there"),
        pytest.param(NOMINATED, None, "dc-1", DOUBTED, True, id="E7: a doubt is not the end of it"),
        pytest.param(
            NOMINATED,
            None,
            "dc-1",
            Reason.EARLIER_UNIT_FIRST,
            True,
            id="E7: nor a first call that is followed",
        ),
        pytest.param(TO_NONE, None, "cloud-1", FULL, False, id="E7: they leave another unit"),
    ],
)
def test_a_slot_outlives_a_refusal(
    pod: Pod, history: PodHistory | None, asked: str, reason: Reason, *, kept: bool
) -> None:
    nodes = [a_node("dc-1", "dc"), a_node("cloud-1", "cloud")]
    view = a_snapshot(POLICY, nodes=nodes, histories={"p": history} if history else {})
    refused = NodeRefusals([asked], [None], {None: Refusal(reason, POLICY)})
    assert outlives(a_reservation(pod, POLICY), pod, refused, POLICY, view, NOW + 1) is kept


def test_a_slot_of_another_policy_does_not_outlive_a_refusal() -> None:
    other = a_policy(a_unit("dc"), name="other")
    view = a_snapshot(POLICY, other, nodes=[a_node("dc-1", "dc")])
    refused = NodeRefusals(["cloud-1"], [None], {None: Refusal(FULL, POLICY)})
    assert not outlives(a_reservation(NOMINATED, other), NOMINATED, refused, POLICY, view, NOW)
