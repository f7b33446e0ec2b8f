"""Changes that may turn refusals into places, by policy, until somebody acts on them.

Part of the cache, and under its lock.
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
        """Something changed now."""
        now = self._clock()
        span = self._spans.get(key)
        self._spans[key] = _Span(span.first if span else now, now)

    def take(self, settle: float) -> dict[str, float]:
        """Those whose first change is `settle` seconds old, with the time of the last. They are taken out."""
        before = self._clock() - settle
        ripe = {key: span.last for key, span in self._spans.items() if span.first <= before}
        for key in ripe:
            del self._spans[key]
        return ripe
