"""ProvisioningRequest and PodTemplate: written from a demand, and read back as requests.

Facts: docs/design/autoscaler.md. All that a restart needs is on the objects (W3, A3).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from policy.api import wellknown
from policy.scaleup.demand import Demand
from policy.scheduling.accounting import record_of
from watcher.provisioner.autoscaler_status import Size
from watcher.provisioner.interface import Request, RequestPhase, shape_key

__all__ = [
    "BOUGHT",
    "OWNED",
    "bundle_of",
    "granted",
    "name_of",
    "pod_template",
    "provisioning_request",
    "read_records",
    "read_requests",
]

OWNED = {"app.kubernetes.io/managed-by": "resourcepolicy-watcher"}
BOUGHT = "-bought"
"""Ends the name of the PodTemplate that keeps a bought bundle on record once its request is deleted."""

_WITHOUT_TEMPLATES = "FailedToCreatePods"
"""The autoscaler follows requests and templates by two watches, and saw the request first."""
_LABEL_LENGTH = 63
_DECISIVE = (
    "affinity",
    "overhead",
    "resources",
    "runtimeClassName",  # the API server takes no overhead without it
    "tolerations",
    "topologySpreadConstraints",
)
"""Fields of a pod's spec that decide about nodes, containers and nodeSelector aside."""

_Json = dict[str, Any]


def name_of(demand: Demand) -> str:
    """The same for the same pods in the same unit, in any process (A3)."""
    unit = demand.policy.units[demand.unit].fingerprint
    parts = [demand.policy.key, unit, sorted(pod.uid for pod in demand.pods)]
    return f"rp-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]}"


def bundle_of(demands: Sequence[Demand]) -> str:
    """The name of the request for several demands in one unit: that of one for all their pods."""
    return name_of(_joined(demands))


def pod_template(
    demand: Demand,
    pod: Mapping[str, Any],
    kind: Mapping[str, str],
    sizes: Mapping[str, Size],
    bundle: str = "",
) -> _Json:
    """The template made from a pod as the API has it, pinned to the unit.

    `kind` are the labels that tell the unit's kind of node. Only what decides about nodes is copied: the hold
    annotation above all must not be, or the request is held as well. Labels come along for the terms of
    affinity and spreading that select them.
    """
    pinned = {**kind, **demand.policy.units[demand.unit].node_selector}
    spec = pod["spec"]
    kept = {key: spec[key] for key in _DECISIVE if spec.get(key)}
    containers = {
        key: [_container(c) for c in spec[key]] for key in ("containers", "initContainers") if spec.get(key)
    }
    return {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": _metadata(demand, sizes, bundle),
        "template": {
            "metadata": {"labels": pod["metadata"].get("labels") or {}},
            "spec": {**kept, **containers, "nodeSelector": {**(spec.get("nodeSelector") or {}), **pinned}},
        },
    }


def provisioning_request(demands: Sequence[Demand], sizes: Mapping[str, Size]) -> _Json:
    """The request that refers to the template of each demand."""
    sets = [{"podTemplateRef": {"name": name_of(d)}, "count": len(d.pods)} for d in demands]
    return {
        "apiVersion": wellknown.PROVISIONING_API,
        "kind": "ProvisioningRequest",
        "metadata": _metadata(_joined(demands), sizes),
        "spec": {"provisioningClassName": wellknown.BEST_EFFORT_ATOMIC, "podSets": sets},
    }


def granted(request: Request) -> Mapping[str, str]:
    """The annotation of a record that only some of the pods were granted a place; empty if all were."""
    return {} if request.granted is None else {wellknown.REQUEST_GRANTED: str(request.granted)}


def read_requests(requests: bytes, templates: bytes) -> list[Request]:
    """Every request of ours in two lists of the API: what the autoscaler sees, and the records of it."""
    seen = {written.metadata.name: written for written in _items(requests)}
    records = read_records(templates)
    known = {record.bundle for record in records}
    unrecorded = [
        _answered(_request(w, RequestPhase.UNSENT), w) for name, w in seen.items() if name not in known
    ]
    return unrecorded + [_answered(record, seen.get(record.bundle)) for record in records]


def read_records(templates: bytes) -> list[Request]:
    """What the records alone tell: a request was bought, or nothing is known to have been sent."""
    kept = {written.metadata.name: written for written in _items(templates)}
    bought = {name.removesuffix(BOUGHT): w for name, w in kept.items() if name.endswith(BOUGHT)}
    sent = [
        _request(written, RequestPhase.UNSENT) for name, written in kept.items() if not name.endswith(BOUGHT)
    ]
    known = {request.bundle for request in sent}
    cut_off = [
        _request(written, RequestPhase.UNSENT) for name, written in bought.items() if name not in known
    ]
    return [
        _bought(request, bought[request.bundle]) if request.bundle in bought else request
        for request in (*sent, *cut_off)
    ]


def _bought(request: Request, kept: "_Written") -> Request:
    granted = _request(kept, request.phase).granted
    message = "bought, as its group's size told"
    served_at = kept.metadata.creation_timestamp.timestamp()
    return replace(
        request, phase=RequestPhase.PROVISIONED, granted=granted, message=message, served_at=served_at
    )


def _answered(record: Request, seen: "_Written | None") -> Request:
    """With the answer, if the autoscaler can still see the request."""
    if seen is None:
        return record
    conditions = seen.status.conditions
    phase, message = _phase(conditions, bought=record.phase is RequestPhase.PROVISIONED)
    served_at = _true_since("Provisioned", conditions) or record.served_at
    accepted_at = _true_since("Accepted", conditions)
    return replace(record, phase=phase, message=message, accepted_at=accepted_at, served_at=served_at)


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    creation_timestamp: datetime
    annotations: dict[str, str] = {}


class _Condition(msgspec.Struct, rename="camel"):
    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class _Conditions(msgspec.Struct):
    conditions: list[_Condition] = []


class _Written(msgspec.Struct):
    metadata: _Metadata
    status: _Conditions = msgspec.field(default_factory=_Conditions)


class _List(msgspec.Struct):
    items: list[_Written]


def _items(body: bytes) -> Sequence[_Written]:
    return msgspec.json.decode(body, type=_List).items


def _phase(conditions: Iterable[_Condition], *, bought: bool) -> tuple[RequestPhase, str]:
    message = {condition.type: condition for condition in conditions}
    if "Failed" in message and message["Failed"].reason == _WITHOUT_TEMPLATES:
        return RequestPhase.UNSENT, ""
    for kind in ("Provisioned", "Failed", "CapacityRevoked"):
        if kind in message and (message[kind].status == "False") == (kind == "Provisioned"):
            return RequestPhase.FAILED, f"{message[kind].reason}: {message[kind].message}"
    if "Provisioned" in message:
        return RequestPhase.PROVISIONED, message["Provisioned"].reason
    if bought:
        return RequestPhase.SCALED_UP, ""
    accepted = "Accepted" in message and message["Accepted"].status == "True"
    return (RequestPhase.ACCEPTED if accepted else RequestPhase.SENT), ""


def _true_since(kind: str, conditions: Iterable[_Condition]) -> float | None:
    times = (c.last_transition_time for c in conditions if (c.type, c.status) == (kind, "True"))
    return next((time.timestamp() for time in times if time), None)


def _request(written: _Written, phase: RequestPhase) -> Request:
    reported, name = written.metadata.annotations, written.metadata.name.removesuffix(BOUGHT)
    return Request(
        name=name,
        policy=reported.get(wellknown.REQUEST_POLICY, ""),
        record=reported.get(wellknown.UNIT, ""),
        pods=frozenset(reported.get(wellknown.REQUEST_PODS, "").split()),
        shape=reported.get(wellknown.REQUEST_SHAPE, ""),
        bundle=reported.get(wellknown.REQUEST_BUNDLE, name),
        phase=phase,
        made_at=written.metadata.creation_timestamp.timestamp(),
        granted=int(reported[wellknown.REQUEST_GRANTED]) if wellknown.REQUEST_GRANTED in reported else None,
        sizes=msgspec.json.decode(reported.get(wellknown.REQUEST_SIZES) or "{}", type=dict[str, Size]),
    )


def _joined(demands: Sequence[Demand]) -> Demand:
    return replace(demands[0], pods=tuple(pod for demand in demands for pod in demand.pods))


def _metadata(demand: Demand, sizes: Mapping[str, Size], bundle: str = "") -> _Json:
    # Labels are for people and selectors: what is read back may be too long for one, and is annotated.
    name = name_of(demand)
    labels = {
        wellknown.REQUEST_POLICY: demand.policy.name[:_LABEL_LENGTH].rstrip(".-"),
        wellknown.UNIT: str(demand.unit),
    }
    annotations = {
        wellknown.REQUEST_POLICY: demand.policy.key,
        wellknown.UNIT: record_of(demand.policy, demand.unit),
        wellknown.REQUEST_PODS: " ".join(sorted(pod.uid for pod in demand.pods)),
        wellknown.REQUEST_SHAPE: shape_key(demand.pods[0]),
        wellknown.REQUEST_SIZES: json.dumps(dict(sizes), sort_keys=True),
        wellknown.REQUEST_BUNDLE: bundle or name,
    }
    return {"name": name, "labels": {**OWNED, **labels}, "annotations": annotations}


def _container(written: Mapping[str, Any]) -> _Json:
    kept = {key: written[key] for key in ("name", "image", "restartPolicy") if written.get(key)}
    resources = written.get("resources") or {}
    amounts = {key: resources[key] for key in ("requests", "limits") if resources.get(key)}
    return {**kept, "resources": amounts}
