"""State carried between reconciles: the pods that took places of each request, back-off, first sightings.

A restart does without it: only how long something has been the case is lost.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from policy.api.objects import Pod
from policy.scaleup.planner import free_nodes, queue_order
from policy.scheduling.accounting import recorded_unit
from watcher.provisioner.autoscaler_status import AutoscalerStatus, Size
from watcher.provisioner.interface import Request, RequestPhase, shape_key
from watcher.scaleup.cluster_state import (
    ClusterState,
    Observation,
    PolicyState,
    Timeouts,
    TrackedRequest,
    UnitRef,
)
from watcher.scaleup.scaleup_status import AutoscalerHealth
from watcher.scaleup.unit_backoff import UnitBackoff

__all__ = ["RequestTracker"]


@dataclass(slots=True)
class _History:
    """What earlier reconciles saw of one request."""

    listed: bool = False
    landed: set[str] = field(default_factory=set)
    """Uids of the pods that took its places; they may be deleted again."""
    sent: tuple[float, str] | None = None
    """When it was first seen unanswered, and the autoscaler's last loop by then."""
    accepted_at: float | None = None
    baseline: AutoscalerStatus | None = None
    """The autoscaler's status while the request was not yet Accepted."""
    served_loop: str | None = None
    """The autoscaler's last loop when the request was first seen served: later ones include its nodes."""
    idle_since: float | None = None
    taken_since: float | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    """A request, resolved, and its history."""

    request: Request
    unit: UnitRef | None
    history: _History

    @property
    def places(self) -> int:
        brought = len(self.request.pods) if self.request.granted is None else self.request.granted
        return max(0, brought - len(self.history.landed))

    @property
    def sizes_before(self) -> Mapping[str, Size]:
        return self.history.baseline.sizes if self.history.baseline else self.request.sizes

    def waiting(self, policy_state: PolicyState) -> list[Pod]:
        """The pending pods of the request that may count on its places.

        Pods of one shape are alike to the scheduler: another one may have taken a place meanwhile.
        """
        return queue_order(pod for pod in policy_state.pending if pod.uid in self.request.pods)[: self.places]


class RequestTracker:
    """`update` once per reconcile, then note what was done with `created` and `forget`."""

    def __init__(self, backoff: UnitBackoff, timeouts: Timeouts) -> None:
        self.backoff = backoff
        self.not_responding = False
        """The autoscaler runs and ignores requests: it must not be kept from acting by itself (A1, A8)."""
        self._timeouts = timeouts
        self._history: dict[str, _History] = {}
        self._accounted: set[str] | None = None
        """Pods that took a place of an ended request, or were placed before the start: they take no other."""
        self._last_loop: tuple[str, float] = ("", 0.0)
        """The autoscaler's last loop, and when it was first seen."""
        self._blocked_units: set[tuple[str, str]] = set()
        """Units, by policy and fingerprint, whose groups cannot grow as the autoscaler says."""
        self._unready_gpus: dict[str, float] = {}
        """By node: since when it offers no GPU though its label says so."""

    def update(self, observed: Observation) -> ClusterState:
        """Take in an observation, and return the state to plan from."""
        started = self._accounted is None
        listed = {request.name for request in observed.requests}
        for name in [n for n, history in self._history.items() if history.listed and n not in listed]:
            self.forget(name)
        entries = [self._entry(request, observed) for request in observed.requests]
        for entry in entries:
            _note_phase(entry, observed)
        self._assign_placed_pods(entries, observed)
        requests = tuple(self._tracked(entry, entries, observed, started=started) for entry in entries)
        self.not_responding = self._is_not_responding(requests)
        if observed.status.updated != self._last_loop[0]:
            self._last_loop = observed.status.updated, observed.now
        self._end_lifted_backoff(observed)
        self._unready_gpus = {
            name: self._unready_gpus.get(name, observed.now) for name in observed.unready_gpus
        }
        return ClusterState(
            now=observed.now,
            view=observed.view,
            policies=observed.policies,
            requests=requests,
            status=observed.status,
            groups=observed.groups,
            backoff=self.backoff,
            timeouts=self._timeouts,
            health=self._health(requests, observed.now),
            unready_gpus=tuple(
                name
                for name, since in self._unready_gpus.items()
                if observed.now - since >= self._timeouts.gpu_ready_timeout_seconds
            ),
        )

    def created(self, name: str, status: AutoscalerStatus) -> None:
        """A request was created; nothing that is bought for it is in the status yet."""
        if status.groups:
            self._history.setdefault(name, _History()).baseline = status

    def forget(self, name: str) -> None:
        """Drop the history of a request: another one may get the same name."""
        history = self._history.pop(name, _History())
        self._accounted = (self._accounted or set()) | history.landed

    def _entry(self, request: Request, observed: Observation) -> _Entry:
        history = self._history.setdefault(request.name, _History())
        history.listed = True
        policy_state = observed.policies.get(request.policy)
        index = recorded_unit(request.record, policy_state.policy) if policy_state else None
        unit = None if policy_state is None or index is None else UnitRef(policy_state, index)
        return _Entry(request, unit, history)

    def _tracked(
        self, entry: _Entry, entries: Sequence[_Entry], observed: Observation, *, started: bool
    ) -> TrackedRequest:
        request, history, now = entry.request, entry.history, observed.now
        needed = _needed(entry, entries)
        if needed:
            history.idle_since = None
        elif history.idle_since is None:
            history.idle_since = _placed_since(entry, now) if started else now
        if not _is_taken(entry, observed):
            history.taken_since = None
        elif history.taken_since is None:
            history.taken_since = now
        sent_at, loop = history.sent or (now, "")
        baseline = history.baseline
        return TrackedRequest(
            request=request,
            unit=entry.unit,
            places=entry.places,
            needed=needed,
            waiting=tuple(entry.waiting(entry.unit.policy_state)) if entry.unit else (),
            unanswered=request.phase is RequestPhase.SENT
            and now - sent_at > self._timeouts.request_timeout_seconds,
            loop_seen=observed.status.updated not in ("", loop),
            accepted_seen_at=history.accepted_at,
            idle_since=history.idle_since,
            taken_since=history.taken_since,
            sizes_before=entry.sizes_before,
            backed_off_before=None
            if baseline is None
            else frozenset(group.name for group in baseline.groups if group.backoff),
        )

    def _assign_placed_pods(self, entries: Iterable[_Entry], observed: Observation) -> None:
        """Give each placed pod to one request of those whose nodes it may be on.

        That is its own, if that was served; else the oldest served one: alike pods take each other's nodes.
        Last, its own that is not answered yet: the pod found room elsewhere.
        """
        placed = {pod.uid for state in observed.policies.values() for pod in state.placed}
        if self._accounted is None:
            own = {pod.uid for entry in entries for pod in _arrivals(entry, observed, own=True)}
            self._accounted = placed - own
        if observed.requests:  # else nobody looks at it, and the next request may be of this very second
            self._accounted = self._accounted & placed
        taken = self._accounted.union(*(history.landed for history in self._history.values()))
        entries = sorted(entries, key=lambda entry: (entry.request.made_at, entry.request.name))
        served = [entry for entry in entries if entry.request.phase is RequestPhase.PROVISIONED]
        for candidates, own_only in ((served, True), (served, False), (entries, True)):
            for entry in candidates:
                for pod in _arrivals(entry, observed, own=own_only):
                    if pod.uid not in taken and entry.places:
                        entry.history.landed.add(pod.uid)
                        taken.add(pod.uid)

    def _is_not_responding(self, requests: Collection[TrackedRequest]) -> bool:
        if any(tracked.unanswered and tracked.loop_seen for tracked in requests):
            return True
        unanswered = (RequestPhase.UNSENT, RequestPhase.SENT)
        return self.not_responding and all(tracked.request.phase in unanswered for tracked in requests)

    def _health(self, requests: Iterable[TrackedRequest], now: float) -> AutoscalerHealth:
        if self.not_responding:
            return AutoscalerHealth.NOT_RESPONDING
        loop, since = self._last_loop
        stopped = bool(loop) and now - since > self._timeouts.request_timeout_seconds
        unanswered = any(tracked.unanswered for tracked in requests)
        return AutoscalerHealth.DOWN if unanswered or stopped else AutoscalerHealth.SERVING

    def _end_lifted_backoff(self, observed: Observation) -> None:
        """Forget failures of a unit once the autoscaler says that its groups can grow again."""
        for state in observed.policies.values():
            for index, unit in enumerate(state.policy.units):
                key = state.policy.key, unit.fingerprint
                if observed.groups.blocked(unit, observed.status):
                    self._blocked_units.add(key)
                elif key in self._blocked_units:
                    self._blocked_units.discard(key)
                    self.backoff = self.backoff.without_unit(state.policy, index)


def _note_phase(entry: _Entry, observed: Observation) -> None:
    phase, history, status = entry.request.phase, entry.history, observed.status
    if phase is RequestPhase.PROVISIONED:
        history.served_loop = status.updated if history.served_loop is None else history.served_loop
    elif phase is RequestPhase.ACCEPTED:
        history.accepted_at = observed.now if history.accepted_at is None else history.accepted_at
    elif phase in (RequestPhase.SENT, RequestPhase.PLACEHOLDERS_PENDING):
        history.sent = history.sent or (observed.now, status.updated)
        if status.groups and (phase is RequestPhase.SENT or not entry.sizes_before):
            history.baseline = status


def _needed(entry: _Entry, entries: Iterable[_Entry]) -> int:
    """How many of its places any pod waits for."""
    if entry.unit is None or not entry.places:
        return 0
    policy_state = entry.unit.policy_state
    own = len(entry.waiting(policy_state))
    if own == entry.places:
        return own
    # Its nodes are still to come: pods that replace those it was asked for need not ask again (A4).
    covered = {pod.uid for other in entries for pod in other.waiting(policy_state)}
    others = [
        pod
        for pod in policy_state.pending
        if pod.uid not in covered and shape_key(pod) == entry.request.shape
    ]
    return min(entry.places, own + len(others))


def _placed_since(entry: _Entry, now: float) -> float:
    """Since when all pods of a request have a node, if they do: a restarted watcher does not wait anew."""
    pods = entry.unit.policy_state.placed if entry.unit else ()
    placed = {pod.uid: pod.bound_at or now for pod in pods}
    return max((placed.get(uid, now) for uid in entry.request.pods), default=now)


def _arrivals(entry: _Entry, observed: Observation, *, own: bool) -> Iterator[Pod]:
    """The pods that were placed in the unit of a request and could have taken its places."""
    if entry.unit is None:
        return
    policy_state, unit = entry.unit.policy_state, entry.unit.index
    for pod in policy_state.placed:
        share = observed.view.share(policy_state.policy, pod.uid)
        if share is None or share.unit != unit:
            continue
        if pod.uid in entry.request.pods if own else _is_on_its_node(pod, entry.request, observed):
            yield pod


def _is_on_its_node(pod: Pod, request: Request, observed: Observation) -> bool:
    """Whether the pod is on a node that came after the request was made. Older nodes were free to all.

    Both times are whole seconds of the API server.
    """
    node = observed.view.nodes.get(pod.node_name)
    return shape_key(pod) == request.shape and node is not None and node.created >= request.made_at


def _is_taken(entry: _Entry, observed: Observation) -> bool:
    """Whether its nodes came and other pods have them: of other policies, of none, or of another size.

    Where nobody waits for the request: whether nothing of it is still to come.
    """
    if entry.unit is None or not _is_in_status(entry, observed):
        return False
    groups = observed.groups.candidates(entry.unit.spec, observed.status)
    if not (groups and all(group.complete for group in groups)):
        return False
    policy_state, unit = entry.unit.policy_state, entry.unit.index
    pod = next((pod for pod in policy_state.pending if shape_key(pod) == entry.request.shape), None)
    return pod is None or not any(free_nodes(observed.view, policy_state.policy, unit, pod))


def _is_in_status(entry: _Entry, observed: Observation) -> bool:
    """Whether the autoscaler's status is of a loop after it served the request, so that its nodes are in it.

    By the autoscaler's own times if it tells them, else by what we saw.
    """
    status, served_at = observed.status, entry.request.served_at
    if status.loop_at is not None and served_at is not None:
        return status.is_of_a_loop_after(served_at)
    return entry.history.served_loop not in (None, status.updated)
