"""Why not: the one vocabulary of refusals.

The scheduler prints "count sentence" and requeues a pod whose sentence changed, so a sentence reads well
after a number and names only what the policy says, never a count that moves
(docs/design/extender-protocol.md, E8 and "Rejecting").
"""

from dataclasses import dataclass
from enum import StrEnum

from policy.api.duration import format_duration
from policy.api.quantity import format_quantity
from policy.api.resourcepolicy import ResourcePolicy

__all__ = ["Reason", "Refusal"]


class Reason(StrEnum):
    """The code of a refusal, as logs, metrics and tests name it."""

    MAX_REACHED = "MaxReached"
    """O2: the unit holds `max` pods."""
    MAX_RESOURCES_REACHED = "MaxResourcesReached"
    """O2: the pod's requests would exceed `maxResources`."""
    WAITING_FOR_ROOM = "WaitingForRoom"
    """O4: an earlier unit is below its cap and has no room; ExceedMax waits without limit."""
    WAITING_FOR_TIMEOUT = "WaitingForTimeout"
    """O5, O7: an earlier unit may still get room before the timeout."""
    WAITING_FOR_TERMINATING = "WaitingForTerminating"
    """O6: pods of an earlier unit are terminating."""
    WAITING_FOR_PREEMPTION = "WaitingForPreemption"
    """P1: preemption is tried in an earlier unit first, or its victims are leaving."""
    WAITING_FOR_BINDINGS = "WaitingForBindings"
    """C7: the server has just started, and what its predecessor approved may take the unit's last slots."""
    EARLIER_UNIT_FIRST = "EarlierUnitFirst"
    """O1: a nominated node lies in a later unit than one that may have room."""
    OUTSIDE_UNITS = "OutsideUnits"
    """U6: the node lies in no unit."""
    LABEL_MISSING = "LabelMissing"
    """C2: the pod lacks a key of `matchLabelKeys`."""
    CONFLICT = "Conflict"
    """M4: several policies match and the setting is to reject."""


_SENTENCES = {
    Reason.MAX_REACHED: "node(s) in units[{unit}] of {policy}, which is full: max {max} pod(s)",
    Reason.MAX_RESOURCES_REACHED: "node(s) in units[{unit}] of {policy}, whose maxResources leave "
    "too little {resource} (limit {limit})",
    Reason.WAITING_FOR_ROOM: "node(s) held back by {policy}: ExceedMax waits for room in "
    "units[{unit}] while its cap is not reached",
    Reason.WAITING_FOR_TIMEOUT: "node(s) held back by {policy}: waiting up to {timeout} for room "
    "in units[{unit}]",
    Reason.WAITING_FOR_TERMINATING: "node(s) held back by {policy}: waiting for pods that are "
    "terminating in units[{unit}]",
    Reason.WAITING_FOR_PREEMPTION: "node(s) held back by {policy}: preempting in units[{unit}] "
    "before the next unit is used",
    Reason.WAITING_FOR_BINDINGS: "node(s) held back by {policy}: the extender has just started, and pods "
    "may be on their way to units[{unit}] unseen",
    Reason.EARLIER_UNIT_FIRST: "node(s) nominated by the scheduler, but units[{unit}] of {policy} "
    "comes first and may have room",
    Reason.OUTSIDE_UNITS: "node(s) in no unit of {policy}",
    Reason.LABEL_MISSING: "node(s) refused by {policy}: the pod lacks the label {key}, which "
    "matchLabelKeys counts by",
    Reason.CONFLICT: "node(s) refused: {policy} and another ResourcePolicy both match the pod",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One "no": its code, the policy that says so, the unit it is about, the label or resource it names."""

    reason: Reason
    policy: ResourcePolicy
    unit: int = 0
    named: str = ""

    @property
    def text(self) -> str:
        """The sentence for the pod's event."""
        unit = self.policy.units[self.unit]
        return _SENTENCES[self.reason].format(
            policy=f"ResourcePolicy {self.policy.name}",
            unit=self.unit,
            max=unit.max,
            resource=self.named,
            key=self.named,
            limit=format_quantity(unit.max_resources.get(self.named, 0)),
            timeout=format_duration(self.policy.when_try_next_units.timeout),
        )
