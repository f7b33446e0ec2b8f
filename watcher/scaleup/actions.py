"""What the watcher does next, decided from values: ask, settle, withdraw.

Rules A2 to A6 as one pure function, `plan_actions`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import TypeAlias

from policy.api.objects import Pod
from policy.api.resourcepolicy import NextUnits, ResourcePolicy
from policy.scaleup.demand import Demand, demands, wants_nodes
from policy.scaleup.planner import queue_order
from watcher.provisioner.interface import IN_FLIGHT, MOST_TOGETHER, Request, RequestPhase, shape_of
from watcher.scaleup.cluster_state import ClusterState, PolicyState
from watcher.scaleup.observed_growth import NOTHING_GREW, granted, grown, refused
from watcher.scaleup.request_tracker import RequestTracker, full_since

__all__ = [
    "SETTLE_AFTER",
    "Action",
    "CreateRequest",
    "DeleteReason",
    "DeleteRequest",
    "MarkProvisioned",
    "ScaleRequest",
    "plan_actions",
    "wanted",
]

SETTLE_AFTER = 0.1
"""Seconds from Accepted, at least, until an answer without Provisioned is taken for all there will be.

The autoscaler writes its status after its answers, and it is read before them: what grew there was answered
already. The pause is for a group that grew for others just before (autoscaler.md, section 5, step 2).
"""
_LINGER = 10.0
"""Seconds that room which is on its way stays on offer for pods that replace those it was asked for."""
_LOST_AFTER = 5.0
"""Seconds that a unit has no room and nothing to come before what a request brought counts as taken."""
_LOOKED_FOR = 1.0
"""Seconds of these in which we have seen it: the autoscaler may know of a node's GPU before we do."""
_GRACE = 30.0
"""Seconds that cluster-autoscaler gives a GPU pod before it acts on it."""
_REPLACED_WITHIN = 2.0
"""Seconds that placeholders outlive their pods: a replacement would wait for the grace once more."""


class DeleteReason(StrEnum):
    """Why a request is withdrawn."""

    FAILED = "failed"
    OVERDUE = "its nodes have not taken its pods in time"
    DONE = "its places are taken"
    LOST = "other pods have its nodes"
    UNSAID = "its answer was lost, and no group grew: asked again if need be"
    UNWANTED = "its pods are gone, placed elsewhere, or not the policy's any more"
    UNSENT = "cut off before all of it was sent or seen"


_OVER = {RequestPhase.FAILED: DeleteReason.FAILED, RequestPhase.UNSENT: DeleteReason.UNSENT}


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """Put demands for one unit, together."""

    demands: tuple[Demand, ...]


@dataclass(frozen=True, slots=True)
class ScaleRequest:
    """Ask for fewer places than was asked for."""

    request: Request
    places: int


@dataclass(frozen=True, slots=True)
class MarkProvisioned:
    """Take a request that was served without a word out of the autoscaler's state."""

    request: Request


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """Delete a request."""

    request: Request
    why: DeleteReason


Action: TypeAlias = CreateRequest | ScaleRequest | MarkProvisioned | DeleteRequest


def plan_actions(state: ClusterState, memory: RequestTracker) -> list[Action]:
    """What to do now, in order, by a memory that has looked.

    At most one bundle is in flight (A2, A4); of placeholders, which take half a minute, one for each group.
    """
    tidy = _agreed({r.name: _tidy(r, state, memory) for r in state.requests}, state.requests)
    done: list[Action] = [step for step in tidy.values() if step is not None]
    kept = [request for request in state.requests if not isinstance(tidy[request.name], DeleteRequest)]
    failed = any(
        isinstance(step, DeleteRequest) and step.why in (DeleteReason.FAILED, DeleteReason.OVERDUE)
        for step in done
    )
    in_flight = [request for request in kept if request.answer in IN_FLIGHT]
    # What comes of a request decides about the next. An autoscaler that starts tells of no groups yet: what
    # it would buy in its first loop could not be seen.
    if (
        failed
        or not state.status.groups
        or any(request.answer is not RequestPhase.SHOWN for request in in_flight)
    ):
        return done
    free = [demand for demand in wanted(state, memory, kept) if _is_apart(demand, in_flight, state)]
    return [*done, CreateRequest(_bundle(free, memory, state.now))] if free else done


def wanted(state: ClusterState, memory: RequestTracker, requests: Sequence[Request] = ()) -> list[Demand]:
    """What there is to ask for, in the order of the scheduler's queue by the first pod of each."""
    found = [d for governed in state.governed.values() for d in _demands(governed, state, memory, requests)]
    heads = {demand.pods[0].uid: demand for demand in found}
    return [heads[pod.uid] for pod in queue_order(demand.pods[0] for demand in found)]


def _bundle(found: Sequence[Demand], memory: RequestTracker, now: float) -> tuple[Demand, ...]:
    """The first, and what else is wanted of its unit: one answer for all, and nodes that they share."""

    def alone(demand: Demand) -> bool:
        return memory.backoff.alone(demand.policy, demand.unit, shape_of(demand.pods[0]), now)

    first = found[0]
    place = first.policy.key, first.unit
    mates = (demand for demand in found if (demand.policy.key, demand.unit) == place and not alone(demand))
    return (first,) if alone(first) else tuple(islice(mates, MOST_TOGETHER))


def _is_apart(demand: Demand, in_flight: Iterable[Request], state: ClusterState) -> bool:
    """Whether what grows for the demand cannot be mistaken for what grows for a request in flight."""
    own = state.serving(demand.policy, demand.unit)
    others = [state.of(request) for request in in_flight]
    served = [state.serving(meant[0].policy, meant[1]) if meant else frozenset() for meant in others]
    return all(own and groups and own.isdisjoint(groups) for groups in served)


def _agreed(
    tidy: Mapping[str, ScaleRequest | MarkProvisioned | DeleteRequest | None], requests: Iterable[Request]
) -> Mapping[str, ScaleRequest | MarkProvisioned | DeleteRequest | None]:
    """Until it is served a bundle ends as a whole, as the autoscaler sees one request."""
    lasting = {
        request.bundle
        for request in requests
        if request.answer in IN_FLIGHT and not isinstance(tidy[request.name], DeleteRequest)
    }
    waits = {r.name for r in requests if r.bundle in lasting and isinstance(tidy[r.name], DeleteRequest)}
    return {name: None if name in waits else step for name, step in tidy.items()}


def _tidy(
    request: Request, state: ClusterState, memory: RequestTracker
) -> ScaleRequest | MarkProvisioned | DeleteRequest | None:
    if request.answer in _OVER:
        return DeleteRequest(request, _OVER[request.answer])
    if request.answer is RequestPhase.SHOWN:
        return _by_deeds(request, state, memory)
    if request.answer is RequestPhase.BOUGHT or _bought_unsaid(request, state, memory):
        return MarkProvisioned(request)
    if request.name in memory.idle_since:
        return _idle(request, state, memory)
    return (
        DeleteRequest(request, DeleteReason.UNSAID)
        if _is_final(request, state)
        else _late(request, state, memory)
    )


def _is_final(request: Request, state: ClusterState) -> bool:
    """Whether an answer that is half there will not be completed: a later loop than that has ended."""
    if request.answer is not RequestPhase.ACCEPTED or request.accepted_at is None:
        return False
    return state.status.is_of_a_loop_after(request.accepted_at)


def _idle(request: Request, state: ClusterState, memory: RequestTracker) -> DeleteRequest | None:
    done = not memory.places(request)
    # A request in flight may have been served already: its purchase must not be taken for that of the next.
    # And nodes that were asked for come, whoever went away meanwhile.
    in_flight = request.answer in IN_FLIGHT and not _is_final(request, state)
    awaited = in_flight or (not done and state.of(request) is not None)
    # Nodes that are there offer their room by themselves.
    lingers = state.now - memory.idle_since[request.name] < _LINGER and not _is_lost(request, state, memory)
    if awaited and lingers:
        return None
    return DeleteRequest(request, DeleteReason.DONE if done else DeleteReason.UNWANTED)


def _bought_unsaid(request: Request, state: ClusterState, memory: RequestTracker) -> bool:
    """Accepted, silent since, and a group was told to grow: bought, and about to be bought again (A5)."""
    if request.answer is not RequestPhase.ACCEPTED:
        return False
    seen_for = state.now - memory.accepted_at.get(request.name, state.now)
    return (seen_for >= SETTLE_AFTER or _is_final(request, state)) and bool(grown(request, state, memory))


def _by_deeds(
    request: Request, state: ClusterState, memory: RequestTracker
) -> ScaleRequest | MarkProvisioned | DeleteRequest | None:
    """What to do about placeholders: the autoscaler does not speak of them (autoscaler.md, section 6)."""
    if grown(request, state, memory):
        return MarkProvisioned(replace(request, granted=granted(request, state, memory)))
    if request.name in memory.idle_since:
        if state.now - memory.idle_since[request.name] < _REPLACED_WITHIN:
            return None
        return DeleteRequest(request, DeleteReason.UNWANTED if memory.places(request) else DeleteReason.DONE)
    if refused(request, state, memory):
        return DeleteRequest(request, DeleteReason.FAILED)
    if state.now - request.made_at > memory.request_timeout_seconds + _GRACE and memory.alive(request, state):
        return DeleteRequest(replace(request, message=NOTHING_GREW), DeleteReason.FAILED)
    wanted = memory.wanted(request, state)
    return ScaleRequest(request, wanted) if wanted < request.shown else None


def _is_lost(request: Request, state: ClusterState, memory: RequestTracker) -> bool:
    """Whether other pods have what it brought."""
    seen = state.now - memory.barren_since.get(request.name, state.now)
    return seen >= _LOOKED_FOR and state.now - full_since(request, state) >= _LOST_AFTER


def _late(request: Request, state: ClusterState, memory: RequestTracker) -> DeleteRequest | None:
    meant = state.of(request)
    if meant is None:
        return None
    if _is_lost(request, state, memory):
        return DeleteRequest(request, DeleteReason.LOST)
    accepted = state.now - (request.accepted_at or state.now)
    half_answered = request.answer is RequestPhase.ACCEPTED and accepted > memory.request_timeout_seconds
    if not half_answered and state.now - request.made_at <= _patience(meant[0].policy, memory):
        return None
    return DeleteRequest(
        request, DeleteReason.OVERDUE if memory.waiting(request, meant[0]) else DeleteReason.UNWANTED
    )


def _patience(policy: ResourcePolicy, memory: RequestTracker) -> float:
    """How long pods wait for nodes that were asked for: no longer than their policy lets them (O5)."""
    overflow = policy.when_try_next_units
    if overflow.policy in (NextUnits.TIMEOUT_OR_EXCEED_MAX, NextUnits.TIMEOUT):
        return min(memory.max_node_provision_seconds, overflow.timeout)
    return memory.max_node_provision_seconds


def _demands(
    governed: PolicyState, state: ClusterState, memory: RequestTracker, requests: Sequence[Request]
) -> Iterable[Demand]:
    policy, own = governed.policy, [r for r in requests if r.policy == governed.policy.key]
    asked = memory.awaiting(governed, own)
    pending = [pod for pod in governed.open if wants_nodes(pod) or pod.uid in asked]
    stuck = memory.stuck(policy, state)
    spare = [(governed.unit(r), r.shape, some) for r in own if (some := memory.spare(r, governed))]

    def unlike(pod: Pod, unit: int) -> int:
        return sum(some for place, shape, some in spare if place == unit and shape != shape_of(pod))

    for demand in demands(policy, pending, state.view, state.now, asked, stuck, unlike):
        shape = shape_of(demand.pods[0])
        coming = sum(some for place, alike, some in spare if (place, alike) == (demand.unit, shape))
        rest = queue_order(demand.pods)[coming:][: memory.backoff.batch(policy, demand.unit, shape)]
        if rest:
            yield Demand(policy, demand.unit, tuple(rest))
