"""Writes the status of policies (M4, M6, M8, L5)."""

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from cluster.kube.client import ApiError, KubeClient, Unreachable
from policy.api import wellknown
from policy.api.quantity import format_quantity
from policy.scheduling.node_fit import PODS
from watcher.status.builder import PolicyStatus, StatusReport, UnitStatus

__all__ = ["StatusWriter"]

log = logging.getLogger(__name__)

_GONE = 404
_LONGEST = 32768
"""Characters of a message that the CRD takes."""
_AT_ONCE = 50
"""Writes in one round; the rest follows in the next."""


class StatusWriter:
    """For one thread. `clock` gives Unix seconds."""

    def __init__(self, connection: KubeClient, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._clock = clock
        self._written: dict[str, PolicyStatus] = {}

    def forget(self) -> None:
        """Whatever we wrote, another one may have written since."""
        self._written = {}

    def write(self, report: StatusReport) -> None:
        """Write what has changed; what could not be written is tried again next time."""
        wanted = report.statuses
        self._written = {key: self._written[key] for key in self._written.keys() & wanted.keys()}
        changed = [(key, status) for key, status in wanted.items() if self._written.get(key) != status]
        for key, status in changed[:_AT_ONCE]:
            try:
                self._write(key, status)
            except Unreachable as error:
                log.warning("the status of %s was not written: %s", key, error)
                return
            except ApiError as error:
                if error.status != _GONE:
                    log.warning("the status of %s was not written: %s", key, error)
            else:
                self._written[key] = status

    def _write(self, key: str, status: PolicyStatus) -> None:
        namespace, _, name = key.partition("/")
        path = f"/apis/{wellknown.RESOURCEPOLICY_API}/namespaces/{namespace}/resourcepolicies/{name}"
        stored = json.loads(self._connection.get(path)).get("status") or {}
        now = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        written = _merged(stored, status, now)
        if written != stored:
            self._connection.patch(f"{path}/status", {"status": written})


def _merged(stored: Mapping[str, Any], status: PolicyStatus, now: str) -> dict[str, Any]:
    """The stored status with ours in it; a condition keeps its time while its status stays."""
    before = {condition["type"]: condition for condition in stored.get("conditions") or ()}
    for condition in status.conditions:
        old = before.get(condition.type, {})
        value = str(condition.status)
        since = old["lastTransitionTime"] if old.get("status") == value else now
        before[str(condition.type)] = {
            "type": str(condition.type),
            "status": value,
            "reason": condition.reason,
            "message": condition.message[:_LONGEST],
            "observedGeneration": status.generation,
            "lastTransitionTime": since,
        }
    return {
        **stored,
        "observedGeneration": status.generation,
        "conditions": list(before.values()),
        "pending": status.pending,
        "placed": ", ".join(map(_placed, status.units)),
        "units": [_unit(index, unit) for index, unit in enumerate(status.units)],
    }


def _placed(status: UnitStatus) -> str:
    limit = "" if status.unit.max is None else f"/{status.unit.max}"
    return f"{status.occupancy.pods}{limit}"


def _unit(index: int, status: UnitStatus) -> dict[str, Any]:
    held = status.occupancy
    optional = {
        "max": status.unit.max,
        "left": _written(held.left),
        "capacity": _written(held.capacity),
        "free": _written(held.free),
    }
    return {
        "index": index,
        "resource": str(status.unit.resource),
        "nodes": held.nodes,
        "pods": held.pods,
        "asked": status.requested,
        **{name: value for name, value in optional.items() if value not in (None, {})},
        "state": str(status.state.state),
        "reason": str(status.state.reason),
        "message": status.state.message,
    }


def _written(amounts: Mapping[str, int]) -> dict[str, str]:
    return {name: str(n) if name == PODS else format_quantity(n) for name, n in amounts.items()}
