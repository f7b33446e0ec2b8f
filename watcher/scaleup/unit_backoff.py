"""Units that failed to grow: how many pods to ask for next, and when (A6, W4).

The back-off is kept per unit and pod shape: a shape too large for the unit's nodes says nothing about other
pods. A request is all or nothing, so a failed one is made smaller, first by one request per shape. When one
pod alone fails, the unit is passed over, and retried with one pod after a time that doubles. Not stored: a
restart retries at once, which costs one failed request.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from policy.api.resourcepolicy import ResourcePolicy
from watcher.scaleup.scaleup_status import Blocked, BlockReason

__all__ = ["UnitBackoff"]

_UnitKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Failure:
    batch: int
    until: float
    wait: float
    reason: BlockReason
    message: str


@dataclass(frozen=True, slots=True)
class UnitBackoff:
    """Immutable: each `with_` method returns a new value. Units are keyed by fingerprint, not index."""

    initial_seconds: float
    max_seconds: float
    _failures: Mapping[_UnitKey, Mapping[str, _Failure]] = field(default_factory=dict)
    _separate_until: Mapping[_UnitKey, float] = field(default_factory=dict)
    """Until when the shapes of a unit are not asked for together."""

    def with_separate_shapes(self, policy: ResourcePolicy, unit: int, now: float) -> "UnitBackoff":
        """Several shapes failed together: perhaps no one node group has nodes that suit all of them."""
        until = {**self._separate_until, _key(policy, unit): now + self.max_seconds}
        return replace(self, _separate_until=until)

    def with_batch(
        self, policy: ResourcePolicy, unit: int, shape: str, batch: int, now: float
    ) -> "UnitBackoff":
        """A request failed, and one for `batch` pods may succeed."""
        before = self._of(policy, unit).get(shape)
        wait = before.wait if before else 0.0
        return self._with(policy, unit, shape, _Failure(batch, now, wait, BlockReason.REFUSED, ""))

    def with_failure(
        self,
        policy: ResourcePolicy,
        unit: int,
        shape: str,
        now: float,
        reason: BlockReason,
        message: str = "",
    ) -> "UnitBackoff":
        """Not even one pod of the shape gets a node."""
        before = self._of(policy, unit).get(shape)
        wait = min(before.wait * 2, self.max_seconds) if before and before.wait else self.initial_seconds
        return self._with(policy, unit, shape, _Failure(1, now + wait, wait, reason, message))

    def with_success(self, policy: ResourcePolicy, unit: int, shape: str) -> "UnitBackoff":
        """The unit grew for the shape: its failures are forgotten."""
        failures = {key: failure for key, failure in self._of(policy, unit).items() if key != shape}
        return replace(self, _failures={**self._failures, _key(policy, unit): failures})

    def without_unit(self, policy: ResourcePolicy, unit: int) -> "UnitBackoff":
        """All failures of the unit are forgotten."""
        gone = _key(policy, unit)
        failures = {key: failures for key, failures in self._failures.items() if key != gone}
        separate = {key: until for key, until in self._separate_until.items() if key != gone}
        return replace(self, _failures=failures, _separate_until=separate)

    def is_separate(self, policy: ResourcePolicy, unit: int, shape: str, now: float) -> bool:
        """Whether pods of the shape get a request of their own, so that no other fails with them."""
        separate = now < self._separate_until.get(_key(policy, unit), now)
        return separate or shape in self._of(policy, unit)

    def blocked(
        self, policy: ResourcePolicy, unit: int, now: float, shape: str | None = None
    ) -> Blocked | None:
        """Why the unit is passed over for pods of a shape; without `shape`, for any shape that failed."""
        found = self._of(policy, unit)
        failures = found.values() if shape is None else filter(None, [found.get(shape)])
        last = max((f for f in failures if f.until > now), key=lambda f: f.until, default=None)
        return Blocked(last.reason, last.message, last.until) if last else None

    def batch(self, policy: ResourcePolicy, unit: int, shape: str) -> int | None:
        """The most pods of the shape to ask for at once; None: no limit."""
        failure = self._of(policy, unit).get(shape)
        return failure.batch if failure else None

    def failed_units(self, policy: ResourcePolicy) -> Iterator[int]:
        """The units that failed for any shape."""
        return (unit for unit in range(len(policy.units)) if self._of(policy, unit))

    def _of(self, policy: ResourcePolicy, unit: int) -> Mapping[str, _Failure]:
        return self._failures.get(_key(policy, unit), {})

    def _with(self, policy: ResourcePolicy, unit: int, shape: str, failure: _Failure) -> "UnitBackoff":
        failures = {**self._of(policy, unit), shape: failure}
        return replace(self, _failures={**self._failures, _key(policy, unit): failures})


def _key(policy: ResourcePolicy, unit: int) -> _UnitKey:
    return policy.key, policy.units[unit].fingerprint
