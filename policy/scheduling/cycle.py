"""One scheduling cycle: everything that follows from one call of kube-scheduler, as a value.

`cycle` is for filter, `preemption_cycle` for preempt. They read a view and change nothing: the caller applies
the result, as a whole.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from policy.api.objects import Pod
from policy.api.options import OutsideUnits
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling import filter as filter_verb
from policy.scheduling import preempt as preempt_verb
from policy.scheduling.decision_record import DecisionRecord, record_filter, record_preempt
from policy.scheduling.filter import FilterDecision
from policy.scheduling.pod_history import Nomination, PodHistory
from policy.scheduling.preempt import PreemptDecision
from policy.scheduling.refusals import Reason, Refusal
from policy.scheduling.reservation_expiry import outlives
from policy.scheduling.snapshot import ClusterView, Reservation

__all__ = ["CycleResult", "PreemptionResult", "SlotChange", "cycle", "preemption_cycle"]


class SlotChange(Enum):
    """What becomes of the slot that the pod holds, or is to hold."""

    ASSUME = "assume"
    """Hold one in the decision's unit, in place of any other (E6)."""
    KEEP = "keep"
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class CycleResult:
    """The outcome of filter for a governed pod."""

    decision: FilterDecision
    slot: SlotChange
    history: PodHistory
    """For the pod's next cycle."""
    record: DecisionRecord
    awaits_bindings: bool
    """Whether the pod is refused only because of bindings that may be in flight (C7)."""


@dataclass(frozen=True, slots=True)
class PreemptionResult:
    """The outcome of preempt for a governed pod."""

    decision: PreemptDecision
    slot: SlotChange
    history: PodHistory | None
    """For the pod's next cycle; None: nothing was learnt, the last attempt stands."""
    retry_at: float
    """When asking again may give another answer without any event."""
    record: DecisionRecord


def cycle(
    pod: Pod,
    candidates: Sequence[str],
    policy: ResourcePolicy,
    view: ClusterView,
    now: float,
    *,
    slot: Reservation | None = None,
    pessimistic: ClusterView | None = None,
    bindings_end_at: float = math.inf,
    in_conflict: bool = False,
    outside_units: OutsideUnits = OutsideUnits.NEVER,
) -> CycleResult:
    """Decide on the nodes that kube-scheduler sent, and what the decision leaves behind.

    `slot` is what the pod holds. `pessimistic` counts every binding that may be in flight; None: none is.
    `in_conflict`: several policies match the pod, and such pods are refused (M4).
    """
    if in_conflict:
        decision = filter_verb.refuse(candidates, Refusal(Reason.CONFLICT, policy))
    else:
        decision = _decide(pod, candidates, policy, view, now, pessimistic, outside_units)
    awaits_bindings = decision.waits is not None and decision.waits.reason is Reason.WAITING_FOR_BINDINGS
    if awaits_bindings:
        decision = replace(decision, retry_at=bindings_end_at)
    history = view.history(pod.uid).after(decision.waits, decision.waits_since, decision.withheld_unit)
    record = record_filter(pod, len(candidates), policy, decision, view, now)
    return CycleResult(
        decision, _slot_after(decision, slot, pod, policy, view, now), history, record, awaits_bindings
    )


def _decide(
    pod: Pod,
    candidates: Sequence[str],
    policy: ResourcePolicy,
    view: ClusterView,
    now: float,
    pessimistic: ClusterView | None,
    outside_units: OutsideUnits,
) -> FilterDecision:
    """A refusal while it depends on bindings in flight: an error would cost seconds of back-off."""
    decision = filter_verb.decide(pod, candidates, policy, view, now, outside_units)
    if pessimistic is None:
        return decision
    worst = filter_verb.decide(pod, candidates, policy, pessimistic, now, outside_units)
    return filter_verb.confirm(candidates, policy, decision, worst)


def _slot_after(
    decision: FilterDecision,
    slot: Reservation | None,
    pod: Pod,
    policy: ResourcePolicy,
    view: ClusterView,
    now: float,
) -> SlotChange:
    if decision.unit is not None:
        return SlotChange.ASSUME
    refused = decision.refused
    if slot is not None and refused is not None and outlives(slot, pod, refused, policy, view, now):
        return SlotChange.KEEP
    return SlotChange.FORGET


def preemption_cycle(
    pod: Pod,
    victims: Mapping[str, Sequence[str]],
    policy: ResourcePolicy,
    view: ClusterView,
    now: float,
    *,
    protected: Collection[str] = (),
    pessimistic: ClusterView | None = None,
    retry_at: float = math.inf,
) -> PreemptionResult | None:
    """Decide on the candidates that kube-scheduler sent; None if it depends on bindings in flight (C7).

    `protected` names the nodes with a victim that a PodDisruptionBudget would keep. `retry_at` is that of the
    pod's last attempt.
    """
    decision: PreemptDecision | None
    decision = preempt_verb.decide(pod, victims, policy, view, now, protected)
    if pessimistic is not None:
        worst = preempt_verb.decide(pod, victims, policy, pessimistic, now, protected)
        decision = preempt_verb.confirm(decision, worst)
    if decision is None:
        return None
    slot, history, retry_at = _after_preemption(pod, policy, decision, view, now, retry_at)
    record = record_preempt(pod, len(victims), policy, decision, view, now)
    return PreemptionResult(decision, slot, history, retry_at, record)


def _after_preemption(
    pod: Pod,
    policy: ResourcePolicy,
    decision: PreemptDecision,
    view: ClusterView,
    now: float,
    retry_at: float,
) -> tuple[SlotChange, PodHistory | None, float]:
    """A slot (E7), or what the pod has to wait for before victims further on (O5, P1)."""
    history, selection = view.history(pod.uid), decision.selection
    if decision.unit is not None:
        nomination = Nomination(decision.unit, frozenset(decision.nodes), now)
        return SlotChange.ASSUME, replace(history, nomination=nomination), retry_at
    # Nobody leaves for a pod that is not nominated. kube-scheduler does not end a nomination before it asks.
    slot = SlotChange.KEEP if history.holds(pod.nominated_node, now) else SlotChange.FORGET
    if selection is None or selection.waits is None:
        return slot, None, retry_at
    waiting = history.after(selection.waits, selection.retry_at - policy.when_try_next_units.timeout)
    return slot, waiting, min(retry_at, selection.retry_at)
