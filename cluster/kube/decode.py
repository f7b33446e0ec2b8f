"""Pods, nodes and policies as the API writes them, decoded to the few fields that decisions need.

Typed decoding skips all other fields unread, which makes it cheap (docs/design/python-stack.md).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import Any

import msgspec

from policy.api.node_affinity import Affinity, Terms
from policy.api.objects import EMPTY, Effect, Node, Owner, Phase, Pod, Taint, Toleration
from policy.api.pod_requests import InitContainer, total_requests
from policy.api.quantity import parse_quantity

__all__ = ["NodeObject", "PodObject", "node_of", "pod_of"]

# Written by `kubectl apply` and as large as the object; no rule can mean it.
_UNREAD = "kubectl.kubernetes.io/last-applied-configuration"

_KINDS_KEPT = 4096
"""Pods of one template are alike in most of what they carry, which is then kept once."""

_Labels = dict[str, str] | None
_Quantities = dict[str, str | int | float] | None


class _Part(msgspec.Struct, rename="camel", frozen=True, gc=False):
    pass


class _OwnerReference(_Part, frozen=True):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class _Metadata(_Part, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: _Labels = None
    annotations: _Labels = None
    owner_references: list[_OwnerReference] | None = None


class _Resources(_Part, frozen=True):
    requests: _Quantities = None


class _Container(_Part, frozen=True):
    resources: _Resources | None = None
    restart_policy: str | None = None


class _Toleration(_Part, frozen=True):
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


class _Term(_Part, frozen=True):
    match_expressions: list[dict[str, Any]] | None = None
    match_fields: list[dict[str, Any]] | None = None


class _Terms(_Part, frozen=True):
    node_selector_terms: list[_Term] | None = None


class _NodeAffinity(_Part, frozen=True):
    required: _Terms | None = msgspec.field(
        default=None, name="requiredDuringSchedulingIgnoredDuringExecution"
    )


class _Affinity(_Part, frozen=True):
    node_affinity: _NodeAffinity | None = None


class _Gate(_Part, frozen=True):
    """One more of them keeps the pod back; their names are nobody's business."""


class _PodSpec(_Part, frozen=True):
    node_name: str = ""
    node_selector: _Labels = None
    priority: int | None = None
    preemption_policy: str | None = None
    containers: list[_Container] = []
    init_containers: list[_Container] | None = None
    overhead: _Quantities = None
    resources: _Resources | None = None
    tolerations: list[_Toleration] | None = None
    affinity: _Affinity | None = None
    scheduling_gates: list[_Gate] | None = None


class _Condition(_Part, frozen=True):
    type: str
    status: str
    reason: str = ""
    last_transition_time: datetime | None = None


class _PodStatus(_Part, frozen=True):
    phase: Phase = Phase.PENDING
    conditions: list[_Condition] | None = None
    nominated_node_name: str = ""


class PodObject(_Part, frozen=True):
    """core/v1 Pod."""

    metadata: _Metadata
    spec: _PodSpec = _PodSpec()
    status: _PodStatus = _PodStatus()


class _Taint(_Part, frozen=True):
    key: str
    effect: Effect
    value: str = ""


class _NodeSpec(_Part, frozen=True):
    taints: list[_Taint] | None = None
    unschedulable: bool = False


class _NodeStatus(_Part, frozen=True):
    allocatable: _Quantities = None
    conditions: list[_Condition] | None = None


class NodeObject(_Part, frozen=True):
    """core/v1 Node."""

    metadata: _Metadata
    spec: _NodeSpec = _NodeSpec()
    status: _NodeStatus = _NodeStatus()


def pod_of(written: PodObject) -> Pod:
    """The pod.

    Raises:
        ValueError: it has no uid or name, or a quantity that is none.
    """
    metadata, spec, status = written.metadata, written.spec, written.status
    if not (metadata.uid and metadata.name):
        raise ValueError("the pod has no metadata.uid or no metadata.name")
    scheduled = _condition(status.conditions, "PodScheduled")
    unscheduled = scheduled if scheduled and scheduled.status == "False" else None
    bound = scheduled if scheduled and scheduled.status == "True" else None
    # The reason outlives the last gate, until the scheduler has tried. It tells of no wait, and of no gate.
    waits = unscheduled is not None and unscheduled.reason != "SchedulingGated"
    return Pod(
        uid=metadata.uid,
        namespace=intern(metadata.namespace),
        name=metadata.name,
        created=_seconds(metadata.creation_timestamp) or 0.0,
        labels=_pairs(metadata.labels),
        annotations=_annotations(metadata),
        requests=_requests(spec),
        node_selector=_pairs(spec.node_selector),
        tolerations=_tolerations(tuple(spec.tolerations or ())),
        affinity=_affinity(spec.affinity),
        priority=spec.priority or 0,
        preempts=spec.preemption_policy != "Never",
        phase=status.phase,
        terminating=metadata.deletion_timestamp is not None,
        gated=bool(spec.scheduling_gates),
        node_name=intern(spec.node_name),
        bound_at=_seconds(bound.last_transition_time) if bound else None,
        unscheduled_since=_seconds(unscheduled.last_transition_time) if unscheduled and waits else None,
        unschedulable=unscheduled is not None and unscheduled.reason == "Unschedulable",
        nominated_node=status.nominated_node_name,
        owner=_controller(metadata.owner_references or ()),
    )


def node_of(written: NodeObject) -> Node:
    """The node.

    Raises:
        ValueError: it has no name, or a quantity that is none.
    """
    metadata, status = written.metadata, written.status
    if not metadata.name:
        raise ValueError("the node has no metadata.name")
    ready = _condition(status.conditions, "Ready")
    return Node(
        name=intern(metadata.name),
        labels=_pairs(metadata.labels),
        annotations=_annotations(metadata),
        taints=tuple(Taint(t.key, t.value, t.effect) for t in written.spec.taints or ()),
        allocatable=_amounts(status.allocatable),
        unschedulable=written.spec.unschedulable,
        ready=ready is not None and ready.status == "True",
        created=_seconds(metadata.creation_timestamp) or 0.0,
    )


def _controller(references: Iterable[_OwnerReference]) -> Owner | None:
    return next((Owner(r.api_version, r.kind, r.name, r.uid) for r in references if r.controller), None)


def _condition(conditions: list[_Condition] | None, kind: str) -> _Condition | None:
    return next((condition for condition in conditions or () if condition.type == kind), None)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _annotations(metadata: _Metadata) -> Mapping[str, str]:
    annotations = metadata.annotations
    if annotations and _UNREAD in annotations:
        return _pairs({key: value for key, value in annotations.items() if key != _UNREAD})
    return _pairs(annotations)


def _pairs(written: _Labels) -> Mapping[str, str]:
    return _shared_pairs(tuple(written.items())) if written else EMPTY


@lru_cache(_KINDS_KEPT)
def _shared_pairs(pairs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    return dict(pairs)


@lru_cache(_KINDS_KEPT)
def _tolerations(written: Iterable[_Toleration]) -> tuple[Toleration, ...]:
    return tuple(Toleration(t.key, t.operator, t.value, t.effect) for t in written)


def _affinity(written: _Affinity | None) -> Affinity:
    node = written.node_affinity if written else None
    if node is None or node.required is None:
        return ()
    return tuple(
        Terms.of(term.match_expressions or (), term.match_fields or ())
        for term in node.required.node_selector_terms or ()
    )


def _amounts(quantities: _Quantities) -> Mapping[str, int]:
    return _shared_amounts(tuple(quantities.items())) if quantities else EMPTY


@lru_cache(_KINDS_KEPT)
def _shared_amounts(quantities: Iterable[tuple[str, str | int | float]]) -> Mapping[str, int]:
    amounts = {name: parse_quantity(str(quantity)) for name, quantity in quantities}
    if min(amounts.values()) < 0:
        raise ValueError(f"a negative quantity: {dict(quantities)}")
    return amounts


def _of(resources: _Resources | None) -> Mapping[str, int]:
    return _amounts(resources.requests) if resources else EMPTY


def _requests(spec: _PodSpec) -> Mapping[str, int]:
    if len(spec.containers) == 1 and not (spec.init_containers or spec.overhead or spec.resources):
        return _of(spec.containers[0].resources)
    return total_requests(
        [_of(container.resources) for container in spec.containers],
        [
            InitContainer(_of(init.resources), sidecar=init.restart_policy == "Always")
            for init in spec.init_containers or ()
        ],
        overhead=_amounts(spec.overhead),
        pod_level=_of(spec.resources),
    )
