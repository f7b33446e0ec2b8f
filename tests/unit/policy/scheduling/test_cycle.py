"""What one scheduling cycle leaves behind, as a value: slot, history, record (E6, E7, O5, P1, C7, M4)."""

import math

import pytest

from policy.api.objects import Pod
from policy.api.resourcepolicy import NextUnits, ResourcePolicy
from policy.scheduling.cycle import SlotChange, cycle, preemption_cycle
from policy.scheduling.decision_record import Verb
from policy.scheduling.inflight_bindings import InflightBinding, InflightBindings, PessimisticView
from policy.scheduling.pod_history import Nomination, PodHistory
from policy.scheduling.refusals import Reason
from policy.scheduling.snapshot import Snapshot
from tests.builders import NOW, a_pod, a_policy, a_reservation, a_snapshot, a_unit
from tests.unit.policy.cases import CLOUD, NODES

ASKING = a_pod("asking", requests={"cpu": "1"}, priority=10)
CAPPED = a_policy(a_unit("dc", max=1), a_unit("cloud", max=1))
WAITS = a_policy(a_unit("dc", max=1), CLOUD, mode=NextUnits.TIMEOUT_OR_EXCEED_MAX, timeout="60s")
FULL = [a_pod("one", on="dc-1"), a_pod("two", on="cloud-1")]
NOMINATED = Nomination(0, frozenset({"dc-2"}), NOW)


def on(*pods: Pod, policy: ResourcePolicy = CAPPED, history: PodHistory | None = None) -> Snapshot:
    histories = {ASKING.uid: history} if history else {}
    return a_snapshot(policy, nodes=NODES, pods=[*pods, ASKING], histories=histories)


def pessimistic(view: Snapshot, *units: int) -> PessimisticView:
    binding = InflightBinding(a_pod("in flight"), CAPPED.key, (), frozenset(units))
    return PessimisticView(view, InflightBindings([binding]))


def test_a_pod_that_gets_a_unit_gets_a_slot_there() -> None:
    result = cycle(ASKING, ["dc-1", "cloud-1"], CAPPED, on(), NOW)
    assert (result.decision.unit, result.slot, result.awaits_bindings) == (0, SlotChange.ASSUME, False)
    assert (result.record.verb, result.record.unit, result.record.pod) == (Verb.FILTER, 0, ASKING)
    assert result.history == PodHistory()


@pytest.mark.parametrize(
    ("held", "history", "change"),
    [
        pytest.param(False, PodHistory(), SlotChange.FORGET, id="E6: it holds none"),
        pytest.param(True, PodHistory(), SlotChange.FORGET, id="E6: a refusal gives the slot back"),
        pytest.param(
            True, PodHistory(nomination=NOMINATED), SlotChange.KEEP, id="E7: victims are leaving for it"
        ),
    ],
)
def test_a_refused_pod_keeps_its_slot_only_while_others_leave_for_it(
    *, held: bool, history: PodHistory, change: SlotChange
) -> None:
    slot = a_reservation(ASKING, CAPPED) if held else None
    result = cycle(ASKING, ["dc-2", "cloud-1"], CAPPED, on(*FULL, history=history), NOW, slot=slot)
    assert result.decision.refused is not None
    assert result.slot is change


def test_a_pod_of_several_policies_is_refused_where_the_setting_says_so() -> None:
    result = cycle(ASKING, ["dc-1"], CAPPED, on(), NOW, in_conflict=True)
    assert result.decision.waits is not None
    assert (result.decision.waits.reason, result.slot) == (Reason.CONFLICT, SlotChange.FORGET)


def test_a_wait_is_remembered_from_its_beginning() -> None:
    result = cycle(ASKING, ["cloud-1"], WAITS, on(policy=WAITS), NOW)
    assert (result.decision.retry_at, dict(result.history.refused_since)) == (NOW + 60, {0: NOW})


@pytest.mark.parametrize(
    ("units", "awaits"),
    [
        pytest.param((1,), False, id="C7: a binding to another unit changes nothing"),
        pytest.param((0,), True, id="C7: a binding to this unit may have the last slot"),
    ],
)
def test_a_decision_that_depends_on_bindings_in_flight_waits_for_them(
    *, units: tuple[int, ...], awaits: bool
) -> None:
    view = on()
    result = cycle(
        ASKING,
        ["dc-1", "cloud-1"],
        CAPPED,
        view,
        NOW,
        pessimistic=pessimistic(view, *units),
        bindings_end_at=NOW + 7,
    )
    assert result.awaits_bindings is awaits
    assert result.decision.retry_at == (NOW + 7 if awaits else math.inf)


def test_preemption_that_helps_nominates_and_holds_a_slot() -> None:
    result = preemption_cycle(ASKING, {"dc-1": ["one"]}, CAPPED, on(*FULL), NOW, retry_at=NOW + 3)
    assert result is not None
    assert (result.decision.unit, result.slot, result.retry_at) == (0, SlotChange.ASSUME, NOW + 3)
    assert result.history == PodHistory(nomination=Nomination(0, frozenset({"dc-1"}), NOW))
    assert result.record.verb is Verb.PREEMPT


@pytest.mark.parametrize(
    ("history", "change"),
    [
        pytest.param(PodHistory(), SlotChange.FORGET, id="E7: nobody leaves for it"),
        pytest.param(PodHistory(nomination=NOMINATED), SlotChange.KEEP, id="E7: others are leaving still"),
    ],
)
def test_preemption_that_helps_nowhere_teaches_nothing(history: PodHistory, change: SlotChange) -> None:
    result = preemption_cycle(ASKING, {}, CAPPED, on(*FULL, history=history), NOW)
    assert result is not None
    assert (result.decision.unit, result.slot, result.history) == (None, change, None)


def test_preemption_begins_the_wait_in_a_unit_where_it_cannot_help() -> None:
    result = preemption_cycle(ASKING, {"cloud-1": ["two"]}, WAITS, on(policy=WAITS), NOW, retry_at=NOW + 90)
    assert result is not None
    assert result.history is not None
    assert (dict(result.history.refused_since), result.retry_at) == ({0: NOW}, NOW + 60)


def test_nobody_leaves_for_a_pod_whose_unit_depends_on_bindings_in_flight() -> None:
    """The victim's slot is free again, unless a binding in flight has it."""
    capped = a_policy(a_unit("dc", max=2), CLOUD)
    view = on(a_pod("one", on="dc-1"), policy=capped)
    binding = InflightBinding(a_pod("in flight"), capped.key, (), frozenset({0}))
    two = InflightBinding(a_pod("another"), capped.key, (), frozenset({0}))
    doubtful = PessimisticView(view, InflightBindings([binding, two]))
    assert preemption_cycle(ASKING, {"dc-1": ["one"]}, capped, view, NOW, pessimistic=doubtful) is None
    steady = PessimisticView(view, InflightBindings())
    assert preemption_cycle(ASKING, {"dc-1": ["one"]}, capped, view, NOW, pessimistic=steady) is not None
