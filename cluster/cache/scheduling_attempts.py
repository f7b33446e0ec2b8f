"""The last scheduling attempt of each pod that is not bound yet, and its history for the next decision.

Part of the cache, under its lock.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.pod_history import NO_HISTORY, PodHistory

__all__ = ["SchedulingAttempt", "SchedulingAttempts"]

_UNSEEN_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class SchedulingAttempt:
    """The last call about a pod that is not bound yet."""

    pod: Pod
    policy: str
    at: float
    refused: bool
    retry_at: float
    """When a new attempt may get another answer without any event."""


class SchedulingAttempts:
    """By the pod's uid."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._attempts: dict[str, SchedulingAttempt] = {}
        self._histories: dict[str, PodHistory] = {}
        self._swept_at = clock()

    def __contains__(self, uid: object) -> bool:
        return uid in self._attempts

    def __iter__(self) -> Iterator[SchedulingAttempt]:
        return iter(self._attempts.values())

    def __len__(self) -> int:
        return len(self._attempts)

    def get(self, uid: str) -> SchedulingAttempt | None:
        """The last attempt of a pod."""
        return self._attempts.get(uid)

    def history(self, uid: str) -> PodHistory:
        """What earlier decisions leave for the next one about the pod."""
        return self._histories.get(uid, NO_HISTORY)

    def keep(self, attempt: SchedulingAttempt, history: PodHistory) -> None:
        """Replace the last attempt and the history of the pod."""
        uid = attempt.pod.uid
        self._attempts[uid] = attempt
        if history == NO_HISTORY:
            self._histories.pop(uid, None)
        else:
            self._histories[uid] = history

    def retry_by(self, uid: str, at: float) -> None:
        """A timer started for the pod after its last attempt."""
        attempt = self._attempts.get(uid)
        if attempt is not None and at < attempt.retry_at:
            self._attempts[uid] = replace(attempt, retry_at=at)

    def edit(self, before: ResourcePolicy, policy: ResourcePolicy) -> None:
        """A policy was edited: histories follow its units."""
        for uid, history in self._histories.items():
            if self._attempts[uid].policy == policy.key:
                self._histories[uid] = history.carried_over(before, policy)

    def reset(self, uid: str) -> None:
        """Another policy governs the pod, or none."""
        if uid in self._histories:
            self._histories[uid] = self._histories[uid].under_another_policy()

    def drop(self, uid: str) -> None:
        """The pod is bound or deleted."""
        self._attempts.pop(uid, None)
        self._histories.pop(uid, None)

    def sweep(self, known: Collection[str]) -> None:
        """Drop pods that the watch never delivered: they were deleted before it could."""
        now = self._clock()
        if now - self._swept_at < _UNSEEN_SECONDS:
            return
        self._swept_at = now
        for uid, attempt in list(self._attempts.items()):
            if uid not in known and attempt.at < now - _UNSEEN_SECONDS:
                self.drop(uid)
