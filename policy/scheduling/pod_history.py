"""What one pod's earlier decisions leave for its next one: timers, tries, promises (O5, P1, P2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.accounting import record_of, recorded_unit
from policy.scheduling.refusals import Reason, Refusal

__all__ = ["NO_HISTORY", "Nomination", "PodHistory", "refused_since_ungated"]


_NOMINATION_GRACE = 10.0


@dataclass(frozen=True, slots=True)
class Nomination:
    """What we answered to preempt: the unit and nodes in which victims leave for this pod (E7)."""

    unit: int | None
    """None: the unit was removed or its caps changed: nothing says that the pod may use the node."""
    nodes: frozenset[str]
    made_at: float

    def is_live(self, nominated_node: str, now: float) -> bool:
        """While the pod is nominated to one of the nodes, or the nomination may still be on its way."""
        return nominated_node in self.nodes or now - self.made_at < _NOMINATION_GRACE

    def holds(self, nominated_node: str, now: float) -> bool:
        """While it lives, and the pod may use the unit in which it was made: that is what a slot is for."""
        return self.unit is not None and self.is_live(nominated_node, now)


@dataclass(frozen=True, slots=True)
class PodHistory:
    """The memory of one pending pod."""

    refused_since: Mapping[int, float] = field(default_factory=dict)
    """Start of the timer, by unit: the pod's first refusal there (O5)."""
    preempted_in_vain: frozenset[int] = frozenset()
    """Units in which preemption was given its chance (P1)."""
    withheld_unit: int | None = None
    """The unit with room for the pod that it is kept from, so that an earlier one is preempted in (P1)."""
    nomination_refused: bool = False
    """The nominated node alone was refused a moment ago; the full list comes next (O1)."""
    nomination: Nomination | None = None

    def holds(self, nominated_node: str, now: float) -> bool:
        """Whether a promise keeps the pod's slot, whatever it is answered (E7)."""
        return self.nomination is not None and self.nomination.holds(nominated_node, now)

    def after(self, waits: Refusal | None, since: float, withheld_unit: int | None = None) -> "PodHistory":
        """The history once a filter decision waited for `waits` since then, or for nothing."""
        known = replace(self, nomination_refused=False, withheld_unit=withheld_unit)
        if waits is None:
            return known
        if waits.reason is Reason.EARLIER_UNIT_FIRST:
            return replace(known, nomination_refused=True)
        if waits.reason is Reason.WAITING_FOR_TIMEOUT:
            timers = {waits.unit: since, **self.refused_since}
            return replace(known, refused_since=timers)
        if waits.reason is Reason.WAITING_FOR_PREEMPTION:
            return replace(known, preempted_in_vain=self.preempted_in_vain | {waits.unit})
        return known

    def carried_over(self, before: ResourcePolicy, policy: ResourcePolicy) -> "PodHistory":
        """The history once the policy was edited: what is known of a unit goes where the unit is now (L4)."""
        units = {unit: recorded_unit(record_of(before, unit), policy) for unit in range(len(before.units))}
        found = {unit: now for unit, now in units.items() if now is not None}
        kept = {unit: now for unit, now in found.items() if _caps(before, unit) == _caps(policy, now)}
        return replace(
            self,
            refused_since={found[unit]: at for unit, at in self.refused_since.items() if unit in found},
            preempted_in_vain=frozenset(found[unit] for unit in self.preempted_in_vain if unit in found),
            withheld_unit=_moved(self.withheld_unit, found),
            nomination=self.nomination and replace(self.nomination, unit=_moved(self.nomination.unit, kept)),
        )

    def under_another_policy(self) -> "PodHistory":
        """What is left of it: victims leave for the pod all the same."""
        return PodHistory(nomination=self.nomination and replace(self.nomination, unit=None))


def _moved(unit: int | None, units: Mapping[int, int]) -> int | None:
    return None if unit is None else units.get(unit)


def _caps(policy: ResourcePolicy, unit: int) -> tuple[object, ...]:
    written = policy.units[unit]
    return written.max, written.max_resources, policy.match_label_keys


NO_HISTORY = PodHistory()


_AT_BIRTH = 1.0
"""Seconds after its creation in which a time may be that of a gate: none is added later."""


def refused_since_ungated(pod: Pod, before: Pod | None, now: float) -> Pod:
    """The pod as it is told now, its first refusal put right by how it was known before."""
    reported = pod.unscheduled_since
    if reported is None or before is None:
        return pod
    known = before.unscheduled_since
    if known is None and reported <= pod.created + _AT_BIRTH:
        known = now
    return pod if known is None or known <= reported else replace(pod, unscheduled_since=known)
