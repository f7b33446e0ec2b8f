"""What others said about a pod: kube-scheduler in its events, cluster-autoscaler in the requests to it.

Owns reading both where the user may; must not know what is concluded. What may not be read is noted.
"""

from datetime import datetime

import msgspec

from author.cluster import Said
from author.live import Session
from extender.autoscaler import Request
from extender.connection import ApiError
from extender.request_objects import read_requests
from policy.objects import Pod

__all__ = ["newest_event", "optional", "requests_for"]

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


def newest_event(session: Session, pod: Pod, unread: list[str]) -> Said | None:
    """The newest event of a scheduler about the pod, whatever the scheduler's name."""
    path = f"/api/v1/namespaces/{pod.namespace}/events"
    body = optional(session, path, unread, fieldSelector=f"involvedObject.uid={pod.uid}")
    listed = msgspec.json.decode(body, type=_Events).items or []
    events = [event for event in listed if event.reason in _SCHEDULERS]
    newest = max(events, key=lambda event: event.at, default=None)
    return Said(newest.at, newest.reason, newest.message) if newest else None


def requests_for(session: Session, pod: Pod, own: str, unread: list[str]) -> list[Request]:
    """The ProvisioningRequests of ours that name the pod, the newest first."""
    labels = "app.kubernetes.io/managed-by=resourcepolicy-watcher"
    paths = (
        f"/apis/autoscaling.x-k8s.io/v1/namespaces/{own}/provisioningrequests",
        f"/api/v1/namespaces/{own}/podtemplates",
    )
    bodies = [optional(session, path, unread, labelSelector=labels) for path in paths]
    found = [request for request in read_requests(*bodies) if pod.uid in request.pods]
    return sorted(found, key=lambda request: -request.made_at)
