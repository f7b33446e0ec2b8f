"""Units whose growth failed: how many pods to ask for next, and when (A6, W4).

Owns the back-off of each unit; must not know why growth failed. A request is all or nothing, so a failed one
is halved until one pod alone fails: that unit is stuck, and tried again with one pod, after a time that
doubles. In memory only: a restart tries again at once, which costs one failed request.
"""

from dataclasses import dataclass, field

from extender.outlook import Blocked, Obstacle
from policy.resourcepolicy import ResourcePolicy

__all__ = ["Setbacks"]


@dataclass(frozen=True, slots=True)
class _Setback:
    batch: int
    until: float
    wait: float
    obstacle: Obstacle
    said: str


@dataclass(slots=True)
class Setbacks:
    """By policy and unit; units are told by what they are, not by their place."""

    first: float
    longest: float
    _known: dict[tuple[str, str], _Setback] = field(default_factory=dict)

    def failed(
        self, policy: ResourcePolicy, unit: int, pods: int, now: float, obstacle: Obstacle, said: str = ""
    ) -> None:
        """A request for so many pods failed."""
        key = _key(policy, unit)
        before = self._known.get(key)
        wait = before.wait if before else 0.0
        if pods > 1:
            self._known[key] = _Setback(pods // 2, now, wait, obstacle, said)
        else:
            wait = min(wait * 2, self.longest) if wait else self.first
            self._known[key] = _Setback(1, now + wait, wait, obstacle, said)

    def succeeded(self, policy: ResourcePolicy, unit: int) -> None:
        """It grew: forget what was before."""
        self._known.pop(_key(policy, unit), None)

    def stuck(self, policy: ResourcePolicy, now: float) -> frozenset[int]:
        """The units that cannot grow for now."""
        return frozenset(unit for unit in range(len(policy.units)) if self.blocked(policy, unit, now))

    def blocked(self, policy: ResourcePolicy, unit: int, now: float) -> Blocked | None:
        """Why the unit cannot grow for now; None if it can."""
        setback = self._known.get(_key(policy, unit))
        if setback is None or setback.until <= now:
            return None
        return Blocked(setback.obstacle, setback.said, setback.until)

    def batch(self, policy: ResourcePolicy, unit: int) -> int | None:
        """The most pods to ask for at once; None: no bound."""
        setback = self._known.get(_key(policy, unit))
        return setback.batch if setback else None


def _key(policy: ResourcePolicy, unit: int) -> tuple[str, str]:
    return policy.key, policy.units[unit].fingerprint
