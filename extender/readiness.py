"""When the server may answer (E4, C7)."""

from collections.abc import Callable, Iterable

from cluster.kube.leader_election import Lease
from cluster.kube.reflector import Reflector

__all__ = ["Readiness"]


class Readiness:
    """`age` is the view's, in seconds. A reason holds no number that moves: pods' conditions carry it."""

    def __init__(
        self,
        reflectors: Iterable[Reflector[object, object]],
        age: Callable[[], float],
        *,
        staleness: float,
        pods: Reflector[object, object],
        lease: Lease | None = None,
    ) -> None:
        self._reflectors = tuple(reflectors)
        self._age = age
        self._staleness = staleness
        self._pods = pods
        self._lease = lease

    def synced(self) -> bool:
        """Whether each first list has arrived."""
        return all(reflector.synced for reflector in self._reflectors)

    def not_ready_reason(self) -> str:
        """Why the server may not answer now; empty if it may."""
        if not self.synced():
            return "the cache has not synced yet"
        if self._lease is not None and not self._lease.held:
            return "another replica leads"
        if self._lease is not None and (self._pods.listed_at or 0.0) < self._lease.held_since:
            # A watch may be behind: pods that another leader sent on their way have to be known (C7).
            return "it has just taken the lead and lists the pods again"
        if self._age() > self._staleness:
            return "what it knows of the cluster is too old"
        return ""
