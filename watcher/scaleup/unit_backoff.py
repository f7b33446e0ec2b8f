"""Units whose growth failed: how many pods to ask for next, and when (A6, W4).

A request is all or nothing, so a failed one is made smaller, first by asking for each shape alone, until one
pod alone fails: then the unit is passed over, and tried again with one pod after a time that doubles. In
memory only: a restart tries again at once, which costs one failed request.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from policy.api.resourcepolicy import ResourcePolicy
from watcher.scaleup.scaleup_status import Blocked, BlockReason

__all__ = ["UnitBackoff"]

_Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Failure:
    batch: int
    until: float
    wait: float
    obstacle: BlockReason
    said: str


@dataclass(slots=True)
class UnitBackoff:
    """By policy and unit, and then by shape; units are told by what they are, not by their place."""

    first: float
    longest: float
    _known: dict[_Place, dict[str, _Failure]] = field(default_factory=dict)
    _apart: dict[_Place, float] = field(default_factory=dict)
    """Until when no two shapes are asked for together."""

    def split(self, policy: ResourcePolicy, unit: int, now: float) -> None:
        """Several shapes failed together: no one node group may have room for all, or nodes that suit all."""
        self._apart[_place(policy, unit)] = now + self.longest

    def alone(self, policy: ResourcePolicy, unit: int, shape: str, now: float) -> bool:
        """Whether pods of the shape are asked for by themselves, so that no other fails with them."""
        return now < self._apart.get(_place(policy, unit), now) or shape in self._of(policy, unit)

    def smaller(self, policy: ResourcePolicy, unit: int, shape: str, batch: int, now: float) -> None:
        """A request failed and may do with so many pods."""
        before = self._of(policy, unit).get(shape)
        wait = before.wait if before else 0.0
        self._note(policy, unit, shape, _Failure(batch, now, wait, BlockReason.REFUSED, ""))

    def failed(
        self, policy: ResourcePolicy, unit: int, shape: str, now: float, obstacle: BlockReason, said: str = ""
    ) -> None:
        """Not even one pod of the shape gets a node."""
        before = self._of(policy, unit).get(shape)
        wait = min(before.wait * 2, self.longest) if before and before.wait else self.first
        self._note(policy, unit, shape, _Failure(1, now + wait, wait, obstacle, said))

    def succeeded(self, policy: ResourcePolicy, unit: int, shape: str) -> None:
        """It grew: forget what was before."""
        self._of(policy, unit).pop(shape, None)

    def forget(self, policy: ResourcePolicy, unit: int) -> None:
        """Whatever held the unit back is over."""
        self._known.pop(_place(policy, unit), None)
        self._apart.pop(_place(policy, unit), None)

    def blocked(
        self, policy: ResourcePolicy, unit: int, now: float, shape: str | None = None
    ) -> Blocked | None:
        """Why the unit is passed over for pods of a shape, or, without one, for any that were refused."""
        found = self._of(policy, unit)
        backoff = found.values() if shape is None else filter(None, [found.get(shape)])
        last = max((s for s in backoff if s.until > now), key=lambda s: s.until, default=None)
        return Blocked(last.obstacle, last.said, last.until) if last else None

    def batch(self, policy: ResourcePolicy, unit: int, shape: str) -> int | None:
        """The most pods of the shape to ask for at once; None: no bound."""
        setback = self._of(policy, unit).get(shape)
        return setback.batch if setback else None

    def known(self, policy: ResourcePolicy) -> Iterator[int]:
        """The units that failed for any shape."""
        return (unit for unit in range(len(policy.units)) if self._of(policy, unit))

    def _of(self, policy: ResourcePolicy, unit: int) -> dict[str, _Failure]:
        return self._known.get(_place(policy, unit), {})

    def _note(self, policy: ResourcePolicy, unit: int, shape: str, setback: _Failure) -> None:
        self._known.setdefault(_place(policy, unit), {})[shape] = setback


def _place(policy: ResourcePolicy, unit: int) -> _Place:
    return policy.key, policy.units[unit].fingerprint
