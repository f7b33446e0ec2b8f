"""Leader election by a Lease of coordination.k8s.io/v1: at most one leader at a time.

The rules are client-go's (tools/leaderelection): the leader gives up before another may take over, and each
process measures time by its own clock only. So are its ratios 15 : 10 : 2, which kube-scheduler uses as
seconds.
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

_RENEW_DEADLINE = 10 / 15
"""renewDeadline, as a part of the lease duration."""
_RETRY_PERIOD = 2 / 15
_NOT_FOUND, _CONFLICT = 404, 409


class Lease:
    """`run` it in a thread; `held` may be read by any. `clock` is monotonic, in seconds.

    `duration` is how many seconds the others wait after the last renewal they saw. We call
    `on_started_leading` whenever we become the leader.
    """

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        name: str,
        identity: str,
        clock: Callable[[], float],
        duration: int,
        on_started_leading: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._name = name
        self._identity = identity
        self._clock = clock
        self._duration = duration
        self._on_started_leading = on_started_leading
        self._renew_deadline = duration * _RENEW_DEADLINE
        self._request_seconds = self._renew_deadline / 2
        self._stored: dict[str, Any] | None = None
        """The lease as we wrote it last: while nobody else has, a renewal need not read it."""
        self._renewed_at = float("-inf")
        self._held_since = float("inf")
        self._seen: tuple[str, str] = ("", "")
        self._seen_at = float("-inf")

    @property
    def held(self) -> bool:
        """Whether we lead now."""
        return self._clock() - self._renewed_at < self._renew_deadline

    @property
    def held_since(self) -> float:
        """When we became the leader, if we lead."""
        return self._held_since

    def run(self, stop: Event) -> None:
        """Compete for the lease until `stop`, then give it back at once."""
        while not stop.is_set():
            self.try_once()
            stop.wait(self._duration * _RETRY_PERIOD * random.uniform(0.8, 1.2))  # noqa: S311  spreads load, hides nothing
        self.release()

    def try_once(self) -> None:
        """Take the lease if it is free, renew it if it is ours."""
        before = self._clock()
        led = self.held
        try:
            acquired = self._try_acquire_or_renew()
        except (ApiError, Unreachable) as error:
            log.warning("lease %s: %s", self._name, error)
            return
        if not acquired:
            self._renewed_at = float("-inf")
            return
        if not led:
            self._held_since = before
        self._renewed_at = before
        if not led:
            log.info("lease %s: %s leads", self._name, self._identity)
            self._on_started_leading()

    def release(self) -> None:
        """Let another one lead without waiting for us."""
        if not self.held:
            return
        self._renewed_at = float("-inf")
        try:
            lease = self._read()
            if lease["spec"].get("holderIdentity") == self._identity:
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
                self._client.put(self._path, lease, self._request_seconds)
        except (ApiError, Unreachable) as error:
            log.warning("lease %s: not released: %s", self._name, error)

    @property
    def _path(self) -> str:
        return f"{self._collection}/{self._name}"

    def _try_acquire_or_renew(self) -> bool:
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
        if holder not in ("", self._identity) and not self._expired(holder, spec):
            return False
        return self._put(lease)

    def _read(self) -> dict[str, Any]:
        lease: dict[str, Any] = json.loads(self._client.get(self._path, seconds=self._request_seconds))
        return lease

    def _expired(self, holder: str, spec: dict[str, Any]) -> bool:
        """Whether the lease duration has passed since we last saw a renewal."""
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
        return self._store(lambda: self._client.post(self._collection, claimed, self._request_seconds))

    def _put(self, lease: dict[str, Any]) -> bool:
        claimed = {**lease, "spec": self._claim(lease["spec"])}
        return self._store(lambda: self._client.put(self._path, claimed, self._request_seconds))

    def _store(self, write: Callable[[], bytes]) -> bool:
        """Whether the write succeeded: false if another replica wrote first (resourceVersion conflict)."""
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
    client: KubeClient,
    name: str,
    duration: int,
    clock: Callable[[], float],
    on_started_leading: Callable[[], None] = lambda: None,
) -> Lease | None:
    """The Lease that a setting names as NAMESPACE/NAME; none if it names none."""
    if not name:
        return None
    namespace, _, lease = name.partition("/")
    return Lease(client, namespace, lease, identity(), clock, duration, on_started_leading)


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
