"""Which unit a pod gets, or why none: the order and the overflow (O1 to O9)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from policy.api.resourcepolicy import NextUnits, ResourcePolicy
from policy.scheduling.accounting import Usage
from policy.scheduling.refusals import Reason, Refusal

__all__ = ["UnitQuery", "UnitSelection", "limit_reached", "select_unit"]


@dataclass(frozen=True, slots=True)
class UnitQuery:
    """What one pod's walk depends on. Every function takes the index of a unit."""

    closed: Callable[[int], Refusal | None]
    """Why a cap closes the unit to the pod; None if none does (O2)."""
    has_room: Callable[[int], bool]
    """Whether a node that can take the pod lies in the unit."""
    leaving_until: Callable[[int], float]
    """Until when pods of the policy are leaving the unit (O6)."""
    preempting: Callable[[int], bool]
    """Whether preemption in the unit comes before the next unit (P1)."""
    refused_since: Mapping[int, float]
    """Start of the pod's timer by unit, where it is remembered (O5)."""
    unscheduled_since: float | None
    """The pod's first refusal as the API tells it, where memory does not reach back so far (O9)."""
    now: float


@dataclass(frozen=True, slots=True)
class UnitSelection:
    """The outcome: the unit to use, or the refusals met and what the pod waits for."""

    unit: int | None
    full: Mapping[int, Refusal]
    """Why each exhausted unit on the way is closed, by index."""
    lacked_room: bool
    """Whether a unit on the way had no room though no cap closes it."""
    waits: Refusal | None = None
    """What keeps the pod from going on past `waits.unit`; None if nothing did."""
    retry_at: float = math.inf
    """When a timer lets it go on."""


@dataclass(frozen=True, slots=True)
class _Wait:
    """Why a pod waits in a unit, and until when if a timer ends it."""

    reason: Reason
    until: float = math.inf


def select_unit(policy: ResourcePolicy, query: UnitQuery) -> UnitSelection:
    """The first open unit with room (O1), starting at unit 0 on every attempt (O8)."""
    full: dict[int, Refusal] = {}
    lacked_room = False
    timers_over = 0
    for index in range(len(policy.units)):
        closed = query.closed(index)
        if closed is not None:
            full[index] = closed
        elif query.has_room(index):
            return UnitSelection(index, full, lacked_room)
        else:
            lacked_room = True
        hold = _wait(policy, index, query, timers_over, exhausted=closed is not None)
        if hold is not None and query.now < hold.until:
            waits = Refusal(hold.reason, policy, index)
            return UnitSelection(None, full, lacked_room, waits, hold.until)
        timers_over += hold is not None
        if query.preempting(index):  # P1
            return UnitSelection(
                None, full, lacked_room, Refusal(Reason.WAITING_FOR_PREEMPTION, policy, index)
            )
    return UnitSelection(None, full, lacked_room)


def limit_reached(
    policy: ResourcePolicy, index: int, usage: Usage, requests: Mapping[str, int]
) -> Refusal | None:
    """O2: `n >= max`, or `used + req > limit` for a resource that maxResources names. Equal fits."""
    unit = policy.units[index]
    if unit.max is not None and usage.pods >= unit.max:
        return Refusal(Reason.MAX_REACHED, policy, index)
    for resource, limit in unit.max_resources.items():
        if usage.requests.get(resource, 0) + requests.get(resource, 0) > limit:
            return Refusal(Reason.MAX_RESOURCES_REACHED, policy, index, resource)
    return None


def _wait(
    policy: ResourcePolicy, index: int, query: UnitQuery, timers_over: int, *, exhausted: bool
) -> _Wait | None:
    """The wait that each mode of whenTryNextUnits asks for in a unit found exhausted or without room."""
    unit = policy.units[index]
    match policy.when_try_next_units.policy:
        case NextUnits.EXCEED_MAX:  # O4
            return _Wait(Reason.WAITING_FOR_ROOM) if unit.capped and not exhausted else None
        case NextUnits.TIMEOUT_OR_EXCEED_MAX:  # O5
            may_wait = (unit.capped or unit.waits_for_nodes) and not exhausted
            return _timer(policy, index, query, timers_over) if may_wait else None
        case NextUnits.LACK_RESOURCE_AND_NO_TERMINATING:  # O6
            return _Wait(Reason.WAITING_FOR_TERMINATING, query.leaving_until(index))
        case NextUnits.TIMEOUT:  # O7
            return _timer(policy, index, query, timers_over)
    return None  # O3: LackResourceOrExceedMax never waits


def _timer(policy: ResourcePolicy, index: int, query: UnitQuery, timers_over: int) -> _Wait:
    """The timer of O5, which starts at the pod's first refusal in the unit.

    Where memory does not reach back so far the API tells when the pod was first refused at all (O9): the
    timers of earlier units ran from then on, one after the other.
    """
    timeout = policy.when_try_next_units.timeout
    since = query.refused_since.get(index)
    if since is None and query.unscheduled_since is not None:
        since = query.unscheduled_since + timers_over * timeout
    return _Wait(Reason.WAITING_FOR_TIMEOUT, (query.now if since is None else since) + timeout)
