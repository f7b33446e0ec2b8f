"""Slots that are given back though nobody said that their pods will not come (E7)."""

from dataclasses import replace

import pytest

from policy.expiry import is_idle
from policy.history import History, Promise
from policy.objects import Pod
from tests.builders import NOW, a_node, a_pod, a_policy, a_reservation, a_snapshot, a_unit

GPU = "nvidia.com/gpu"
POLICY = a_policy(a_unit("dc"))
POD = a_pod("p", requests={GPU: "1"})
NOMINATED = replace(POD, nominated_node="dc-1")
TAKEN = a_pod("taken", on="dc-1", requests={GPU: "1"})
LASTS = 300.0
PROMISED = History(promise=Promise(0, frozenset({"dc-1"}), made_at=NOW))


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
        pytest.param(POD, 9, True, True, PROMISED, False, id="E7: a nomination may be on its way"),
        pytest.param(POD, 11, True, True, PROMISED, True, id="E7: but comes soon, or not at all"),
    ],
)
def test_a_slot_is_idle(
    known: Pod | None, age: float, history: History | None, *, seen: bool, full: bool, idle: bool
) -> None:
    dc = a_node("dc-1", "dc", allocatable={GPU: "1"})
    histories = {"p": history} if history else {}
    view = a_snapshot(POLICY, nodes=[dc], pods=[TAKEN] if full else [], histories=histories)
    slot = a_reservation(POD, POLICY)
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
