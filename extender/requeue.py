"""Waking pods whose answer has changed though nothing that kube-scheduler watches has (E9, E11, O5).

Owns when a refused pod is poked; must not know how a refusal came about, nor HTTP. A poke is a patch of an
annotation: for a pod that an extender refused, any change of the pod makes the scheduler try again.
"""

import logging
from collections.abc import Callable
from threading import Event, Thread

from extender.cache import Attempt, Cache
from extender.metrics import Metrics
from policy.objects import Pod
from policy.planning import in_order, plan
from policy.resourcepolicy import ResourcePolicy

__all__ = ["POKED", "Requeue"]

log = logging.getLogger(__name__)

POKED = "resourcepolicy.io/poked"
_PERIOD = 0.1
_SETTLE = 0.3
"""Seconds that the scheduler has to ask again by itself: most changes wake it too."""
_AT_ONCE = 50
"""Pokes for one policy and round: what is left is woken by the changes that these cause."""


class Requeue:
    """One thread. `poke` patches a pod; a pod is poked once for one cause."""

    def __init__(
        self, cache: Cache, clock: Callable[[], float], poke: Callable[[Pod], None], metrics: Metrics
    ) -> None:
        self._cache = cache
        self._clock = clock
        self._poke = poke
        self._metrics = metrics
        self._poked: dict[str, float] = {}
        self._stop = Event()
        self._thread = Thread(target=self._run, name="requeue", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the thread."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(_PERIOD):
            try:
                self.round()
            except Exception:
                log.exception("requeue: a bug; going on")

    def round(self) -> None:
        """Poke the pods that are due now."""
        with self._cache.lock:
            self._cache.expire()
            pods = self._due()
        for pod in pods:
            self._poke(pod)
            self._metrics.pokes.inc()

    def _due(self) -> list[Pod]:
        now = self._clock()
        attempts = self._cache.attempts()
        self._poked = {uid: at for uid, at in self._poked.items() if uid in attempts}
        refused = [a for a in attempts.values() if a.refused and not self._answered(a)]
        due = [a.pod for a in refused if a.retry_at <= now]
        for key, changed_at in list(self._cache.changes.items()):
            if now - changed_at < _SETTLE:
                continue
            del self._cache.changes[key]
            since = [a.pod for a in refused if a.policy == key and a.at <= changed_at]
            due += self._seated(self._cache.policy(key), since, now)
        for pod in due:
            self._poked[pod.uid] = now
        return due

    def _answered(self, attempt: Attempt) -> bool:
        """Whether the pod was poked since it was last asked about: the scheduler's turn now."""
        return self._poked.get(attempt.pod.uid, 0.0) > attempt.at

    def _seated(self, policy: ResourcePolicy | None, pods: list[Pod], now: float) -> list[Pod]:
        """Those of the refused pods that have a place now; all of them if their policy is gone."""
        first = in_order(pods)[:_AT_ONCE]
        if policy is None:
            return first
        planned = plan(policy, first, self._cache, now, asked={}, grows=lambda _: False)
        return [pod for pod, _ in planned.seated]
