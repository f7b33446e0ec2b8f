"""What others said about a pod: programs in their events, cluster-autoscaler in the requests to it.

What may not be read is noted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from cli.cluster.live import Session
from cli.cluster.snapshot import ReportedCondition
from cluster.kube.client import ApiError
from policy.api import wellknown
from policy.api.objects import Pod
from watcher.provisioner.interface import Request
from watcher.provisioner.placeholder_manifests import names_of, read_placeholders
from watcher.provisioner.request_manifests import OWNED, read_requests

__all__ = ["PodEvents", "events_of", "optional", "requests_for"]

_NOT_FOUND, _FORBIDDEN = 404, 403
_NOTHING = b'{"items": []}'


def optional(session: Session, path: str, unread: list[str], **query: str) -> bytes:
    """What is there and may be read; else nothing, and it is noted."""
    try:
        return session.get(path, query)
    except ApiError as error:
        if error.status == _FORBIDDEN:
            unread.append(error.message)
        elif error.status != _NOT_FOUND:
            raise
        return _NOTHING


class _Timed(msgspec.Struct, rename="camel"):
    creation_timestamp: datetime | None = None


class _Series(msgspec.Struct, rename="camel"):
    last_observed_time: datetime | None = None


class _Event(msgspec.Struct, rename="camel"):
    metadata: _Timed
    reason: str = ""
    message: str = ""
    reporting_component: str = ""
    last_timestamp: datetime | None = None
    event_time: datetime | None = None
    series: _Series | None = None

    @property
    def at(self) -> float:
        """When it was seen last."""
        seen = self.series.last_observed_time if self.series else None
        moment = seen or self.last_timestamp or self.event_time or self.metadata.creation_timestamp
        return moment.timestamp() if moment else 0.0


class _Events(msgspec.Struct):
    items: list[_Event] | None = None


_SCHEDULERS = ("FailedScheduling", "Scheduled", "Preempted")


@dataclass(frozen=True, slots=True)
class PodEvents:
    """The newest event of each."""

    scheduler: ReportedCondition | None = None
    """Whatever the scheduler's name."""
    watcher: ReportedCondition | None = None


def events_of(session: Session, pod: Pod, unread: list[str]) -> PodEvents:
    """What events about the pod say."""
    path = f"/api/v1/namespaces/{pod.namespace}/events"
    body = optional(session, path, unread, fieldSelector=f"involvedObject.uid={pod.uid}")
    events = msgspec.json.decode(body, type=_Events).items or []
    return PodEvents(
        _newest(event for event in events if event.reason in _SCHEDULERS),
        _newest(event for event in events if event.reporting_component == wellknown.WATCHER),
    )


def _newest(events: Iterable[_Event]) -> ReportedCondition | None:
    newest = max(events, key=lambda event: event.at, default=None)
    return ReportedCondition(newest.at, newest.reason, newest.message) if newest else None


def requests_for(session: Session, pod: Pod, own: str, unread: list[str]) -> list[Request]:
    """Our requests that name the pod, of either kind that the watcher makes, the newest first."""
    labels = ",".join(f"{key}={value}" for key, value in OWNED.items())
    asked = f"/apis/{wellknown.PROVISIONING_API}/namespaces/{own}/provisioningrequests"
    requests, pods, templates = (
        optional(session, path, unread, labelSelector=labels)
        for path in (asked, f"/api/v1/namespaces/{own}/pods", f"/api/v1/namespaces/{own}/podtemplates")
    )
    read = read_placeholders(pods, templates) if names_of(pods) else read_requests(requests, templates)
    found = [request for request in read if pod.uid in request.pods]
    return sorted(found, key=lambda request: -request.made_at)
