"""Requeues pods whose answer has changed although nothing that kube-scheduler watches has (E9, E11, O5).

A requeue is a patch of an annotation: for a pod that an extender refused, any change of the pod makes
kube-scheduler try again.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import islice

from cluster.cache.cache import Cache
from cluster.cache.scheduling_attempts import SchedulingAttempt
from cluster.kube.periodic import PeriodicTask
from extender.metrics import Metrics
from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scaleup.demand import wants_nodes
from policy.scaleup.planner import plan
from policy.scheduling.reservation_expiry import SEEN_AFTER

__all__ = ["Requeue"]

_PERIOD_SECONDS = 0.1
_SELF_RETRY_SECONDS = 0.3
"""The scheduler has so long to ask again by itself: most changes make it do so."""
_PAUSE_SECONDS = 1.0
_AT_ONCE = 50
"""Requeues in one round; the next round follows at once."""


class Requeue:
    """One thread. `requeue` patches a pod and returns whether it succeeded; one requeue for one cause."""

    def __init__(
        self,
        cache: Cache,
        clock: Callable[[], float],
        requeue: Callable[[Pod], bool],
        not_ready_reason: Callable[[], str],
        metrics: Metrics,
        resolve_inflight: Callable[[], Iterable[Pod]] = tuple,
    ) -> None:
        self._cache = cache
        self._clock = clock
        self._requeue = requeue
        self._not_ready_reason = not_ready_reason
        self._resolve_inflight = resolve_inflight
        self._metrics = metrics
        self._requeued: dict[str, float] = {}
        self._due: dict[str, Pod] = {}
        """Pods to requeue, by uid, in the order in which they are due."""
        self._causes: dict[str, tuple[str, float]] = {}
        """By uid of a pod that seemed to have a place: the policy whose change gave it, and when that was."""
        self._paused_until = 0.0
        self._added_before = False
        self._unready_at = -math.inf
        """When there was no answer, last."""
        rounds = PeriodicTask("requeue", _PERIOD_SECONDS, self.round)
        self.start, self.stop = rounds.start, rounds.stop

    def round(self) -> None:
        """Requeue the pods that are due now. One that could not be requeued stays due."""
        if self._not_ready_reason():
            self._added_before, self._unready_at = False, self._clock()
            return
        with self._cache.lock:
            self._cache.expire()
            self._add_due(self._resolve_inflight())
            self._add_refused_before()
            self._collect()
        if self._clock() >= self._paused_until:
            self._requeue_some()

    def _requeue_some(self) -> None:
        """A refused write goes to the end of the queue, and the rest of the queue waits a moment with it."""
        for uid, pod in list(islice(self._due.items(), _AT_ONCE)):
            del self._due[uid]
            # From before the write: the scheduler may ask again before we hear that it is done.
            at = self._clock()
            if not self._requeue(pod):
                self._due[uid] = pod
                self._paused_until = self._clock() + _PAUSE_SECONDS
                return
            self._requeued[uid] = at
            self._metrics.requeues.inc()

    def _add_refused_before(self) -> None:
        """Requeue pods refused before the last not-ready period, by this replica or another.

        Their timers were in that server (O9), or they may be in flight until the scheduler asks about them,
        and hold back others (C7).
        """
        if self._added_before:
            return
        self._added_before = True
        cache = self._cache
        self._add_due(
            pod
            for pod in cache.pods()
            if wants_nodes(pod) and self._is_from_before(pod.uid) and cache.policies.governing(pod)
        )

    def _is_from_before(self, uid: str) -> bool:
        attempt = self._cache.attempts.get(uid)
        return attempt is None or attempt.at <= self._unready_at

    def _collect(self) -> None:
        now = self._clock()
        attempts = self._cache.attempts
        self._requeued = {uid: at for uid, at in self._requeued.items() if uid in attempts}
        refused = [a for a in attempts if a.refused and not self._is_requeued(a)]
        due = {attempt.pod.uid for attempt in refused}
        self._due = {
            uid: pod
            for uid, pod in self._due.items()
            if uid in due or (uid not in attempts and self._cache.is_pending(uid))
        }
        self._add_due(a.pod for a in refused if a.retry_at <= now)
        for key, last in (
            self._changes_without_effect() | self._cache.changes.take(_SELF_RETRY_SECONDS)
        ).items():
            freed = list(self._with_a_place(key, [a for a in refused if a.at <= last], now))
            self._causes.update((pod.uid, (key, last)) for pod in freed)
            self._add_due(freed)
        self._add_idle_slots()

    def _changes_without_effect(self) -> dict[str, float]:
        """Changes for which a pod was requeued and refused again: the place is free for the next pod."""
        changes: dict[str, float] = {}
        for uid, (key, at) in list(self._causes.items()):
            attempt = self._cache.attempts.get(uid)
            if attempt is None or attempt.at > self._requeued.get(uid, math.inf):
                del self._causes[uid]
                if attempt is not None and attempt.refused:
                    changes[key] = max(at, changes.get(key, -math.inf))
        return changes

    def _add_idle_slots(self) -> None:
        """Requeue pods whose slots may be idle while no event arrives: the patch comes back as one."""
        now = self._clock()
        for uid, slot in self._cache.reservations().items():
            # An earlier patch says nothing, and no event has arrived since.
            tells = slot.made_at + SEEN_AFTER
            if (
                now >= tells
                and not self._cache.pods_observed_since(tells)
                and self._requeued.get(uid, 0.0) < tells
            ):
                self._due[uid] = slot.pod

    def _add_due(self, pods: Iterable[Pod]) -> None:
        self._due.update((pod.uid, pod) for pod in pods)

    def _is_requeued(self, attempt: SchedulingAttempt) -> bool:
        """Whether the pod was requeued since it was last asked about: it is the scheduler's turn."""
        return self._requeued.get(attempt.pod.uid, 0.0) > attempt.at

    def _with_a_place(self, key: str, refused: Iterable[SchedulingAttempt], now: float) -> Iterable[Pod]:
        """Of the pods that this policy refused, or governs now, those that have a place."""
        pods: defaultdict[str, list[Pod]] = defaultdict(list)
        for attempt in refused:
            policy = self._cache.policies.governing(attempt.pod)
            if policy is None and attempt.policy == key:
                yield attempt.pod
            elif policy is not None and key in (policy.key, attempt.policy):
                pods[policy.key].append(attempt.pod)
        for governor, governed in pods.items():
            policy = self._cache.policies.get(governor)
            if policy is not None:
                yield from self._schedulable(policy, governed, now)

    def _schedulable(self, policy: ResourcePolicy, pods: list[Pod], now: float) -> Iterable[Pod]:
        """Those with a place. For the others a timer may have begun to count with the change (O5)."""
        planned = plan(policy, pods, self._cache, now, requested={}, grows=lambda *_: False)
        for pod, retry_at in planned.waiting:
            self._cache.attempts.retry_by(pod.uid, retry_at)
        return (pod for pod, _ in planned.schedulable)
