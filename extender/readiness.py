"""When the server may answer (E4, C7).

Owns the reasons not to; must not know what is answered.
"""

from collections.abc import Callable, Iterable

from extender.lease import Lease
from extender.reflector import Reflector

__all__ = ["Readiness"]


class Readiness:
    """`clock` is monotonic, in seconds. A reason holds no number that moves: pods' conditions carry it."""

    def __init__(
        self,
        reflectors: Iterable[Reflector[object, object]],
        clock: Callable[[], float],
        *,
        silence: float,
        lease: Lease | None = None,
    ) -> None:
        self._reflectors = tuple(reflectors)
        self._clock = clock
        self._silence = silence
        self._lease = lease

    def synced(self) -> bool:
        """Whether each first list has arrived."""
        return all(reflector.synced for reflector in self._reflectors)

    def why_not(self) -> str:
        """Why the server may not answer now; empty if it may."""
        if not self.synced():
            return "the cache has not synced yet"
        if self._lease is not None and not self._lease.held:
            return "another replica leads"
        if any(self._clock() - (r.last_contact or 0.0) > self._silence for r in self._reflectors):
            return "the API server has been silent for too long"
        return ""
