"""Writes the status of policies (M4, M6, M8, L5).

Owns when a status is written, once for each change, and the times in it; must not know which rule says what:
that is in `policy.conditions`.
"""

import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event
from typing import Any

from extender.cache import Cache
from extender.connection import ApiError, Connection, Unreachable
from extender.rounds import repeat
from policy.conditions import Condition, about_pods, accepted, rejected
from policy.objects import Pod
from policy.options import OnConflict
from policy.resourcepolicy import ResourcePolicy

__all__ = ["Status", "StatusWriter"]

log = logging.getLogger(__name__)

_GONE = 404
_PERIOD = 1.0


@dataclass(frozen=True, slots=True)
class Status:
    """What one policy's status should say."""

    generation: int
    conditions: tuple[Condition, ...]


class StatusWriter:
    """One thread's work. `clock` gives Unix seconds."""

    def __init__(
        self,
        connection: Connection,
        cache: Cache,
        clock: Callable[[], float],
        managed_resources: Collection[str],
        on_conflict: OnConflict,
    ) -> None:
        self._connection = connection
        self._cache = cache
        self._clock = clock
        self._managed_resources = managed_resources
        self._on_conflict = on_conflict
        self._written: dict[str, Status] = {}

    def run(self, stop: Event) -> None:
        """Write what has changed, once a second, until `stop`."""
        repeat("status", _PERIOD, self.round, stop)

    def round(self) -> None:
        """Write what has changed; what could not be written is tried again next time."""
        wanted = self.wanted()
        self._written = {key: self._written[key] for key in self._written.keys() & wanted.keys()}
        for key, status in wanted.items():
            if self._written.get(key) == status:
                continue
            try:
                self._write(key, status)
            except Unreachable as error:
                log.warning("the status of %s was not written: %s", key, error)
            except ApiError as error:
                if error.status != _GONE:
                    log.warning("the status of %s was not written: %s", key, error)
            else:
                self._written[key] = status

    def wanted(self) -> dict[str, Status]:
        """What each policy's status should say now, by `namespace/name`."""
        with self._cache.lock:
            policies = self._cache.policies
            pods = list(self._cache.pods())
            refused = {policy.key: policy for policy in self._cache.policies.rejected()}
        pairs = self._about_pods(policies, pods)
        wanted = {
            policy.key: Status(policy.generation, (accepted(), *pairs[policy.key])) for policy in policies
        }
        for key, policy in refused.items():
            condition = rejected(policy, in_force=key in wanted)
            wanted[key] = Status(policy.generation, (condition, *pairs.get(key, ())))
        return wanted

    def _about_pods(
        self, policies: Iterable[ResourcePolicy], pods: Iterable[Pod]
    ) -> dict[str, tuple[Condition, ...]]:
        """Namespace by namespace: policies of one never meet pods of another (M1)."""
        local: dict[str, tuple[list[ResourcePolicy], list[Pod]]] = {}
        for policy in policies:
            local.setdefault(policy.namespace, ([], []))[0].append(policy)
        for pod in pods:
            if pod.namespace in local:
                local[pod.namespace][1].append(pod)
        return {
            key: conditions
            for neighbours, inhabitants in local.values()
            for key, conditions in about_pods(
                neighbours, inhabitants, self._managed_resources, self._on_conflict
            ).items()
        }

    def _write(self, key: str, status: Status) -> None:
        namespace, _, name = key.partition("/")
        path = f"/apis/scheduling.alibabacloud.com/v1alpha1/namespaces/{namespace}/resourcepolicies/{name}"
        stored = json.loads(self._connection.get(path)).get("status") or {}
        now = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        written = _merged(stored, status, now)
        if written != stored:
            self._connection.patch(f"{path}/status", {"status": written})


def _merged(stored: Mapping[str, Any], status: Status, now: str) -> dict[str, Any]:
    """The stored status with our conditions in it; a condition keeps its time while its status stays."""
    before = {condition["type"]: condition for condition in stored.get("conditions") or ()}
    for condition in status.conditions:
        old = before.get(condition.type, {})
        value = str(condition.status)
        since = old["lastTransitionTime"] if old.get("status") == value else now
        before[str(condition.type)] = {
            "type": str(condition.type),
            "status": value,
            "reason": condition.reason,
            "message": condition.message,
            "observedGeneration": status.generation,
            "lastTransitionTime": since,
        }
    return {
        **stored,
        "observedGeneration": status.generation,
        "conditions": list(before.values()),
    }
