"""What the watcher does next, planned from one immutable state (A2 to A6). Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import TypeAlias

from policy.api.objects import Pod
from policy.api.resourcepolicy import NextUnits, ResourcePolicy
from policy.scaleup.demand import Demand, demands, wants_nodes
from policy.scaleup.planner import queue_order
from watcher.provisioner.interface import IN_FLIGHT, MAX_DEMANDS, Request, RequestPhase, shape_key
from watcher.scaleup.cluster_state import ClusterState, PolicyState, TrackedRequest, UnitRef
from watcher.scaleup.observed_growth import (
    NO_GROUP_GREW,
    granted_pods,
    groups_refused,
    grown_groups,
)

__all__ = [
    "PROVISIONED_AFTER",
    "Action",
    "CreateRequest",
    "DeleteReason",
    "DeleteRequest",
    "MarkProvisioned",
    "ScaleRequest",
    "plan_actions",
    "unmet_demands",
]

PROVISIONED_AFTER = 0.1
"""Seconds from Accepted, at least, until a request without a further condition may be marked provisioned.

The autoscaler writes its status after the conditions, and we read the status first: the conditions of what
grew there were written already. The pause is for a group that grew for others just before
(docs/design/autoscaler.md).
"""
_IDLE_GRACE = 10.0
"""Seconds that capacity on its way stays on offer for pods that replace those it was asked for."""
_TAKEN_GRACE = 5.0
"""Seconds that a unit has no room and nothing to come before the nodes of a request count as taken."""
_TAKEN_SEEN = 1.0
"""Seconds of these in which we have seen it: the autoscaler may know of a node's GPU before we do."""
_GPU_POD_GRACE = 30.0
"""Seconds that cluster-autoscaler gives a GPU pod before it acts on it."""
_PLACEHOLDER_GRACE = 2.0
"""Seconds that placeholders outlive their pods: for a new pod the autoscaler's grace would start again."""


class DeleteReason(StrEnum):
    """Why a request is deleted."""

    FAILED = "failed"
    OVERDUE = "its nodes have not taken its pods in time"
    DONE = "its places are taken"
    NODES_TAKEN = "other pods have its nodes"
    NOT_ANSWERED = "its answer was lost, and no group grew: asked again if need be"
    NOT_NEEDED = "its pods are gone, placed elsewhere, or not the policy's any more"
    UNSENT = "cut off before all of it was sent or seen"


_FINAL_PHASES = {RequestPhase.FAILED: DeleteReason.FAILED, RequestPhase.UNSENT: DeleteReason.UNSENT}


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """Ask for nodes for demands of one unit, together."""

    demands: tuple[Demand, ...]


@dataclass(frozen=True, slots=True)
class ScaleRequest:
    """Ask for fewer places than before."""

    request: Request
    places: int


@dataclass(frozen=True, slots=True)
class MarkProvisioned:
    """Take a request that was served without a condition away from the autoscaler."""

    request: Request


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """Delete a request."""

    tracked: TrackedRequest
    reason: DeleteReason


_Change: TypeAlias = ScaleRequest | MarkProvisioned | DeleteRequest
Action: TypeAlias = CreateRequest | _Change


def plan_actions(state: ClusterState) -> list[Action]:
    """What to do now, in order.

    At most one bundle is in flight (A2, A4); of placeholders, which take half a minute, one per group.
    """
    changes = _whole_bundles({t.request.name: _change(t, state) for t in state.requests}, state.requests)
    actions: list[Action] = [change for change in changes.values() if change is not None]
    kept = [t for t in state.requests if not isinstance(changes[t.request.name], DeleteRequest)]
    failed = any(
        isinstance(action, DeleteRequest) and action.reason in (DeleteReason.FAILED, DeleteReason.OVERDUE)
        for action in actions
    )
    in_flight = [tracked for tracked in kept if tracked.request.phase in IN_FLIGHT]
    # The outcome of a request decides about the next. An autoscaler that starts lists no groups yet: what it
    # would buy in its first loop could not be seen.
    if (
        failed
        or not state.status.groups
        or any(t.request.phase is not RequestPhase.PLACEHOLDERS_PENDING for t in in_flight)
    ):
        return actions
    free = [demand for demand in unmet_demands(state, kept) if _is_independent(demand, in_flight, state)]
    return [*actions, CreateRequest(_bundle(free, state))] if free else actions


def unmet_demands(state: ClusterState, requests: Sequence[TrackedRequest] = ()) -> list[Demand]:
    """What `requests` do not cover, in the order of the scheduler's queue by the first pod of each."""
    found = [d for policy_state in state.policies.values() for d in _demands(policy_state, state, requests)]
    heads = {demand.pods[0].uid: demand for demand in found}
    return [heads[pod.uid] for pod in queue_order(demand.pods[0] for demand in found)]


def _bundle(found: Sequence[Demand], state: ClusterState) -> tuple[Demand, ...]:
    """The first demand, and the others for its unit: they share one answer, and nodes."""

    def is_separate(demand: Demand) -> bool:
        return state.backoff.is_separate(demand.policy, demand.unit, shape_key(demand.pods[0]), state.now)

    first = found[0]
    if is_separate(first):
        return (first,)
    unit = first.policy.key, first.unit
    mates = (d for d in found if (d.policy.key, d.unit) == unit and not is_separate(d))
    return tuple(islice(mates, MAX_DEMANDS))


def _is_independent(demand: Demand, in_flight: Iterable[TrackedRequest], state: ClusterState) -> bool:
    """Whether growth for the demand cannot be mistaken for growth for a request in flight."""
    own = state.possible_groups(UnitRef(state.policies[demand.policy.key], demand.unit))
    others = [state.possible_groups(t.unit) if t.unit else frozenset() for t in in_flight]
    return all(own and groups and own.isdisjoint(groups) for groups in others)


def _whole_bundles(
    changes: Mapping[str, _Change | None], requests: Iterable[TrackedRequest]
) -> Mapping[str, _Change | None]:
    """Until it is served a bundle is deleted as a whole, as the autoscaler sees one request."""
    deleted = {name for name, change in changes.items() if isinstance(change, DeleteRequest)}
    kept = {
        tracked.request.bundle
        for tracked in requests
        if tracked.request.phase in IN_FLIGHT and tracked.request.name not in deleted
    }
    postponed = deleted & {t.request.name for t in requests if t.request.bundle in kept}
    return {name: None if name in postponed else change for name, change in changes.items()}


def _change(tracked: TrackedRequest, state: ClusterState) -> _Change | None:
    phase = tracked.request.phase
    if phase in _FINAL_PHASES:
        return DeleteRequest(tracked, _FINAL_PHASES[phase])
    if phase is RequestPhase.PLACEHOLDERS_PENDING:
        return _placeholder_change(tracked, state)
    if phase is RequestPhase.SCALED_UP or _scaled_up_unreported(tracked, state):
        return MarkProvisioned(tracked.request)
    if tracked.idle_since is not None:
        return _delete_idle(tracked, tracked.idle_since, state)
    if _answer_is_lost(tracked.request, state):
        return DeleteRequest(tracked, DeleteReason.NOT_ANSWERED)
    return _delete_late(tracked, state)


def _answer_is_lost(request: Request, state: ClusterState) -> bool:
    """Whether a request stays Accepted for good: a later loop of the autoscaler has ended since."""
    if request.phase is not RequestPhase.ACCEPTED or request.accepted_at is None:
        return False
    return state.status.is_of_a_loop_after(request.accepted_at)


def _delete_idle(tracked: TrackedRequest, idle_since: float, state: ClusterState) -> DeleteRequest | None:
    done = not tracked.places
    # A request in flight may have been served already: its purchase must not be taken for that of the next.
    # And nodes that were asked for come, whoever went away meanwhile.
    in_flight = tracked.request.phase in IN_FLIGHT and not _answer_is_lost(tracked.request, state)
    expected = in_flight or (not done and tracked.unit is not None)
    # Nodes that are there offer their room by themselves.
    if expected and state.now - idle_since < _IDLE_GRACE and not _nodes_are_taken(tracked, state):
        return None
    return DeleteRequest(tracked, DeleteReason.DONE if done else DeleteReason.NOT_NEEDED)


def _scaled_up_unreported(tracked: TrackedRequest, state: ClusterState) -> bool:
    """Accepted, no condition since, and a group was told to grow: it might be bought again (A5)."""
    if tracked.request.phase is not RequestPhase.ACCEPTED:
        return False
    seen_at = state.now if tracked.accepted_seen_at is None else tracked.accepted_seen_at
    settled = state.now - seen_at >= PROVISIONED_AFTER or _answer_is_lost(tracked.request, state)
    return settled and bool(grown_groups(tracked, state))


def _placeholder_change(tracked: TrackedRequest, state: ClusterState) -> _Change | None:
    """What to do about placeholders, on which the autoscaler sets no condition."""
    request = tracked.request
    if grown_groups(tracked, state):
        return MarkProvisioned(replace(request, granted=granted_pods(tracked, state)))
    if tracked.idle_since is not None:
        if state.now - tracked.idle_since < _PLACEHOLDER_GRACE:
            return None
        return DeleteRequest(tracked, DeleteReason.NOT_NEEDED if tracked.places else DeleteReason.DONE)
    if groups_refused(tracked, state):
        return DeleteRequest(tracked, DeleteReason.FAILED)
    deadline = request.made_at + state.timeouts.request_timeout_seconds + _GPU_POD_GRACE
    if state.now > deadline and tracked.loop_seen:
        failed = replace(tracked, request=replace(request, message=NO_GROUP_GREW))
        return DeleteRequest(failed, DeleteReason.FAILED)
    return ScaleRequest(request, tracked.needed) if tracked.needed < request.placeholders else None


def _nodes_are_taken(tracked: TrackedRequest, state: ClusterState) -> bool:
    """Whether other pods have the nodes that it brought."""
    if tracked.taken_since is None or state.now - tracked.taken_since < _TAKEN_SEEN:
        return False
    return state.now - _full_since(tracked, state) >= _TAKEN_GRACE


def _full_since(tracked: TrackedRequest, state: ClusterState) -> float:
    """Since when the unit of a request may have been full, at the earliest.

    By what the API tells of its nodes and pods, so that a watcher that was restarted does not wait anew.
    """
    if tracked.unit is None:
        return state.now
    names = state.view.nodes_in(tracked.unit.policy, tracked.unit.index)
    created = (state.view.nodes[name].created for name in names)
    bound = (pod.bound_at or pod.created for name in names for pod in state.view.pods_on(name))
    return max((tracked.request.made_at, *created, *bound))


def _delete_late(tracked: TrackedRequest, state: ClusterState) -> DeleteRequest | None:
    if tracked.unit is None:
        return None
    if _nodes_are_taken(tracked, state):
        return DeleteRequest(tracked, DeleteReason.NODES_TAKEN)
    request = tracked.request
    accepted_for = state.now - (request.accepted_at or state.now)
    stalled = request.phase is RequestPhase.ACCEPTED and accepted_for > state.timeouts.request_timeout_seconds
    if not stalled and state.now - request.made_at <= _provision_timeout(tracked.unit.policy, state):
        return None
    return DeleteRequest(tracked, DeleteReason.OVERDUE if tracked.waiting else DeleteReason.NOT_NEEDED)


def _provision_timeout(policy: ResourcePolicy, state: ClusterState) -> float:
    """How long pods wait for nodes that were asked for: no longer than their policy lets them (O5)."""
    limit, overflow = state.timeouts.max_node_provision_seconds, policy.when_try_next_units
    if overflow.policy in (NextUnits.TIMEOUT_OR_EXCEED_MAX, NextUnits.TIMEOUT):
        return min(limit, overflow.timeout)
    return limit


def _demands(
    policy_state: PolicyState, state: ClusterState, requests: Sequence[TrackedRequest]
) -> Iterable[Demand]:
    policy = policy_state.policy
    requested = state.requested_units(policy, requests)
    pending = [pod for pod in policy_state.pending if wants_nodes(pod) or pod.uid in requested]
    spare = [
        (tracked.unit.index, tracked.request.shape, tracked.spare)
        for tracked in requests
        if tracked.unit is not None and tracked.unit.policy.key == policy.key and tracked.spare
    ]

    def spare_of_other_shapes(pod: Pod, unit: int) -> int:
        return sum(places for index, shape, places in spare if index == unit and shape != shape_key(pod))

    cannot_grow = state.cannot_grow(policy)
    for demand in demands(
        policy, pending, state.view, state.now, requested, cannot_grow, spare_of_other_shapes
    ):
        shape = shape_key(demand.pods[0])
        coming = sum(places for index, alike, places in spare if (index, alike) == (demand.unit, shape))
        rest = queue_order(demand.pods)[coming:][: state.backoff.batch(policy, demand.unit, shape)]
        if rest:
            yield Demand(policy, demand.unit, tuple(rest))
