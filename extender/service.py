"""The three verbs. Each looks at the cache, decides purely and applies the result, under one lock."""

import logging
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic

from cluster.cache.cache import Cache
from cluster.cache.scheduling_attempts import SchedulingAttempt
from extender.decision_log import DecisionLog
from extender.predecessor_bindings import Handover
from policy.api.objects import Pod
from policy.api.options import OnConflict, OutsideUnits, ScoredNodes
from policy.api.resourcepolicy import ResourcePolicy
from policy.explain.types import Explanation
from policy.scheduling import prioritize as prioritize_verb
from policy.scheduling.accounting import Group
from policy.scheduling.cycle import CycleResult, PreemptionResult, SlotChange, cycle, preemption_cycle
from policy.scheduling.filter import FilterDecision
from policy.scheduling.node_sampling import sampled
from policy.scheduling.preempt import PreemptDecision

__all__ = ["Extender", "FilterResult", "NotReady", "PreemptResult"]


log = logging.getLogger(__name__)


class NotReady(Exception):  # noqa: N818  a state, and the one that /readyz reports
    """There is no answer yet; the scheduler should try again (E4)."""


@dataclass(frozen=True, slots=True)
class FilterResult:
    """The outcome of filter for a pod that a policy governs."""

    policy: ResourcePolicy
    decision: FilterDecision


@dataclass(frozen=True, slots=True)
class PreemptResult:
    """The outcome of preempt for a pod that a policy governs."""

    policy: ResourcePolicy
    decision: PreemptDecision


class Extender:
    """Answers kube-scheduler from the cache; None: no policy governs the pod, it passes untouched (M5).

    `not_ready_reason` says why there can be no answer now; empty if there can (E4).
    """

    def __init__(
        self,
        cache: Cache,
        clock: Callable[[], float],
        not_ready_reason: Callable[[], str],
        *,
        on_conflict: OnConflict = OnConflict.OLDEST,
        outside_units: OutsideUnits = OutsideUnits.NEVER,
        scored_nodes: ScoredNodes = ScoredNodes.ALL,
        unknown_node_seconds: float = 0.5,
        handover_grace_seconds: float = 60.0,
    ) -> None:
        self._cache = cache
        self._clock = clock
        self._not_ready_reason = not_ready_reason
        self._unready = True
        self._decisions = DecisionLog(clock())
        self._handover = Handover(cache, clock, handover_grace_seconds)
        self._on_conflict = on_conflict
        self._outside_units = outside_units
        self._scored_nodes = scored_nodes
        self._turn = 0
        self._unknown_node_seconds = unknown_node_seconds

    def filter(self, pod: Pod, candidates: Sequence[str]) -> FilterResult | None:
        """The nodes of the one unit that the pod may use now; holds a slot there for it (E6).

        Raises:
            NotReady: there is no consistent view (E4), or it lacks nodes that the scheduler knows (E11).
        """
        deadline = monotonic() + self._unknown_node_seconds
        with self._cache.lock:
            while True:
                policy = self._governing(pod)
                if policy is None:
                    return None
                now = self._clock()
                result = self._cycle(pod, candidates, policy, now)
                self._handover.set_waiting(pod.uid, waits=result.awaits_bindings)
                if not result.decision.unknown:
                    self._apply(pod, policy, result, now)
                    return FilterResult(policy, self._for_scoring(result.decision))
                self._wait_for_nodes(result.decision.unknown, deadline)

    def prioritize(self, pod: Pod, candidates: Sequence[str]) -> Mapping[int, Collection[str]] | None:
        """The nodes by their score, in the order of the units (O1).

        Raises:
            NotReady: there is no consistent view (E4).
        """
        with self._cache.lock:
            policy = self._governing(pod)
            return prioritize_verb.scores(candidates, policy, self._cache) if policy else None

    def preempt(
        self, pod: Pod, victims: Mapping[str, Sequence[str]], protected: Collection[str] = ()
    ) -> PreemptResult | None:
        """The candidates of one unit on which victims may go; the answer holds a slot there (E7).

        `protected` names those with a victim that a PodDisruptionBudget would keep.

        Raises:
            NotReady: there is no consistent view (E4), or the answer depends on bindings that a predecessor
                approved (C7): nobody dies for what may be seen in a moment.
        """
        with self._cache.lock:
            policy = self._governing(pod)
            if policy is None:
                return None
            if self._cache.is_deleted(pod.uid) or self._is_refused_for_conflict(pod):
                return PreemptResult(policy, PreemptDecision())  # nobody dies for a pod that will not come
            now = self._clock()
            result = self._preemption_cycle(pod, victims, policy, now, protected)
            if result is None or self._handover.is_waiting(pod.uid):
                raise NotReady("ResourcePolicy: bindings from before its start may be under way")
            self._apply_preemption(pod, policy, result, now)
            return PreemptResult(policy, result.decision)

    def resolve_inflight(self) -> Iterable[Pod]:
        """Look again for bindings from before the start; return pods whose requeue shows more."""
        return self._handover.resolve()

    def not_ready_reason(self) -> str:
        """Why there is no answer now; empty if there is. Whoever asks first finds that it became ready."""
        with self._cache.lock:
            reason = self._not_ready_reason()
            if not reason and self._unready:
                self._handover.begin()
            self._unready = bool(reason)
            return reason

    def decisions(self, namespace: str, name: str) -> list[Explanation]:
        """What was decided about a pod, the newest first, as far as it is kept.

        Raises:
            LookupError: nothing is; the message says since when there could be.
        """
        with self._cache.lock:
            found = self._decisions.about(namespace, name)
        if not found:
            began = datetime.fromtimestamp(self._decisions.began, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            raise LookupError(
                f"no decision about pod {namespace}/{name} is kept: kube-scheduler did not ask about it "
                f"since {began}, when this server started, or no policy governed it, or it is too long ago"
            )
        return found

    def _governing(self, pod: Pod) -> ResourcePolicy | None:
        reason = self.not_ready_reason()
        if reason:
            raise NotReady(f"ResourcePolicy: {reason}")
        self._handover.confirm(pod.uid)
        self._cache.expire()
        policy = self._cache.policies.governing(pod)
        if policy is None:
            self._cache.forget(pod.uid)  # a slot of a policy that is gone
        return policy

    def _is_refused_for_conflict(self, pod: Pod) -> bool:
        return self._on_conflict is OnConflict.REJECT and len(self._cache.policies.matching(pod)) > 1

    def _cycle(self, pod: Pod, candidates: Sequence[str], policy: ResourcePolicy, now: float) -> CycleResult:
        return cycle(
            pod,
            candidates,
            policy,
            self._cache,
            now,
            slot=self._cache.reservations().get(pod.uid),
            pessimistic=self._handover.view(policy),
            bindings_end_at=self._handover.ends_at,
            in_conflict=self._is_refused_for_conflict(pod),
            outside_units=self._outside_units,
        )

    def _preemption_cycle(
        self,
        pod: Pod,
        victims: Mapping[str, Sequence[str]],
        policy: ResourcePolicy,
        now: float,
        protected: Collection[str],
    ) -> PreemptionResult | None:
        last = self._cache.attempts.get(pod.uid)
        return preemption_cycle(
            pod,
            victims,
            policy,
            self._cache,
            now,
            protected=protected,
            pessimistic=self._handover.view(policy),
            retry_at=last.retry_at if last else math.inf,
        )

    def _wait_for_nodes(self, unknown: Collection[str], deadline: float) -> None:
        if not self._cache.changed.wait(deadline - monotonic()):
            log.warning("%d node(s) not seen yet, such as %s", len(unknown), next(iter(unknown)))
            raise NotReady("ResourcePolicy: node(s) not seen yet by the extender")

    def _for_scoring(self, decision: FilterDecision) -> FilterDecision:
        if self._scored_nodes is ScoredNodes.ALL:
            return decision
        nodes = sampled(decision.nodes, len(self._cache.nodes), self._turn)
        self._turn += len(nodes)
        return replace(decision, nodes=nodes)

    def _apply(self, pod: Pod, policy: ResourcePolicy, result: CycleResult, now: float) -> None:
        decision = result.decision
        self._apply_slot(pod, policy, result.slot, decision.unit, decision.group)
        attempt = SchedulingAttempt(pod, policy.key, now, not decision.nodes, decision.retry_at)
        self._cache.remember(attempt, result.history)
        self._decisions.keep(result.record)

    def _apply_preemption(
        self, pod: Pod, policy: ResourcePolicy, result: PreemptionResult, now: float
    ) -> None:
        self._apply_slot(pod, policy, result.slot, result.decision.unit, result.decision.group)
        if result.history is not None:
            attempt = SchedulingAttempt(pod, policy.key, now, refused=True, retry_at=result.retry_at)
            self._cache.remember(attempt, result.history)
        self._decisions.keep(result.record)

    def _apply_slot(
        self, pod: Pod, policy: ResourcePolicy, change: SlotChange, unit: int | None, group: Group
    ) -> None:
        if change is SlotChange.ASSUME and unit is not None:
            self._cache.assume(pod, policy, unit, group)
        elif change is SlotChange.FORGET:
            self._cache.forget(pod.uid)
