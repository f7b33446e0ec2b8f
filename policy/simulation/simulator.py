"""The event loop of a simulation: pods arrive, wait for timers, and land on nodes.

All pods arrive at once, in the scheduler's order, as after `kubectl scale`. Time then jumps to the next event
that can change an answer: a timer (O5), terminating pods that are gone (O6), new nodes (W1).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from policy.api.objects import Node, Pod
from policy.api.resourcepolicy import NextUnits, ResourcePolicy
from policy.scaleup.planner import queue_order
from policy.scheduling.filter import FilterDecision
from policy.scheduling.refusals import Reason, Refusal
from policy.simulation.node_capacity import NodeCapacity, PodShape
from policy.simulation.node_scaleup import NodeOrder, PendingPod, closed, orders, packed, template
from policy.simulation.simulated_cluster import SimulatedCluster

__all__ = ["Scenario", "SimulatedAttempt", "Simulation"]

_TERMINATION = 30.0
"""Kubernetes' default grace period: how long terminating pods are taken to stay."""


_FOR_ROOM = (Reason.WAITING_FOR_ROOM, Reason.WAITING_FOR_TIMEOUT)


@dataclass(frozen=True, slots=True)
class Scenario:
    """The input of a simulation."""

    arriving: Sequence[Pod]
    waiting: Sequence[Pod] = ()
    """Pods that are pending in the cluster already; they come first."""
    nodes_start: float | None = None
    """After how long requested nodes are there; None: never."""


@dataclass(slots=True)
class SimulatedAttempt:
    """The state of one simulated pod."""

    number: int
    """In order of arrival, from 1."""
    pod: Pod
    demand: PodShape
    policy: ResourcePolicy | None
    node: str = ""
    unit: int | None = None
    at: float = 0.0
    """When it was placed, from the start."""
    refusals: tuple[str, ...] = ()
    """What its event says (O10)."""
    waits: Refusal | None = None
    retry_at: float = math.inf
    passed: tuple[str, ...] = ()
    """Why each earlier unit did not take it; told for the first pod in a unit only."""


@dataclass(slots=True)
class Simulation:
    """One run on one simulated cluster."""

    simulated: SimulatedCluster
    wanted: Scenario
    progress: Callable[[int, int], None] = lambda _done, _total: None
    room: NodeCapacity = field(default_factory=NodeCapacity)
    attempts: list[SimulatedAttempt] = field(default_factory=list)
    placed: list[SimulatedAttempt] = field(default_factory=list)
    """In order of placement."""
    orders: list[NodeOrder] = field(default_factory=list)
    unplayed: set[tuple[str, int]] = field(default_factory=set)
    """Units, by policy, in which preemption would have been tried."""
    _started: float = 0.0
    _first_in: set[tuple[str, int]] = field(default_factory=set)
    _coming: list[tuple[float, NodeOrder]] = field(default_factory=list)
    _terminating: list[Pod] = field(default_factory=list)

    def run(self) -> None:
        """Until nothing changes any more."""
        self.load_cluster()
        arriving = [*queue_order(self.wanted.waiting), *self.wanted.arriving]
        for number, pod in enumerate(arriving, 1):
            self.arrive(pod)
            self.progress(number, len(arriving))
        self._overflow()
        self.request_nodes()
        while self._next_moment():
            self._overflow()
            self.request_nodes()

    @property
    def lasted(self) -> float:
        """Seconds from the start."""
        return self.simulated.now - self._started

    def pending(self) -> list[SimulatedAttempt]:
        """Those that are not placed, in order."""
        return [attempt for attempt in self.attempts if not attempt.node]

    def load_cluster(self) -> None:
        """Load nodes and pods of the cluster. A caller may then drive events itself instead of `run`."""
        self._started = self.simulated.now
        for node in self.simulated.view.nodes.values():
            self.room.add_node(node)
        for pod in self.simulated.pods():
            if pod.node_name and not pod.finished:
                self.room.take(pod.node_name, self._demand(pod))
        self._terminating = [pod for pod in self.simulated.pods() if pod.terminating and pod.node_name]

    def arrive(self, pod: Pod) -> SimulatedAttempt:
        """Add a pod, and make its first scheduling attempt."""
        policy = self.simulated.governing(pod)
        attempt = SimulatedAttempt(len(self.attempts) + 1, pod, self._demand(pod), policy)
        self.attempts.append(attempt)
        self.retry(attempt)
        return attempt

    def retry(self, attempt: SimulatedAttempt) -> None:
        """One scheduling attempt."""
        candidates = self._candidates(attempt)
        attempt.refusals, attempt.waits, attempt.retry_at = (), None, math.inf
        if not candidates:
            return
        decision = self._decide(attempt, candidates)
        if decision is None:
            self._place(attempt, candidates[0], None)
        elif decision.refused is None:
            self._place(attempt, self._chosen_node(attempt, decision), decision.unit)
        else:
            reasons = decision.refused.reasons.values()
            attempt.refusals = tuple(dict.fromkeys(refusal.text for refusal in reasons))
            attempt.waits, attempt.retry_at = decision.waits, decision.retry_at

    def remove_pods(self, pods: Iterable[Pod]) -> None:
        """Remove pods from their nodes."""
        for pod in pods:
            self.simulated.remove(pod)
            self.room.give(pod.node_name, self._demand(pod))

    def add_nodes(self, nodes: Iterable[Node]) -> None:
        """Add new, empty nodes."""
        for node in nodes:
            self.simulated.add_node(node)
            self.room.add_node(node)

    def request_nodes(self) -> None:
        """Request nodes, once for each pod and unit (W3)."""
        asked = {seeker.pod.uid: o.unit for o in self.orders if self._lives(o) for seeker in o.seekers}
        stuck = {(o.policy.key, o.unit) for o in self.orders if not self._lives(o)}
        seekers = [PendingPod(a.pod, a.demand, a.policy) for a in self.pending() if a.policy]
        for order in orders(self.simulated, seekers, asked, stuck, self.lasted):
            placed = self._placed_order(order)
            self.orders.append(placed)
            if self.wanted.nodes_start is not None:
                self._coming.append((self.simulated.now + self.wanted.nodes_start, placed))

    def _demand(self, pod: Pod) -> PodShape:
        return PodShape.of(pod)

    def _overflow(self) -> None:
        """Others may have reached the cap below which a pod waits: it may go on, and is asked again (E9)."""
        while True:
            waiting = [attempt for attempt in self.pending() if self._is_released(attempt)]
            for attempt in waiting:
                self.retry(attempt)
            if not any(attempt.node for attempt in waiting):
                return

    def _is_released(self, attempt: SimulatedAttempt) -> bool:
        waits = attempt.waits
        if waits is None or waits.reason not in _FOR_ROOM:
            return False
        return closed(self.simulated.view, waits.policy, waits.unit, attempt.pod) is not None

    def _decide(self, attempt: SimulatedAttempt, candidates: Sequence[str]) -> FilterDecision | None:
        """Preemption is not played: a unit in which it is tried first is passed at the next attempt (P1)."""
        decision = self.simulated.decide(attempt.pod, candidates)
        for _ in attempt.policy.units if attempt.policy else ():
            waits = decision.waits if decision else None
            if waits is None or waits.reason is not Reason.WAITING_FOR_PREEMPTION:
                break
            self.unplayed.add((waits.policy.key, waits.unit))
            decision = self.simulated.decide(attempt.pod, candidates)
        return decision

    def _chosen_node(self, attempt: SimulatedAttempt, decision: FilterDecision) -> str:
        """Of the nodes that it may use the best: one in several units may be another unit's best."""
        best = self._best(attempt, attempt.policy, decision.unit) if attempt.policy else None
        return best if best and best in decision.nodes else decision.nodes[0]

    def _candidates(self, attempt: SimulatedAttempt) -> list[str]:
        """For each unit its best node: a unit has room if one of its nodes fits, whichever it is."""
        policy, room = attempt.policy, self.room
        if policy is None:
            best = room.best(attempt.demand, attempt.pod, None, lambda: self.simulated.view.nodes)
            return [best] if best else []
        areas = [*range(len(policy.units)), None]
        found = (self._best(attempt, policy, area) for area in areas)
        return list(dict.fromkeys(name for name in found if name))

    def _best(self, attempt: SimulatedAttempt, policy: ResourcePolicy, unit: int | None) -> str | None:
        """The best node of a unit, or of what is in no unit."""
        area = policy.key, unit
        return self.room.best(attempt.demand, attempt.pod, area, lambda: self._names(policy, unit))

    def _names(self, policy: ResourcePolicy, unit: int | None) -> Iterable[str]:
        if unit is not None:
            return self.simulated.view.nodes_in(policy, unit)
        units = (self.simulated.view.nodes_in(policy, index) for index in range(len(policy.units)))
        return self.simulated.view.nodes.keys() - set().union(*units)

    def _place(self, attempt: SimulatedAttempt, node: str, unit: int | None) -> None:
        policy = attempt.policy
        if policy and unit and (policy.key, unit) not in self._first_in:
            self._first_in.add((policy.key, unit))
            attempt.passed = self._why_passed(attempt, policy, unit)
        self.simulated.bind(attempt.pod, node)
        self.room.take(node, attempt.demand)
        attempt.node, attempt.unit, attempt.at = node, unit, self.lasted
        self.placed.append(attempt)

    def _why_passed(self, attempt: SimulatedAttempt, policy: ResourcePolicy, unit: int) -> tuple[str, ...]:
        reasons = []
        for index in range(unit):
            refusal = closed(self.simulated.view, policy, index, attempt.pod)
            reasons.append(refusal.text if refusal else f"no node of units[{index}] has room")
        return tuple(reasons)

    def _placed_order(self, order: NodeOrder) -> NodeOrder:
        """With the nodes that it means, sized by those that the unit has now."""
        model = template(order.policy, order.unit, self.simulated.view, order.seekers[0].pod)
        named = f"new-{order.policy.name}-{order.unit}-{len(self.orders)}"
        nodes = packed(model, order.seekers, lambda number: f"{named}-{number}")
        return replace(order, nodes=tuple(nodes), like=model.like)

    def _lives(self, order: NodeOrder) -> bool:
        """Whether its pods still wait for it: those whose time is over ask for the next unit (W4)."""
        when = order.policy.when_try_next_units
        timed = when.policy in (NextUnits.TIMEOUT_OR_EXCEED_MAX, NextUnits.TIMEOUT)
        return not timed or self.lasted < order.at + when.timeout

    def _next_moment(self) -> bool:
        """Go to the next time at which an answer may change, and ask again; False: there is none."""
        pending = self.pending()
        timers = [a.retry_at for a in pending if a.retry_at > self.simulated.now]
        coming = [at for at, _ in self._coming]
        leaving = [self._started + _TERMINATION] if self._terminating else []
        moments = [*leaving, *(at for at in (*timers, *coming) if pending and at < math.inf)]
        if not moments:
            return False
        self.simulated.now = min(moments)
        changed = self._leave() | self._come()
        for attempt in pending:
            if changed or attempt.retry_at <= self.simulated.now:
                self.retry(attempt)
        return True

    def _leave(self) -> bool:
        """Terminating pods are gone when their time is over (O6)."""
        if not self._terminating or self.simulated.now < self._started + _TERMINATION:
            return False
        self.remove_pods(self._terminating)
        self._terminating = []
        return True

    def _come(self) -> bool:
        """Nodes that were bought are there."""
        due = [order for at, order in self._coming if at <= self.simulated.now]
        self._coming = [(at, order) for at, order in self._coming if at > self.simulated.now]
        nodes = [node for order in due for node in order.nodes]
        self.add_nodes(nodes)
        return bool(nodes)
