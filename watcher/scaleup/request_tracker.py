"""What must survive between two reconciles: the account of each request, and since when something is so.

`update` takes an observation and returns the state to plan by. A restart does without it: it loses how long
something was the case.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from policy.api.objects import Pod
from policy.scaleup.planner import free_nodes, queue_order
from watcher.provisioner.autoscaler_status import AutoscalerStatus, Size
from watcher.provisioner.interface import Request, RequestPhase, shape_of
from watcher.scaleup.cluster_state import (
    ClusterState,
    Observation,
    PolicyState,
    Timeouts,
    TrackedRequest,
)
from watcher.scaleup.unit_backoff import UnitBackoff

__all__ = ["RequestTracker"]


@dataclass(slots=True)
class RequestTracker:
    """Not thread-safe: one reconcile loop owns it."""

    backoff: UnitBackoff
    timeouts: Timeouts
    _not_responding: bool = False
    _asked_at: dict[str, tuple[float, str]] = field(default_factory=dict)
    """When each unanswered request was first seen, and the autoscaler's last loop by then."""
    _accepted_at: dict[str, float] = field(default_factory=dict)
    """When each request was first seen Accepted, without more."""
    _baselines: dict[str, AutoscalerStatus] = field(default_factory=dict)
    """The autoscaler's status while the request was not yet Accepted."""
    _last_loop: tuple[str, float] = ("", 0.0)
    """The autoscaler's last loop, and when it was first seen."""
    _barred: set[tuple[str, str]] = field(default_factory=set)
    """Units, by policy and fingerprint, whose groups cannot grow as the autoscaler says."""
    _landed: dict[str, set[str]] = field(default_factory=dict)
    """The pods that took the places of each request, by uid; they may be gone again."""
    _accounted: set[str] | None = None
    """Pods that took a place of an ended request, or were placed before we started: they take no other."""
    _served: dict[str, str] = field(default_factory=dict)
    """The autoscaler's last loop when each request was first seen to be served: later ones show its nodes."""
    _full_since: dict[str, float] = field(default_factory=dict)
    """Since when all nodes of a unit are there, and none has room for anybody who waits for the request."""
    _gpus_unready_since: dict[str, float] = field(default_factory=dict)
    _idle_since: dict[str, float] = field(default_factory=dict)
    """Since when no pod wants what a request brings."""

    def update(self, seen: Observation) -> ClusterState:
        """Compare with what was before, remember, and return the state to plan by."""
        first = self._accounted is None
        for name in self._landed.keys() - {request.name for request in seen.requests}:
            self.forget(name)
        for request in seen.requests:
            self._landed.setdefault(request.name, set())
            self._note_phase(request, seen)
        self._land(seen)
        for request in seen.requests:
            self._note_idle(request, seen, first=first)
            self._note_full(request, seen)
        if seen.status.updated != self._last_loop[0]:
            self._last_loop = seen.status.updated, seen.now
        self._lift(seen)
        since = self._gpus_unready_since
        self._gpus_unready_since = {name: since.get(name, seen.now) for name in seen.unready_gpus}
        requests = [self._tracked(request, seen) for request in seen.requests]
        self._not_responding = self._is_not_responding(requests)
        return self._state(seen, requests)

    def requested(self, name: str, status: AutoscalerStatus) -> None:
        """A request is made; whatever is bought for it is not in the status yet."""
        if status.groups:
            self._baselines[name] = status

    def forget(self, name: str) -> None:
        """End the account of a request: another one may come by the same name."""
        self._accounted = (self._accounted or set()) | self._landed.pop(name, set())
        kept: tuple[dict[str, Any], ...] = (
            self._asked_at,
            self._accepted_at,
            self._baselines,
            self._served,
            self._full_since,
            self._idle_since,
        )
        for notes in kept:
            notes.pop(name, None)

    def _state(self, seen: Observation, requests: list[TrackedRequest]) -> ClusterState:
        updated, since = self._last_loop
        gpu_ready, unready = self.timeouts.gpu_ready, self._gpus_unready_since
        return ClusterState(
            now=seen.now,
            view=seen.view,
            policies=seen.policies,
            requests=requests,
            status=seen.status,
            groups=seen.groups,
            backoff=self.backoff,
            timeouts=self.timeouts,
            unready_gpus=tuple(name for name, at in unready.items() if seen.now - at >= gpu_ready),
            not_responding=self._not_responding,
            down=bool(updated) and seen.now - since > self.timeouts.request,
        )

    def _tracked(self, request: Request, seen: Observation) -> TrackedRequest:
        target = seen.target_of(request)
        asked_at, loop = self._asked_at.get(request.name, (seen.now, ""))
        baseline = self._baselines.get(request.name)
        return TrackedRequest(
            request=request,
            target=target,
            places=self._places(request),
            waiting=tuple(self._waiting(request, target.state)) if target else (),
            wanted=self._wanted(request, seen),
            sizes_before=self._sizes_before(request),
            backed_off_before={g.name for g in baseline.groups if g.backoff} if baseline else None,
            accepted_seen_at=self._accepted_at.get(request.name),
            idle_since=self._idle_since.get(request.name),
            full_since=self._full_since.get(request.name),
            unanswered=request.phase is RequestPhase.ASKED and seen.now - asked_at > self.timeouts.request,
            autoscaler_alive=seen.status.updated not in ("", loop),
        )

    def _places(self, request: Request) -> int:
        brought = len(request.pods) if request.granted is None else request.granted
        return max(0, brought - len(self._landed.get(request.name, ())))

    def _waiting(self, request: Request, state: PolicyState) -> list[Pod]:
        """Pods of one shape are alike to the scheduler: another one may have taken a place meanwhile."""
        own = queue_order(pod for pod in state.pending if pod.uid in request.pods)
        return own[: self._places(request)]

    def _wanted(self, request: Request, seen: Observation) -> int:
        target, places = seen.target_of(request), self._places(request)
        if target is None or not places:
            return 0
        own = len(self._waiting(request, target.state))
        if own == places:
            return own
        # Its nodes are still to come: pods that stand in for those it was made for need no request (A4).
        covered = {pod.uid for other in seen.requests for pod in self._waiting(other, target.state)}
        pending = target.state.pending
        others = [p for p in pending if p.uid not in covered and shape_of(p) == request.shape]
        return min(places, own + len(others))

    def _sizes_before(self, request: Request) -> Mapping[str, Size]:
        baseline = self._baselines.get(request.name)
        return baseline.sizes if baseline else request.sizes

    def _note_phase(self, request: Request, seen: Observation) -> None:
        if request.phase is RequestPhase.PROVISIONED:
            self._served.setdefault(request.name, seen.status.updated)
        elif request.phase is RequestPhase.ACCEPTED:
            self._accepted_at.setdefault(request.name, seen.now)
        elif request.phase in (RequestPhase.ASKED, RequestPhase.SHOWN):
            self._asked_at.setdefault(request.name, (seen.now, seen.status.updated))
            unknown = request.phase is RequestPhase.ASKED or not self._sizes_before(request)
            if seen.status.groups and unknown:
                self._baselines[request.name] = seen.status

    def _note_idle(self, request: Request, seen: Observation, *, first: bool) -> None:
        if self._wanted(request, seen):
            self._idle_since.pop(request.name, None)
        else:
            since = _placed_since(request, seen) if first else seen.now
            self._idle_since.setdefault(request.name, since)

    def _note_full(self, request: Request, seen: Observation) -> None:
        if self._is_full(request, seen):
            self._full_since.setdefault(request.name, seen.now)
        else:
            self._full_since.pop(request.name, None)

    def _land(self, seen: Observation) -> None:
        """Give each placed pod to one request of those whose nodes it may have found.

        That is its own, if that was served; else the oldest that was: alike pods take each other's nodes.
        Last, its own that has no answer yet: it found room elsewhere.
        """
        placed = {pod.uid for state in seen.policies.values() for pod in state.placed}
        if self._accounted is None:
            own = {pod.uid for request in seen.requests for pod in _arrivals(request, seen, own=True)}
            self._accounted = placed - own
        if seen.requests:  # else nothing is looked for, and the next request may be of this very second
            self._accounted = self._accounted & placed
        landed = self._accounted.union(*self._landed.values())
        requests = sorted(seen.requests, key=lambda request: (request.made_at, request.name))
        served = [request for request in requests if request.phase is RequestPhase.PROVISIONED]
        for candidates, own_pods in ((served, True), (served, False), (requests, True)):
            for request in candidates:
                for pod in _arrivals(request, seen, own=own_pods):
                    if pod.uid not in landed and self._places(request):
                        self._landed[request.name].add(pod.uid)
                        landed.add(pod.uid)

    def _is_full(self, request: Request, seen: Observation) -> bool:
        """Whether its nodes came and others have them: pods of other policies, of none, or of another size.

        Where nobody waits for it, at least nothing of it is in flight any more.
        """
        target = seen.target_of(request)
        if target is None or not self._is_in_status(request, seen):
            return False
        groups = seen.groups.candidates(target.policy.units[target.index], seen.status)
        if not (groups and all(group.settled for group in groups)):
            return False
        pod = next((pod for pod in target.state.pending if shape_of(pod) == request.shape), None)
        return pod is None or not any(free_nodes(seen.view, target.policy, target.index, pod))

    def _is_in_status(self, request: Request, seen: Observation) -> bool:
        """Whether the status is of a loop after the autoscaler served the request: nodes to come are in it.

        By its own times where it tells them, else by what we saw.
        """
        if seen.status.loop_at is not None and request.served_at is not None:
            return seen.status.is_of_a_loop_after(request.served_at)
        return self._served.get(request.name, seen.status.updated) != seen.status.updated

    def _lift(self, seen: Observation) -> None:
        """Forget failures of a unit once its groups can grow again: the autoscaler knows better."""
        for state in seen.policies.values():
            for index, unit in enumerate(state.policy.units):
                place = state.policy.key, unit.fingerprint
                if seen.groups.blocked(unit, seen.status):
                    self._barred.add(place)
                elif place in self._barred:
                    self._barred.discard(place)
                    self.backoff.forget(state.policy, index)

    def _is_not_responding(self, requests: Collection[TrackedRequest]) -> bool:
        if any(request.unanswered and request.autoscaler_alive for request in requests):
            return True
        unanswered = (RequestPhase.UNSENT, RequestPhase.ASKED)
        return self._not_responding and all(r.request.phase in unanswered for r in requests)


def _arrivals(request: Request, seen: Observation, *, own: bool) -> Iterable[Pod]:
    """The pods that were placed in the unit of a request and could have taken its places."""
    target = seen.target_of(request)
    if target is None:
        return
    for pod in target.state.placed:
        usage = seen.view.share(target.policy, pod.uid)
        if usage is None or usage.unit != target.index:
            continue
        if pod.uid in request.pods if own else _is_on_its_node(pod, request, seen):
            yield pod


def _placed_since(request: Request, seen: Observation) -> float:
    """Since when all pods of a request have a node, if they do: a restarted watcher does not wait anew."""
    target = seen.target_of(request)
    placed = {pod.uid: pod.bound_at or seen.now for pod in target.state.placed} if target else {}
    return max((placed.get(uid, seen.now) for uid in request.pods), default=seen.now)


def _is_on_its_node(pod: Pod, request: Request, seen: Observation) -> bool:
    """Whether the pod is where one of the request could be: on a node that came after it was made.

    Both times are whole seconds of the API server. Older room was there for anybody.
    """
    node = seen.view.nodes.get(pod.node_name)
    return shape_of(pod) == request.shape and node is not None and node.created >= request.made_at
