"""What one reconcile does about requests, decided from values.

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
from watcher.scaleup.cluster_state import ClusterState, PolicyState, Target, TrackedRequest
from watcher.scaleup.observed_growth import NOTHING_GREW, granted, grown, refused

__all__ = [
    "CONCLUDE_AFTER",
    "Action",
    "CreateRequest",
    "DeleteReason",
    "DeleteRequest",
    "MarkProvisioned",
    "ScaleRequest",
    "plan_actions",
    "wanted_demands",
]

CONCLUDE_AFTER = 0.1
"""Seconds from Accepted, at least, until an answer without Provisioned is taken for all there will be.

The autoscaler writes its status after its answers, and it is read before them: what grew there was answered
already. The pause is for a group that grew for others just before (docs/design/autoscaler.md).
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
    """Why a request is deleted."""

    FAILED = "failed"
    OVERDUE = "its nodes have not taken its pods in time"
    DONE = "its places are taken"
    LOST = "other pods have its nodes"
    UNANSWERED = "its answer was lost, and no group grew: asked again if need be"
    UNWANTED = "its pods are gone, placed elsewhere, or not the policy's any more"
    INCOMPLETE = "cut off before all of it was sent or seen"


_OVER = {RequestPhase.FAILED: DeleteReason.FAILED, RequestPhase.UNSENT: DeleteReason.INCOMPLETE}


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """Ask for nodes for these demands of one unit, together."""

    demands: tuple[Demand, ...]


@dataclass(frozen=True, slots=True)
class ScaleRequest:
    """Ask for fewer places than was asked for."""

    request: Request
    places: int


@dataclass(frozen=True, slots=True)
class MarkProvisioned:
    """Take a request that was served without an answer out of the autoscaler's state."""

    request: Request


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """Delete a request."""

    request: Request
    reason: DeleteReason


Tidying: TypeAlias = ScaleRequest | MarkProvisioned | DeleteRequest
"""What may be done about a request that exists."""
Action: TypeAlias = CreateRequest | Tidying


def plan_actions(state: ClusterState) -> list[Action]:
    """What to do now, in order.

    At most one bundle is in flight (A2, A4); of placeholders, which take half a minute, one for each group.
    """
    tidying = _whole_bundles({r.name: _tidy(r, state) for r in state.requests}, state.requests)
    actions: list[Action] = [action for action in tidying.values() if action is not None]
    kept = [request for request in state.requests if not isinstance(tidying[request.name], DeleteRequest)]
    in_flight = [request for request in kept if request.request.phase in IN_FLIGHT]
    # What comes of a request decides about the next. An autoscaler that starts tells of no groups yet: what
    # it would buy in its first loop could not be seen.
    if (
        any(map(_is_failure, actions))
        or not state.status.groups
        or any(request.request.phase is not RequestPhase.SHOWN for request in in_flight)
    ):
        return actions
    free = [demand for demand in wanted_demands(state, kept) if _is_apart(demand, in_flight, state)]
    return [*actions, CreateRequest(_bundle(free, state))] if free else actions


def wanted_demands(state: ClusterState, requests: Sequence[TrackedRequest] = ()) -> list[Demand]:
    """What there is to ask for, in the order of the scheduler's queue by the first pod of each."""
    found = [d for policy_state in state.policies.values() for d in _demands(policy_state, state, requests)]
    heads = {demand.pods[0].uid: demand for demand in found}
    return [heads[pod.uid] for pod in queue_order(demand.pods[0] for demand in found)]


def _is_failure(action: Action) -> bool:
    failures = (DeleteReason.FAILED, DeleteReason.OVERDUE)
    return isinstance(action, DeleteRequest) and action.reason in failures


def _bundle(demands: Sequence[Demand], state: ClusterState) -> tuple[Demand, ...]:
    """The first, and what else is wanted of its unit: one answer for all, and nodes that they share."""

    def alone(demand: Demand) -> bool:
        return state.backoff.alone(demand.policy, demand.unit, shape_of(demand.pods[0]), state.now)

    first = demands[0]
    place = first.policy.key, first.unit
    mates = (demand for demand in demands if (demand.policy.key, demand.unit) == place and not alone(demand))
    return (first,) if alone(first) else tuple(islice(mates, MOST_TOGETHER))


def _is_apart(demand: Demand, in_flight: Iterable[TrackedRequest], state: ClusterState) -> bool:
    """Whether what grows for the demand cannot be mistaken for what grows for a request in flight."""
    own = state.serving_unit(demand.policy, demand.unit)
    others = [state.serving(request.target) for request in in_flight]
    return all(own and groups and own.isdisjoint(groups) for groups in others)


def _whole_bundles(
    tidying: Mapping[str, Tidying | None], requests: Iterable[TrackedRequest]
) -> Mapping[str, Tidying | None]:
    """Until it is served a bundle ends as a whole, as the autoscaler sees one request."""
    lasting = {
        request.request.bundle
        for request in requests
        if request.request.phase in IN_FLIGHT and not isinstance(tidying[request.name], DeleteRequest)
    }
    waits = {
        request.name
        for request in requests
        if request.request.bundle in lasting and isinstance(tidying[request.name], DeleteRequest)
    }
    return {name: None if name in waits else action for name, action in tidying.items()}


def _tidy(tracked: TrackedRequest, state: ClusterState) -> Tidying | None:
    request = tracked.request
    if request.phase in _OVER:
        return DeleteRequest(request, _OVER[request.phase])
    if request.phase is RequestPhase.SHOWN:
        return _tidy_placeholders(tracked, state)
    if request.phase is RequestPhase.BOUGHT or _is_bought_unanswered(tracked, state):
        return MarkProvisioned(request)
    if tracked.idle_since is not None:
        return _tidy_idle(tracked, tracked.idle_since, state)
    if _is_final(request, state):
        return DeleteRequest(request, DeleteReason.UNANSWERED)
    return _tidy_overdue(tracked, state)


def _is_final(request: Request, state: ClusterState) -> bool:
    """Whether an answer that is half there will not be completed: a later loop than that has ended."""
    if request.phase is not RequestPhase.ACCEPTED or request.accepted_at is None:
        return False
    return state.status.is_of_a_loop_after(request.accepted_at)


def _tidy_idle(tracked: TrackedRequest, idle_since: float, state: ClusterState) -> DeleteRequest | None:
    request, done = tracked.request, not tracked.places
    # A request in flight may have been served already: its purchase must not be taken for that of the next.
    # And nodes that were asked for come, whoever went away meanwhile.
    in_flight = request.phase in IN_FLIGHT and not _is_final(request, state)
    awaited = in_flight or (not done and tracked.target is not None)
    # Nodes that are there offer their room by themselves.
    lingers = state.now - idle_since < _LINGER and not _is_lost(tracked, state)
    if awaited and lingers:
        return None
    return DeleteRequest(request, DeleteReason.DONE if done else DeleteReason.UNWANTED)


def _is_bought_unanswered(tracked: TrackedRequest, state: ClusterState) -> bool:
    """Accepted, silent since, and a group was told to grow: bought, and about to be bought again (A5)."""
    if tracked.request.phase is not RequestPhase.ACCEPTED:
        return False
    since = state.now if tracked.accepted_seen_at is None else tracked.accepted_seen_at
    waited = state.now - since >= CONCLUDE_AFTER
    return (waited or _is_final(tracked.request, state)) and bool(grown(tracked, state))


def _tidy_placeholders(tracked: TrackedRequest, state: ClusterState) -> Tidying | None:
    """The autoscaler does not answer placeholders: it acts (docs/design/autoscaler.md)."""
    request = tracked.request
    if grown(tracked, state):
        return MarkProvisioned(replace(request, granted=granted(tracked, state)))
    if tracked.idle_since is not None:
        if state.now - tracked.idle_since < _REPLACED_WITHIN:
            return None
        return DeleteRequest(request, DeleteReason.UNWANTED if tracked.places else DeleteReason.DONE)
    if refused(tracked, state):
        return DeleteRequest(request, DeleteReason.FAILED)
    if state.now - request.made_at > state.timeouts.request + _GRACE and tracked.autoscaler_alive:
        return DeleteRequest(replace(request, message=NOTHING_GREW), DeleteReason.FAILED)
    return ScaleRequest(request, tracked.wanted) if tracked.wanted < request.shown else None


def _is_lost(tracked: TrackedRequest, state: ClusterState) -> bool:
    """Whether other pods have what it brought."""
    if tracked.full_since is None or tracked.target is None:
        return False
    full_since = _full_since(tracked.request, tracked.target, state)
    return state.now - tracked.full_since >= _LOOKED_FOR and state.now - full_since >= _LOST_AFTER


def _full_since(request: Request, target: Target, state: ClusterState) -> float:
    """Since when the unit of a request may have been full, at the earliest.

    By what the API tells of its nodes and pods, so that a watcher that was restarted does not wait anew.
    """
    names = state.view.nodes_in(target.policy, target.index)
    came = (state.view.nodes[name].created for name in names)
    taken = (pod.bound_at or pod.created for name in names for pod in state.view.pods_on(name))
    return max((request.made_at, *came, *taken))


def _tidy_overdue(tracked: TrackedRequest, state: ClusterState) -> DeleteRequest | None:
    request, target = tracked.request, tracked.target
    if target is None:
        return None
    if _is_lost(tracked, state):
        return DeleteRequest(request, DeleteReason.LOST)
    accepted = state.now - (request.accepted_at or state.now)
    half_answered = request.phase is RequestPhase.ACCEPTED and accepted > state.timeouts.request
    if not half_answered and state.now - request.made_at <= _patience(target.policy, state):
        return None
    return DeleteRequest(request, DeleteReason.OVERDUE if tracked.waiting else DeleteReason.UNWANTED)


def _patience(policy: ResourcePolicy, state: ClusterState) -> float:
    """How long pods wait for nodes that were asked for: no longer than their policy lets them (O5)."""
    overflow, longest = policy.when_try_next_units, state.timeouts.node_provision
    if overflow.policy in (NextUnits.TIMEOUT_OR_EXCEED_MAX, NextUnits.TIMEOUT):
        return min(longest, overflow.timeout)
    return longest


def _demands(
    policy_state: PolicyState, state: ClusterState, requests: Sequence[TrackedRequest]
) -> Iterable[Demand]:
    policy = policy_state.policy
    own = [r for r in requests if r.request.policy == policy.key]
    requested = state.requested_units(policy, own)
    pending = [pod for pod in policy_state.pending if wants_nodes(pod) or pod.uid in requested]
    spare = [(r.target.index, r.request.shape, r.spare) for r in own if r.target is not None and r.spare]

    def unlike(pod: Pod, unit: int) -> int:
        return sum(some for place, shape, some in spare if place == unit and shape != shape_of(pod))

    blocked = state.blocked_for(policy)
    for demand in demands(policy, pending, state.view, state.now, requested, blocked, unlike):
        shape = shape_of(demand.pods[0])
        coming = sum(some for place, alike, some in spare if (place, alike) == (demand.unit, shape))
        rest = queue_order(demand.pods)[coming:][: state.backoff.batch(policy, demand.unit, shape)]
        if rest:
            yield Demand(policy, demand.unit, tuple(rest))
