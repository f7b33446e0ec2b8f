"""Changes that may make refused pods schedulable, by policy, until somebody requeues the pods.

A policy is due a fixed time after its first change, so that a steady trickle of changes delays nothing; the
time of its last change tells which pods were refused before it. Part of the cache, under its lock.
"""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["PolicyChanges"]


@dataclass(frozen=True, slots=True)
class _Span:
    first: float
    last: float


class PolicyChanges:
    """By the policy's key."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._spans: dict[str, _Span] = {}

    def __len__(self) -> int:
        return len(self._spans)

    def note(self, key: str) -> None:
        """A change happened now."""
        now = self._clock()
        span = self._spans.get(key)
        self._spans[key] = _Span(span.first if span else now, now)

    def take(self, min_age: float) -> dict[str, float]:
        """Remove and return policies whose first change is `min_age` seconds old, with the last one."""
        before = self._clock() - min_age
        due = {key: span.last for key, span in self._spans.items() if span.first <= before}
        for key in due:
            del self._spans[key]
        return due
