"""The time after a start, or a change of leader, in which a predecessor's bindings may land unseen (C7).

Owns which pods are in doubt and until when; must not know what is decided about them. A pod leaves the doubt
when it is asked about (the scheduler has no binding of it under way), is bound or gone, or `seconds` after
the beginning.
"""

from collections.abc import Callable

from extender.cache import Cache
from policy.doubt import Doubt, Doubting, doubts
from policy.objects import Pod
from policy.resourcepolicy import ResourcePolicy

__all__ = ["Settling"]


class Settling:
    """Hold the cache's lock around every call."""

    def __init__(self, cache: Cache, clock: Callable[[], float], seconds: float) -> None:
        self._cache = cache
        self._clock = clock
        self._seconds = seconds
        self._until = 0.0
        self._doubts: dict[str, Doubt] = {}

    def begin(self) -> None:
        """Take note of every pod that may be on its way now."""
        self._until = self._clock() + self._seconds
        self._doubts.clear()
        pending: dict[str, list[Pod]] = {}
        for pod in self._cache.pods():
            policy = None if self._is_settled(pod) else self._cache.governing(pod)
            if policy is not None:
                pending.setdefault(policy.key, []).append(pod)
        for policy in self._cache.policies():
            for doubt in doubts(policy, pending.get(policy.key, ()), self._cache):
                self._doubts[doubt.pod.uid] = doubt

    def asked(self, uid: str) -> None:
        """The scheduler asks about the pod: it is not on its way."""
        self._doubts.pop(uid, None)

    def view(self, policy: ResourcePolicy) -> Doubting | None:
        """The cluster with the policy's doubtful pods counted wherever they may be; None without any."""
        if not self._doubts:
            return None
        if self._clock() >= self._until:
            self._doubts.clear()
        self._doubts = {uid: d for uid, d in self._doubts.items() if self._cache.is_pending(uid)}
        own = {uid: doubt for uid, doubt in self._doubts.items() if doubt.policy == policy.key}
        return Doubting(self._cache, own) if own else None

    def _is_settled(self, pod: Pod) -> bool:
        """Bound, over, or held by a slot of its own."""
        placed = bool(pod.node_name or pod.finished or pod.gated)
        return placed or pod.uid in self._cache.reservations()
