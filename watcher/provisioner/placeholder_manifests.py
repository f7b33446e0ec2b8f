"""Placeholders: pods that stand for pending ones where cluster-autoscaler takes no requests.

Facts: docs/design/autoscaler.md.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from policy.api import wellknown
from watcher.provisioner.interface import Request, RequestPhase
from watcher.provisioner.request_manifests import OWNED, read_records

__all__ = ["PRIORITY_CLASS", "UNSCHEDULABLE", "names_of", "placeholders", "read_placeholders"]

PRIORITY_CLASS = "resourcepolicy-placeholder"
"""Above all governed pods, and preempting none: the autoscaler seats placeholders first, and buys once."""

_SCHEDULER = "resourcepolicy-placeholder"
"""Served by nobody: a placeholder is never placed."""
_MESSAGE = "stands for pods of a ResourcePolicy until the autoscaler has reacted; never placed"


def placeholders(template: Mapping[str, Any], count: int) -> Iterator[Mapping[str, Any]]:
    """The pods that a template on record asks for; with the record they go, whoever deletes it."""
    name, uid, pod = template["metadata"]["name"], template["metadata"]["uid"], template["template"]
    owner = {"apiVersion": "v1", "kind": "PodTemplate", "name": name, "uid": uid}
    for number in range(count):
        labels = {**(pod["metadata"].get("labels") or {}), **OWNED, wellknown.REQUEST: name}
        yield {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{name}-{number}", "labels": labels, "ownerReferences": [owner]},
            "spec": {
                **pod["spec"],
                "schedulerName": _SCHEDULER,
                "priorityClassName": PRIORITY_CLASS,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "terminationGracePeriodSeconds": 0,
            },
        }


UNSCHEDULABLE: Mapping[str, Any] = {
    "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": _MESSAGE}
    ]
}
"""The status that makes the autoscaler act."""


def read_placeholders(pods: bytes, templates: bytes) -> list[Request]:
    """Every request of ours: its placeholders in a list of the API, and its record in another."""
    shown = Counter(p.metadata.labels[wellknown.REQUEST] for p in _items(pods) if p.shown)
    in_sight = {
        RequestPhase.UNSENT: RequestPhase.PLACEHOLDERS_PENDING,
        RequestPhase.PROVISIONED: RequestPhase.SCALED_UP,
    }
    return [
        replace(record, phase=in_sight[record.phase], placeholders=shown[record.name])
        if shown[record.name]
        else record
        for record in read_records(templates)
    ]


def names_of(pods: bytes) -> list[str]:
    """The names in a list of pods of one request, in the order in which they were made."""
    return sorted((p.metadata.name for p in _items(pods)), key=lambda name: int(name.rpartition("-")[2]))


class _Metadata(msgspec.Struct):
    name: str
    labels: dict[str, str]


class _Condition(msgspec.Struct):
    type: str
    reason: str = ""


class _Status(msgspec.Struct):
    conditions: list[_Condition] = []


class _Placeholder(msgspec.Struct):
    metadata: _Metadata
    status: _Status = msgspec.field(default_factory=_Status)

    @property
    def shown(self) -> bool:
        """Whether the autoscaler can see it."""
        return any((c.type, c.reason) == ("PodScheduled", "Unschedulable") for c in self.status.conditions)


class _List(msgspec.Struct):
    items: list[_Placeholder]


def _items(body: bytes) -> Sequence[_Placeholder]:
    return msgspec.json.decode(body, type=_List).items
