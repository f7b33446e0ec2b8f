"""An explained decision as plain values (O10): the answer of GET /decisions has the same fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from policy.scheduling.decision_record import Verb
from policy.scheduling.refusals import Reason

__all__ = ["Amount", "Explanation", "UnitExplanation", "UnitOutcome"]


class UnitOutcome(StrEnum):
    """What a unit was to the pod."""

    USED = "used"
    EXHAUSTED = "exhausted"
    """A cap is reached (O2)."""
    NO_ROOM = "no room"
    """No node that kube-scheduler asked about lies in it."""
    WAITING = "waiting"
    """The pod is kept here, and from every later unit."""
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True)
class Amount:
    """One resource that `maxResources` names, in Kubernetes' spelling."""

    resource: str
    used: str
    requested: str
    limit: str


@dataclass(frozen=True, slots=True)
class UnitExplanation:
    """One unit. What the unit holds is told without the pod itself, and only if the unit was looked at."""

    unit: int
    what: str
    state: UnitOutcome
    rule: str = ""
    reason: Reason | None = None
    why: str = ""
    nodes: int | None = None
    pods: int | None = None
    max: int | None = None
    amounts: tuple[Amount, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """One decision, told."""

    verb: Verb
    namespace: str
    pod: str
    uid: str
    policy: str
    group: Mapping[str, str]
    """The labels of `matchLabelKeys` that say which pods are counted with this one (C2)."""
    at: float
    since: float
    """Of the first of the decisions in a row that said the same."""
    times: int
    asked: int
    """How many nodes kube-scheduler asked about."""
    kept: int
    unit: int | None
    rule: str
    reason: Reason | None
    why: str
    retry_at: float | None
    """When a timer lets it go on."""
    again: str
    """When it is tried again; empty where it has a place."""
    units: tuple[UnitExplanation, ...]
