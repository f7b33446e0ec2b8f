"""Events beside policies and pods, in events.k8s.io/v1: one for each cause, none more while it stands.

The name of an Event is made from its cause, so that a restarted watcher finds it again.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cluster.kube.client import ApiError, KubeClient, Unreachable
from policy.api import wellknown
from watcher.status.event_rules import EventSpec

__all__ = ["EventRecorder"]

log = logging.getLogger(__name__)

_AT_ONCE = 20
"""Requests in one round; what is left over is told in the next."""
_PAUSE = 60.0
"""Seconds before a cause that came back is counted again."""
_FRESH = 1800.0
"""Seconds after which the event of a cause that stands is touched: the API server keeps it for an hour."""
_FORGOTTEN = 3600.0
_LONGEST_NOTE = 1024
_LONGEST_NAME = 200
_EXISTS, _NOT_FOUND = "AlreadyExists", 404


@dataclass(slots=True)
class _Published:
    """A cause that was told."""

    at: float
    count: int = 1
    stands: bool = True


@dataclass(slots=True)
class EventRecorder:
    """For one thread. `clock` gives Unix seconds; `instance` names this process."""

    connection: KubeClient
    clock: Callable[[], float]
    instance: str
    _published: dict[str, _Published] = field(default_factory=dict)

    def publish(self, events: Iterable[EventSpec]) -> None:
        """Tell what is new. What could not be told is tried again next time."""
        now = self.clock()
        standing = {_name(event): event for event in events}
        self._published = {
            name: published for name, published in self._published.items() if now - published.at < _FORGOTTEN
        }
        due = [(name, event) for name, event in standing.items() if self._is_due(name, now)]
        for name, event in due[:_AT_ONCE]:
            try:
                self._write(name, event, now)
            except Unreachable as error:
                log.warning("events are not written: %s", error)
                return
            except ApiError as error:
                # A namespace that ends takes no events, and perhaps a quota none more.
                log.warning("an event for %s was not written: %s", event.about.name, error)
                self._published[name] = _Published(now)
        for name, published in self._published.items():
            published.stands = name in standing

    def _is_due(self, name: str, now: float) -> bool:
        published = self._published.get(name)
        return published is None or now - published.at > (_FRESH if published.stands else _PAUSE)

    def _write(self, name: str, event: EventSpec, now: float) -> None:
        published = self._published.get(name)
        path = f"/apis/events.k8s.io/v1/namespaces/{event.about.namespace}/events"
        if published is None:
            self._create(path, self._event(name, event, now))
            self._published[name] = _Published(now)
        elif self._count(f"{path}/{name}", published.count + 1, now):
            self._published[name] = _Published(now, published.count + 1)
        else:
            del self._published[name]  # the API server has forgotten it: created in the next round

    def _create(self, path: str, event: Mapping[str, Any]) -> None:
        try:
            self.connection.post(path, event)
        except ApiError as error:
            if error.reason != _EXISTS:  # by a watcher before this one
                raise

    def _count(self, path: str, count: int, now: float) -> bool:
        """Whether there still is an event to count on."""
        try:
            series = {"count": count, "lastObservedTime": _moment(now)}
            self.connection.patch(path, {"series": series})
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            return False
        return True

    def _event(self, name: str, event: EventSpec, now: float) -> dict[str, Any]:
        about = event.about
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": about.namespace},
            "eventTime": _moment(now),
            "reportingController": wellknown.WATCHER,
            "reportingInstance": self.instance[:128],
            "action": "Watching",
            "type": str(event.severity),
            "reason": event.reason,
            "note": event.note.encode()[:_LONGEST_NOTE].decode(errors="ignore"),
            "regarding": {
                "apiVersion": about.api_version,
                "kind": about.kind,
                "namespace": about.namespace,
                "name": about.name,
                "uid": about.uid,
            },
        }


def _name(event: EventSpec) -> str:
    cause = repr((event.about.kind, event.about.uid, event.reason, event.dedupe_key))
    about = event.about.name[:_LONGEST_NAME].rstrip("-.")
    return f"{about}.{hashlib.sha256(cause.encode()).hexdigest()[:16]}"


def _moment(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
