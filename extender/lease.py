"""Leadership by a Lease: at most one holder at a time, judged by our own clock.

Owns acquiring, renewing and releasing one Lease of coordination.k8s.io/v1; must not know what the leader
does. The rules are client-go's (tools/leaderelection): the holder gives up before anybody else may take over,
and nobody compares clocks.
"""

import json
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event
from typing import Any

from extender.connection import ApiError, Connection, Unreachable

__all__ = ["Lease"]

log = logging.getLogger(__name__)

_DURATION = 15.0
"""Seconds that others wait after the last renewal they saw."""
_GIVE_UP = 10.0
"""Seconds after our last renewal in which we still act as the leader."""
_PERIOD = 2.0
_NOT_FOUND, _CONFLICT = 404, 409


class Lease:
    """`run` it in a thread; `held` may be read by any. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        name: str,
        identity: str,
        clock: Callable[[], float],
    ) -> None:
        self._connection = connection
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._name = name
        self._identity = identity
        self._clock = clock
        self._renewed_at = float("-inf")
        self._held_since = float("inf")
        self._seen: tuple[str, str] = ("", "")
        self._seen_at = float("-inf")

    @property
    def held(self) -> bool:
        """Whether we lead now."""
        return self._clock() - self._renewed_at < _GIVE_UP

    @property
    def held_for(self) -> float:
        """Seconds since we took the lead; 0 if we do not lead."""
        return self._clock() - self._held_since if self.held else 0.0

    def run(self, stop: Event) -> None:
        """Compete for the lease until `stop`, then give it back at once."""
        while not stop.is_set():
            self.try_once()
            stop.wait(_PERIOD * random.uniform(0.8, 1.2))  # noqa: S311  spreads load, hides nothing
        self.release()

    def try_once(self) -> None:
        """Take the lease if it is free, renew it if it is ours."""
        before = self._clock()
        led = self.held
        try:
            taken = self._take()
        except (ApiError, Unreachable) as error:
            log.warning("lease %s: %s", self._name, error)
            return
        if not taken:
            self._renewed_at = float("-inf")
            return
        if not led:
            self._held_since = before
            log.info("lease %s: %s leads", self._name, self._identity)
        self._renewed_at = before

    def release(self) -> None:
        """Let another one lead without waiting for us."""
        if not self.held:
            return
        self._renewed_at = float("-inf")
        try:
            lease = json.loads(self._connection.get(self._path))
            if lease["spec"].get("holderIdentity") == self._identity:
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
                self._connection.put(self._path, lease)
        except (ApiError, Unreachable) as error:
            log.warning("lease %s: not released: %s", self._name, error)

    @property
    def _path(self) -> str:
        return f"{self._collection}/{self._name}"

    def _take(self) -> bool:
        try:
            lease = json.loads(self._connection.get(self._path))
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            return self._written(self._create)
        spec = lease["spec"]
        holder = spec.get("holderIdentity") or ""
        if holder not in ("", self._identity) and not self._ran_out(holder, spec):
            return False
        lease["spec"] = self._claim(spec)
        return self._written(lambda: self._connection.put(self._path, lease))

    def _ran_out(self, holder: str, spec: dict[str, Any]) -> bool:
        """Whether the holder has let it lie for its whole duration, since we last saw a renewal."""
        seen = holder, spec.get("renewTime") or ""
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._clock()
        return self._clock() - self._seen_at > float(spec.get("leaseDurationSeconds") or _DURATION)

    def _claim(self, spec: dict[str, Any]) -> dict[str, Any]:
        now = _now()
        claim = {
            **spec,
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(_DURATION),
            "renewTime": now,
        }
        if spec.get("holderIdentity") != self._identity:
            claim["acquireTime"] = now
            claim["leaseTransitions"] = (spec.get("leaseTransitions") or 0) + 1
        return claim

    def _create(self) -> bytes:
        metadata = {"name": self._name}
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
        return self._connection.post(self._collection, {**lease, "spec": self._claim({})})

    def _written(self, write: Callable[[], object]) -> bool:
        """Whether nobody else was quicker: the stored version decides."""
        try:
            write()
        except ApiError as error:
            if error.status == _CONFLICT:
                return False
            raise
        return True


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
