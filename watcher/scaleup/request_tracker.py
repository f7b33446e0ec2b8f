"""What looks at the cluster leave for the next one: places, waits, first sightings.

Owns the account of each request (A4): how many places it brings, which pods took them, who still waits. Must
not know what is done about it (`steps`). A restart does without: it loses how long something was the case.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scaleup.planner import free_nodes, queue_order
from watcher.provisioner.autoscaler_status import AutoscalerStatus, Size
from watcher.provisioner.interface import Request, RequestPhase, shape_of
from watcher.scaleup.cluster_state import ClusterState, PolicyState
from watcher.scaleup.scaleup_status import Blocked
from watcher.scaleup.unit_backoff import UnitBackoff

__all__ = ["RequestTracker", "full_since"]


@dataclass(slots=True)
class RequestTracker:
    """`look` first, then ask."""

    backoff: UnitBackoff
    request_timeout_seconds: float
    max_node_provision_seconds: float
    gpu_ready_timeout_seconds: float
    deaf: bool = False
    """The autoscaler lives and does not answer: it must not be kept from acting by itself (A1, A8)."""
    asked_since: dict[str, tuple[float, str]] = field(default_factory=dict)
    """When each unanswered request was first seen, and the autoscaler's last loop by then."""
    accepted_at: dict[str, float] = field(default_factory=dict)
    """When each request was first seen Accepted, without more."""
    baselines: dict[str, AutoscalerStatus] = field(default_factory=dict)
    """What the autoscaler told of its groups while the request was not yet Accepted."""
    lively: tuple[str, float] = ("", 0.0)
    """The autoscaler's last loop, and when it was first seen."""
    barred: set[tuple[str, str]] = field(default_factory=set)
    """Units, by policy and fingerprint, whose groups cannot grow as the autoscaler says."""
    landed: dict[str, set[str]] = field(default_factory=dict)
    """The pods that took the places of each request, by uid; they may be gone again."""
    accounted: set[str] | None = None
    """Pods that took a place of an ended request, or were placed before we looked: they take no other."""
    served: dict[str, str] = field(default_factory=dict)
    """The autoscaler's last loop when each request was first seen to be served: later ones show its nodes."""
    barren_since: dict[str, float] = field(default_factory=dict)
    """Since when all nodes of a unit are there, and none has room for anybody who waits for the request."""
    lost_gpus: dict[str, float] = field(default_factory=dict)
    """Since when each node offers no GPU that says it has one."""
    idle_since: dict[str, float] = field(default_factory=dict)
    """Since when no pod wants what a request brings."""

    def look(self, state: ClusterState) -> None:
        """Note what only time or a comparison tells."""
        begun = self.accounted is None
        for name in self.landed.keys() - {request.name for request in state.requests}:
            self.forget(name)
        for request in state.requests:
            self.landed.setdefault(request.name, set())
            self._hear(request, state)
        self._land(state)
        for request in state.requests:
            if self.wanted(request, state):
                self.idle_since.pop(request.name, None)
            else:
                self.idle_since.setdefault(
                    request.name, _placed_since(request, state) if begun else state.now
                )
            if self._is_barren(request, state):
                self.barren_since.setdefault(request.name, state.now)
            else:
                self.barren_since.pop(request.name, None)
        self.deaf = self._is_deaf(state)
        if state.status.updated != self.lively[0]:
            self.lively = state.status.updated, state.now
        self._lift(state)
        self.lost_gpus = {name: self.lost_gpus.get(name, state.now) for name in state.lost_gpus}

    def asked(self, name: str, status: AutoscalerStatus) -> None:
        """A request is made; whatever is bought for it is not in the status yet."""
        if status.groups:
            self.baselines[name] = status

    def forget(self, name: str) -> None:
        """End the account of a request: another one may come by the same name."""
        self.accounted = (self.accounted or set()) | self.landed.pop(name, set())
        kept: tuple[dict[str, Any], ...] = (
            self.asked_since,
            self.accepted_at,
            self.baselines,
            self.served,
            self.barren_since,
            self.idle_since,
        )
        for notes in kept:
            notes.pop(name, None)

    def places(self, request: Request) -> int:
        """How many pods it still brings room for."""
        brought = len(request.pods) if request.granted is None else request.granted
        return max(0, brought - len(self.landed.get(request.name, ())))

    def waiting(self, request: Request, governed: PolicyState) -> list[Pod]:
        """The pods of the request that may count on its places.

        Pods of one shape are alike to the scheduler: another one may have taken a place meanwhile.
        """
        own = queue_order(pod for pod in governed.open if pod.uid in request.pods)
        return own[: self.places(request)]

    def awaiting(self, governed: PolicyState, requests: Iterable[Request]) -> dict[str, int]:
        """The unit that was asked to grow for each waiting pod of the policy, by uid (W3)."""
        return {
            pod.uid: unit
            for request in requests
            if request.policy == governed.policy.key and (unit := governed.unit(request)) is not None
            for pod in self.waiting(request, governed)
        }

    def spare(self, request: Request, governed: PolicyState) -> int:
        """Places on their way that none of its own pods waits for any more."""
        return self.places(request) - len(self.waiting(request, governed))

    def wanted(self, request: Request, state: ClusterState) -> int:
        """How many of its places any pod waits for."""
        meant = state.of(request)
        if meant is None or not self.places(request):
            return 0
        governed, _ = meant
        own = len(self.waiting(request, governed))
        if own == self.places(request):
            return own
        # Its nodes are still to come: pods that stand in for those it was asked for need not ask again (A4).
        covered = {pod.uid for other in state.requests for pod in self.waiting(other, governed)}
        others = [p for p in governed.open if p.uid not in covered and shape_of(p) == request.shape]
        return min(self.places(request), own + len(others))

    def sizes_before(self, request: Request) -> Mapping[str, Size]:
        """The size of each group before the request was served; empty if that is not known."""
        known = self.baselines.get(request.name)
        return known.sizes if known else request.sizes

    def backed_off_before(self, request: Request) -> Collection[str] | None:
        """The groups that were in back-off before the request was served; None if that is not known."""
        known = self.baselines.get(request.name)
        return {group.name for group in known.groups if group.backoff} if known else None

    def blocked(self, policy: ResourcePolicy, unit: int, state: ClusterState) -> Blocked | None:
        """Why a unit is passed over, for pods of some shape at least (W4)."""
        told = state.groups.blocked(policy.units[unit], state.status)
        return told or self.backoff.blocked(policy, unit, state.now)

    def stuck(self, policy: ResourcePolicy, state: ClusterState) -> Callable[[Pod, int], bool]:
        """Whether a unit cannot grow for a pod for now."""
        barred = {i for i, unit in enumerate(policy.units) if state.groups.blocked(unit, state.status)}
        failed = set(self.backoff.known(policy))

        def stuck(pod: Pod, unit: int) -> bool:
            if unit in barred or unit not in failed:
                return unit in barred
            return self.backoff.blocked(policy, unit, state.now, shape_of(pod)) is not None

        return stuck

    def lasting_lost_gpus(self, now: float) -> tuple[str, ...]:
        """Those that are not merely booting."""
        return tuple(
            name for name, since in self.lost_gpus.items() if now - since >= self.gpu_ready_timeout_seconds
        )

    def silent(self, now: float) -> bool:
        """Whether the autoscaler was there and has shown no life for long."""
        updated, since = self.lively
        return bool(updated) and now - since > self.request_timeout_seconds

    def unanswered(self, request: Request, state: ClusterState) -> bool:
        """Whether it has waited too long for the first word of an answer."""
        since, _ = self.asked_since.get(request.name, (state.now, ""))
        return request.answer is RequestPhase.ASKED and state.now - since > self.request_timeout_seconds

    def alive(self, request: Request, state: ClusterState) -> bool:
        """Whether the autoscaler has done a loop since the request was asked."""
        _, updated = self.asked_since.get(request.name, (state.now, ""))
        return state.status.updated not in ("", updated)

    def _hear(self, request: Request, state: ClusterState) -> None:
        if request.answer is RequestPhase.PROVISIONED:
            self.served.setdefault(request.name, state.status.updated)
        elif request.answer is RequestPhase.ACCEPTED:
            self.accepted_at.setdefault(request.name, state.now)
        elif request.answer in (RequestPhase.ASKED, RequestPhase.SHOWN):
            self.asked_since.setdefault(request.name, (state.now, state.status.updated))
            if state.status.groups and (
                request.answer is RequestPhase.ASKED or not self.sizes_before(request)
            ):
                self.baselines[request.name] = state.status

    def _land(self, state: ClusterState) -> None:
        """Give each pod that was placed to one request of those whose nodes it may have found.

        That is its own, if that was served; else the oldest that was: alike pods take each other's nodes.
        Last, its own that has no answer yet: it found room elsewhere.
        """
        placed = {pod.uid for governed in state.governed.values() for pod in governed.placed}
        if self.accounted is None:
            theirs = {p.uid for request in state.requests for p in self._arrivals(request, state, own=True)}
            self.accounted = placed - theirs
        if state.requests:  # else nothing is looked for, and the next request may be of this very second
            self.accounted = self.accounted & placed
        taken = self.accounted.union(*self.landed.values())
        requests = sorted(state.requests, key=lambda request: (request.made_at, request.name))
        served = [request for request in requests if request.answer is RequestPhase.PROVISIONED]
        for candidates, own in ((served, True), (served, False), (requests, True)):
            for request in candidates:
                landed = self.landed[request.name]
                for pod in self._arrivals(request, state, own=own):
                    if pod.uid not in taken and self.places(request):
                        landed.add(pod.uid)
                        taken.add(pod.uid)

    def _arrivals(self, request: Request, state: ClusterState, *, own: bool) -> Iterable[Pod]:
        """The pods that were placed in the unit of a request and could have taken its places."""
        meant = state.of(request)
        if meant is None:
            return
        governed, unit = meant
        for pod in governed.placed:
            share = state.view.share(governed.policy, pod.uid)
            if share is None or share.unit != unit:
                continue
            if pod.uid in request.pods if own else _is_on_its_node(pod, request, state):
                yield pod

    def _is_barren(self, request: Request, state: ClusterState) -> bool:
        """Whether its nodes came and others have them: pods of other policies, of none, or of another size.

        Where nobody waits for it, nothing of it is on its way any more, at least.
        """
        meant = state.of(request)
        if meant is None or not self._is_shown(request, state):
            return False
        governed, unit = meant
        groups = state.groups.candidates(governed.policy.units[unit], state.status)
        if not (groups and all(group.settled for group in groups)):
            return False
        pod = next((pod for pod in governed.open if shape_of(pod) == request.shape), None)
        return pod is None or not any(free_nodes(state.view, governed.policy, unit, pod))

    def _is_shown(self, request: Request, state: ClusterState) -> bool:
        """Whether the autoscaler's status is of a loop after it served the request: nodes to come are in it.

        By its own times where it tells them, else by what we saw.
        """
        if state.status.loop_at is not None and request.served_at is not None:
            return state.status.is_of_a_loop_after(request.served_at)
        return self.served.get(request.name, state.status.updated) != state.status.updated

    def _lift(self, state: ClusterState) -> None:
        """Forget failures of a unit once its groups can grow again: the autoscaler knows better."""
        for governed in state.governed.values():
            for index, unit in enumerate(governed.policy.units):
                place = governed.policy.key, unit.fingerprint
                if state.groups.blocked(unit, state.status):
                    self.barred.add(place)
                elif place in self.barred:
                    self.barred.discard(place)
                    self.backoff.forget(governed.policy, index)

    def _is_deaf(self, state: ClusterState) -> bool:
        if any(self.unanswered(r, state) and self.alive(r, state) for r in state.requests):
            return True
        return self.deaf and all(
            r.answer in (RequestPhase.UNSENT, RequestPhase.ASKED) for r in state.requests
        )


def full_since(request: Request, state: ClusterState) -> float:
    """Since when the unit of a request may have been full, at the earliest.

    By what the API tells of its nodes and pods, so that a watcher that was restarted does not wait anew.
    """
    meant = state.of(request)
    if meant is None:
        return state.now
    names = state.view.nodes_in(meant[0].policy, meant[1])
    came = (state.view.nodes[name].created for name in names)
    taken = (pod.bound_at or pod.created for name in names for pod in state.view.pods_on(name))
    return max((request.made_at, *came, *taken))


def _placed_since(request: Request, state: ClusterState) -> float:
    """Since when all pods of a request have a node, if they do: a restarted watcher does not wait anew."""
    meant = state.of(request)
    placed = {pod.uid: pod.bound_at or state.now for pod in meant[0].placed} if meant else {}
    return max((placed.get(uid, state.now) for uid in request.pods), default=state.now)


def _is_on_its_node(pod: Pod, request: Request, state: ClusterState) -> bool:
    """Whether the pod is where one of the request could be: on a node that came after it was made.

    Both times are whole seconds of the API server. Older room was there for anybody.
    """
    node = state.view.nodes.get(pod.node_name)
    return shape_of(pod) == request.shape and node is not None and node.created >= request.made_at
