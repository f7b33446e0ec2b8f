"""The three verbs: look, decide, remember, in one critical section.

Owns what a decision leaves behind (reservation, history) and when not to answer (E4, E11); must not know JSON
or HTTP. The rules are in `policy`.
"""

import logging
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from time import monotonic

from cluster.cache.cache import Cache
from cluster.cache.scheduling_attempts import SchedulingAttempt
from extender.decision_log import DecisionLog
from extender.handover import Handover
from policy.api.objects import Pod
from policy.api.options import OnConflict, OutsideUnits, ScoredNodes
from policy.api.resourcepolicy import ResourcePolicy
from policy.explain.decision_record import record_filter, record_preempt
from policy.explain.types import Explanation
from policy.scheduling import filter as filter_verb
from policy.scheduling import preempt as preempt_verb
from policy.scheduling import prioritize as prioritize_verb
from policy.scheduling.filter import FilterDecision
from policy.scheduling.node_sampling import sampled
from policy.scheduling.pod_history import Nomination
from policy.scheduling.preempt import PreemptDecision
from policy.scheduling.reasons import Reason, Refusal
from policy.scheduling.reservation_expiry import outlives
from policy.scheduling.snapshot import ClusterView

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
    choice: PreemptDecision


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
        settle_seconds: float = 60.0,
    ) -> None:
        self._cache = cache
        self._clock = clock
        self._not_ready_reason = not_ready_reason
        self._unready = True
        self._decisions = DecisionLog(clock())
        self._settling = Handover(cache, clock, settle_seconds)
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
                decision = self._settled(pod, candidates, policy)
                if not decision.unknown:
                    self._leave(pod, policy, decision)
                    taken = record_filter(pod, len(candidates), policy, decision, self._cache, self._clock())
                    self._decisions.keep(taken)
                    return FilterResult(policy, self._for_scoring(decision))
                if not self._cache.changed.wait(deadline - monotonic()):
                    log.warning(
                        "%d node(s) not seen yet, such as %s",
                        len(decision.unknown),
                        next(iter(decision.unknown)),
                    )
                    raise NotReady("ResourcePolicy: node(s) not seen yet by the extender")

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
            NotReady: there is no consistent view (E4), or the answer hangs on bindings that a predecessor
                approved (C7): nobody dies for what may be seen in a moment.
        """
        with self._cache.lock:
            policy = self._governing(pod)
            if policy is None:
                return None
            if self._cache.is_deleted(pod.uid) or self._is_refused_for_conflict(pod):
                return PreemptResult(policy, PreemptDecision())  # nobody dies for a pod that will not come
            now = self._clock()
            decide = partial(preempt_verb.decide, pod, victims, policy, now=now, protected=protected)
            seen, doubting = decide(self._cache), self._settling.view(policy)
            choice = preempt_verb.confirm(seen, decide(doubting)) if doubting else seen
            if choice is None or self._settling.holds(pod.uid):
                raise NotReady("ResourcePolicy: bindings from before its start may be under way")
            self._promise(pod, policy, choice, now)
            self._decisions.keep(record_preempt(pod, len(victims), policy, choice, self._cache, now))
            return PreemptResult(policy, choice)

    def settle(self) -> Iterable[Pod]:
        """Look again for bindings from before; pods to touch, as the watch has to be heard for that."""
        return self._settling.look()

    def not_ready_reason(self) -> str:
        """Why there is no answer now; empty if there is. Whoever asks first finds that it became ready."""
        with self._cache.lock:
            reason = self._not_ready_reason()
            if not reason and self._unready:
                self._settling.begin()
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
        self._settling.asked(pod.uid)
        self._cache.expire()
        policy = self._cache.policies.governing(pod)
        if policy is None:
            self._cache.forget(pod.uid)  # a slot of a policy that is gone
        return policy

    def _is_refused_for_conflict(self, pod: Pod) -> bool:
        return self._on_conflict is OnConflict.REJECT and len(self._cache.policies.matching(pod)) > 1

    def _decide(
        self, pod: Pod, candidates: Sequence[str], policy: ResourcePolicy, view: ClusterView
    ) -> FilterDecision:
        if self._is_refused_for_conflict(pod):
            return filter_verb.refuse(candidates, Refusal(Reason.CONFLICT, policy))
        now = self._clock()
        return filter_verb.decide(pod, candidates, policy, view, now, self._outside_units)

    def _settled(self, pod: Pod, candidates: Sequence[str], policy: ResourcePolicy) -> FilterDecision:
        """While it hangs on doubtful pods a refusal, not an error, which would cost seconds of back-off."""
        seen = self._decide(pod, candidates, policy, self._cache)
        doubting = self._settling.view(policy)
        feared = self._decide(pod, candidates, policy, doubting) if doubting else seen
        decision = filter_verb.confirm(candidates, policy, seen, feared)
        held = decision is not seen
        self._settling.hold(pod.uid, held=held)
        return replace(decision, retry_at=self._settling.ends_at) if held else decision

    def _for_scoring(self, decision: FilterDecision) -> FilterDecision:
        if self._scored_nodes is ScoredNodes.ALL:
            return decision
        nodes = sampled(decision.nodes, len(self._cache.nodes), self._turn)
        self._turn += len(nodes)
        return replace(decision, nodes=nodes)

    def _promise(self, pod: Pod, policy: ResourcePolicy, choice: PreemptDecision, now: float) -> None:
        """A slot (E7), or what the pod has to wait for before victims further on (O5, P1)."""
        history, walk = self._cache.history(pod.uid), choice.walk
        last = self._cache.attempts.get(pod.uid)
        retry_at = last.retry_at if last else math.inf
        if choice.unit is None and not history.holds(pod.nominated_node, now):
            # Nobody is leaving for it, or it would not be asked: kube-scheduler does not end its nomination.
            self._cache.forget(pod.uid)
        if choice.unit is not None:
            self._cache.assume(pod, policy, choice.unit, choice.group)
            history = replace(history, promise=Nomination(choice.unit, frozenset(choice.nodes), now))
        elif walk is not None and walk.waits is not None:
            history = history.after(walk.waits, walk.retry_at - policy.when_try_next_units.timeout)
            retry_at = min(retry_at, walk.retry_at)
        else:
            return
        self._cache.remember(
            SchedulingAttempt(pod, policy.key, now, refused=True, retry_at=retry_at), history
        )

    def _leave(self, pod: Pod, policy: ResourcePolicy, decision: FilterDecision) -> None:
        now = self._clock()
        held, refused = self._cache.reservations().get(pod.uid), decision.refused
        if decision.unit is not None:
            self._cache.assume(pod, policy, decision.unit, decision.group)
        elif not (held and refused and outlives(held, pod, refused, policy, self._cache, now)):
            self._cache.forget(pod.uid)
        attempt = SchedulingAttempt(pod, policy.key, now, not decision.nodes, decision.retry_at)
        before = self._cache.history(pod.uid)
        after = before.after(decision.waits, decision.waits_since, decision.kept_from)
        self._cache.remember(attempt, after)
