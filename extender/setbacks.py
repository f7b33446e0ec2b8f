"""Units whose growth failed: how many pods to ask for next, and when (A6, W4).

Owns the back-off of each unit; must not know why growth failed. A request is all or nothing, so a failed one
is halved until one pod alone fails: that unit is stuck, and tried again with one pod, after a time that
doubles. In memory only: a restart tries again at once, which costs one failed request.
"""

from dataclasses import dataclass, field

from policy.resourcepolicy import ResourcePolicy

__all__ = ["Setbacks"]


@dataclass(frozen=True, slots=True)
class _Setback:
    batch: int
    until: float
    wait: float


@dataclass(slots=True)
class Setbacks:
    """By policy and unit; units are told by what they are, not by their place."""

    first: float
    longest: float
    _known: dict[tuple[str, str], _Setback] = field(default_factory=dict)

    def failed(self, policy: ResourcePolicy, unit: int, pods: int, now: float) -> None:
        """A request for so many pods failed."""
        key = _key(policy, unit)
        before = self._known.get(key)
        wait = before.wait if before else 0.0
        if pods > 1:
            self._known[key] = _Setback(pods // 2, now, wait)
        else:
            wait = min(wait * 2, self.longest) if wait else self.first
            self._known[key] = _Setback(1, now + wait, wait)

    def succeeded(self, policy: ResourcePolicy, unit: int) -> None:
        """It grew: forget what was before."""
        self._known.pop(_key(policy, unit), None)

    def stuck(self, policy: ResourcePolicy, now: float) -> frozenset[int]:
        """The units that cannot grow for now."""
        return frozenset(unit for unit in range(len(policy.units)) if self.retry_at(policy, unit) > now)

    def retry_at(self, policy: ResourcePolicy, unit: int) -> float:
        """When the unit may be asked again; in the past if it may be now."""
        setback = self._known.get(_key(policy, unit))
        return setback.until if setback else 0.0

    def batch(self, policy: ResourcePolicy, unit: int) -> int | None:
        """The most pods to ask for at once; None: no bound."""
        setback = self._known.get(_key(policy, unit))
        return setback.batch if setback else None


def _key(policy: ResourcePolicy, unit: int) -> tuple[str, str]:
    return policy.key, policy.units[unit].fingerprint
