"""Leadership by a Lease: at most one holder at a time, judged by our own clock.

The rules are client-go's (tools/leaderelection): the holder gives up before anybody else may take over, and
nobody compares clocks; so are its ratios, 15 : 10 : 2, which kube-scheduler takes in seconds.
"""

import json
import logging
import random
import socket
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any

from cluster.kube.client import ApiError, KubeClient, Unreachable

__all__ = ["Lease", "identity", "lease_named", "run_while_leading"]

log = logging.getLogger(__name__)

_GIVE_UP = 10 / 15
"""The part of the duration in which we still act as the leader after our last renewal."""
_PERIOD = 2 / 15
_NOT_FOUND, _CONFLICT = 404, 409


class Lease:
    """`run` it in a thread; `held` may be read by any. `clock` is monotonic, in seconds.

    `duration` is how many seconds the others wait after the last renewal they saw; `taken` is called whenever
    we take the lead.
    """

    def __init__(
        self,
        connection: KubeClient,
        namespace: str,
        name: str,
        identity: str,
        clock: Callable[[], float],
        duration: int,
        taken: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = connection
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._name = name
        self._identity = identity
        self._clock = clock
        self._duration = duration
        self._taken = taken
        self._give_up = duration * _GIVE_UP
        self._request_seconds = self._give_up / 2
        self._stored: dict[str, Any] | None = None
        """The lease as we wrote it last: while nobody else has, a renewal need not read it."""
        self._renewed_at = float("-inf")
        self._held_since = float("inf")
        self._seen: tuple[str, str] = ("", "")
        self._seen_at = float("-inf")

    @property
    def held(self) -> bool:
        """Whether we lead now."""
        return self._clock() - self._renewed_at < self._give_up

    @property
    def held_since(self) -> float:
        """When we took the lead, if we lead."""
        return self._held_since

    def run(self, stop: Event) -> None:
        """Compete for the lease until `stop`, then give it back at once."""
        while not stop.is_set():
            self.try_once()
            stop.wait(self._duration * _PERIOD * random.uniform(0.8, 1.2))  # noqa: S311  spreads load, hides nothing
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
        self._renewed_at = before
        if not led:
            log.info("lease %s: %s leads", self._name, self._identity)
            self._taken()

    def release(self) -> None:
        """Let another one lead without waiting for us."""
        if not self.held:
            return
        self._renewed_at = float("-inf")
        try:
            lease = self._read()
            if lease["spec"].get("holderIdentity") == self._identity:
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
                self._connection.put(self._path, lease, self._request_seconds)
        except (ApiError, Unreachable) as error:
            log.warning("lease %s: not released: %s", self._name, error)

    @property
    def _path(self) -> str:
        return f"{self._collection}/{self._name}"

    def _take(self) -> bool:
        if self.held and self._stored is not None and self._put(self._stored):
            return True
        try:
            lease = self._read()
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            return self._create()
        spec = lease["spec"]
        holder = spec.get("holderIdentity") or ""
        if holder not in ("", self._identity) and not self._ran_out(holder, spec):
            return False
        return self._put(lease)

    def _read(self) -> dict[str, Any]:
        lease: dict[str, Any] = json.loads(self._connection.get(self._path, seconds=self._request_seconds))
        return lease

    def _ran_out(self, holder: str, spec: dict[str, Any]) -> bool:
        """Whether the holder has let it lie for its whole duration, since we last saw a renewal."""
        seen = holder, spec.get("renewTime") or ""
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._clock()
        return self._clock() - self._seen_at > float(spec.get("leaseDurationSeconds") or self._duration)

    def _claim(self, spec: dict[str, Any]) -> dict[str, Any]:
        now = _now()
        claim = {
            **spec,
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._duration,
            "renewTime": now,
        }
        if spec.get("holderIdentity") != self._identity:
            claim["acquireTime"] = now
            claim["leaseTransitions"] = (spec.get("leaseTransitions") or 0) + 1
        return claim

    def _create(self) -> bool:
        metadata = {"name": self._name}
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
        claimed = {**lease, "spec": self._claim({})}
        return self._written(lambda: self._connection.post(self._collection, claimed, self._request_seconds))

    def _put(self, lease: dict[str, Any]) -> bool:
        claimed = {**lease, "spec": self._claim(lease["spec"])}
        return self._written(lambda: self._connection.put(self._path, claimed, self._request_seconds))

    def _written(self, write: Callable[[], bytes]) -> bool:
        """Whether nobody else was quicker: the stored version decides."""
        self._stored = None
        try:
            self._stored = json.loads(write())
        except ApiError as error:
            if error.status == _CONFLICT:
                return False
            raise
        return True


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_POLL = 0.2

Work = Callable[[Event], None]


def identity() -> str:
    """A name for this process that no other one has."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


def lease_named(
    connection: KubeClient,
    name: str,
    duration: int,
    clock: Callable[[], float],
    taken: Callable[[], None] = lambda: None,
) -> Lease | None:
    """The Lease that a setting names as NAMESPACE/NAME; none if it names none."""
    if not name:
        return None
    namespace, _, lease = name.partition("/")
    return Lease(connection, namespace, lease, identity(), clock, duration, taken)


def run_while_leading(stop: Event, lease: Lease | None, *work: Work) -> None:
    """Do the work, each in a thread, until `stop`; with a lease only while it is held."""
    if lease is None:
        _until(stop.is_set, stop, work)
        return
    elect = Thread(target=lease.run, args=(stop,), name="lease", daemon=True)
    elect.start()
    while not stop.wait(_POLL):
        if lease.held:
            _until(lambda: not lease.held, stop, work)
    elect.join(timeout=5)


def _until(over: Callable[[], bool], stop: Event, work: tuple[Work, ...]) -> None:
    done = Event()
    threads = [Thread(target=each, args=(done,), daemon=True) for each in work]
    for thread in threads:
        thread.start()
    while not over() and not stop.wait(_POLL):
        pass
    done.set()
    for thread in threads:
        thread.join()
