"""The cluster that both extenders see: nodes, bound pods and policies, as the API server writes them.

Facts: a node of 5 KB and a pod of 3 KB are what real ones come to without their images and managed fields.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

__all__ = ["EVENTS", "NAMESPACE", "POLICY_API", "Shape", "event", "kept", "node_name", "request"]

Object = dict[str, Any]
NAMESPACE = "bench"
POLICY_API = "scheduling.alibabacloud.com/v1alpha1"
EVENTS = ("ADDED", "MODIFIED", "MODIFIED", "DELETED")
"""The life of one pod on the watch: pending, bound, running, gone."""

_SLICES = 20
_WIDE = 1_000_000
_REPLICAS = 100
"""Pods of one workload; its hash is in a label and an annotation of each."""
_HASH = b"6b8f9c7d5"
_CREATED = "2026-01-02T03:04:05Z"
_POOLS = ("dc", "cloud")
# By application: the labels of each unit's nodes. All units but the last are full, those of `full` all are.
_UNITS: dict[str, list[dict[str, str]]] = {
    "one": [{"bench": "yes"}],
    "two": [{"pool": pool} for pool in _POOLS],
    "twenty": [{"slice": f"s{index}"} for index in range(_SLICES)],
    "full": [{"pool": pool} for pool in _POOLS],
}


@dataclass(frozen=True, slots=True)
class Shape:
    """How much of everything there is."""

    nodes: int
    pods: int = 0
    """Bound ones, beside the few that keep a unit full."""
    policies: int = 0
    """Those that govern nobody here and come first."""

    def objects(self, resource: str) -> Iterator[bytes]:
        """All objects of `nodes`, `pods` or `resourcepolicies`, as JSON."""
        match resource:
            case "nodes":
                template = _encode(_node())
                return (_filled(template, index) for index in range(self.nodes))
            case "pods":
                template = _encode(_pod(app="two", phase="Running", node=node_name("@")))
                bound = (_filled(template, index % self.nodes, index) for index in range(self.pods))
                return chain(_pins(), bound)
            case "resourcepolicies":
                return (_encode(policy) for policy in self._policies())
        raise ValueError(resource)

    def _policies(self) -> Iterator[Object]:
        for index in range(self.policies):
            yield _policy(f"other-{index:03}", f"other-{index:03}", _UNITS["two"], "2025-01-02T03:04:05Z")
        for app, units in _UNITS.items():
            yield _policy(app, app, units, _CREATED)


def node_name(index: int | str) -> str:
    """31 letters, as in a cloud; `index` "@" makes a template."""
    return f"node-{index:05}.zone-b.bench.internal" if isinstance(index, int) else "@NODE@"


def kept(app: str, names: int) -> list[str]:
    """What filter has to answer about the first `names` nodes."""
    if app == "full":
        return []
    wanted = _UNITS[app][-1]
    return [node_name(i) for i in range(names) if wanted.items() <= _labels(i).items()]


def request(app: str, names: list[str], number: int) -> bytes:
    """ExtenderArgs about a pod of the application, 4 KB of it."""
    pod = _pod(app=app, phase="Pending", node="")
    pod["metadata"] |= {"name": f"asked-{app}-{number}", "uid": _uid("a", number)}
    for key in ("apiVersion", "kind"):
        del pod[key]
    return _encode({"Pod": pod, "Nodes": None, "NodeNames": names})


def event(number: int) -> bytes:
    """One line of a watch: the lives of pods, one after the other, with versions that grow."""
    life, stage = divmod(number, len(EVENTS))
    text = _CHURN[stage].replace(b"@NAME@", b"churn-%d" % life)
    text = text.replace(b"@UID@", _uid("c", life).encode())
    return text.replace(b"@VERSION@", b"%d" % (1_000_000 + number))


def _labels(index: int) -> dict[str, str]:
    return {"bench": "yes", "pool": _POOLS[index % 2], "slice": f"s{index % _SLICES}"}


def _uid(kind: str, number: int) -> str:
    return f"{kind}0000000-0000-4000-8000-{number:012}"


def _encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _filled(template: bytes, node: int, number: int = -1) -> bytes:
    labels = _labels(node)
    text = template.replace(b"@NODE@", node_name(node).encode()).replace(b"@VERSION@", b"1000")
    text = text.replace(b"@POOL@", labels["pool"].encode()).replace(b"@SLICE@", labels["slice"].encode())
    if number < 0:
        return text.replace(b"@UID@", _uid("n", node).encode())
    text = text.replace(b"@UID@", _uid("b", number).encode()).replace(b"@NAME@", b"bound-%06d" % number)
    return text.replace(_HASH, b"%09x" % (number // _REPLICAS))


def _pins() -> Iterator[bytes]:
    """The pods that keep every full unit full: one in each."""
    number = 0
    for app, units in _UNITS.items():
        for index in range(len(units) if app == "full" else len(units) - 1):
            pod = _pod(app=app, phase="Running", node=node_name(index))
            pod["metadata"] |= {"name": f"pin-{number}", "uid": _uid("d", number), "resourceVersion": "1000"}
            number += 1
            yield _encode(pod)


def _policy(name: str, app: str, units: list[dict[str, str]], created: str) -> Object:
    last = len(units) - 1
    caps = [1 if index < last or app == "full" else _WIDE for index in range(len(units))]
    metadata = {"name": name, "namespace": NAMESPACE, "creationTimestamp": created}
    return {
        "apiVersion": POLICY_API,
        "kind": "ResourcePolicy",
        "metadata": metadata | {"uid": f"policy-{name}", "resourceVersion": "1000", "generation": 1},
        "spec": {
            "selector": {"app": app},
            "units": [
                {"resource": "ecs", "nodeSelector": labels, "max": cap}
                for labels, cap in zip(units, caps, strict=True)
            ],
        },
    }


def _condition(kind: str, status: str, reason: str = "") -> Object:
    times = {"lastTransitionTime": "2026-02-03T04:05:06Z"}
    return {"type": kind, "status": status, "reason": reason or kind, **times}


def _node() -> Object:
    room = {"cpu": "96", "memory": "1056687544Ki", "nvidia.com/gpu": "8", "pods": "110"}
    images = [
        {"names": [f"bench.internal/team/image-{n}@sha256:{n:064x}"], "sizeBytes": 10**9} for n in range(24)
    ]
    labels = {"kubernetes.io/hostname": "@NODE@", "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    own = {"bench": "yes", "pool": "@POOL@", "slice": "@SLICE@"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": "@NODE@", "uid": "@UID@", "resourceVersion": "@VERSION@", "creationTimestamp": _CREATED,
            "labels": labels | own,
            "annotations": {"node.alpha.kubernetes.io/ttl": "0", "csi.volume/nodeid": "x" * 200},
            "managedFields": _managed("kubelet"),
        },
        "spec": {"podCIDR": "10.0.0.0/24", "providerID": "bench://@NODE@"},
        "status": {
            "capacity": room, "allocatable": room, "images": images,
            "conditions": [_condition("Ready", "True"), _condition("MemoryPressure", "False")],
            "addresses": [{"type": "Hostname", "address": "@NODE@"}],
            "nodeInfo": {"kernelVersion": "6.1", "osImage": "Linux", "kubeletVersion": "v1.37.2"},
        },
    }  # fmt: skip


def _managed(who: str) -> list[Object]:
    fields: Object = {f"f:field-{n}": {"f:inner": {}, ".": {}} for n in range(20)}
    return [{"manager": who, "operation": "Update", "apiVersion": "v1", "time": _CREATED, "fieldsV1": fields}]


def _pod(app: str, phase: str, node: str) -> Object:
    scheduled = _condition("PodScheduled", "True") if node else None
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "@NAME@", "namespace": NAMESPACE, "uid": "@UID@", "resourceVersion": "@VERSION@",
            "creationTimestamp": "2026-02-03T04:05:06Z",
            "labels": {"app": app, "pod-template-hash": _HASH.decode()},
            "annotations": {"prometheus.io/scrape": "true", "checksum/config": _HASH.decode() * 7},
            "managedFields": _managed("kube-controller-manager"),
        },
        "spec": {
            "containers": [_container()],
            "nodeSelector": {"bench": "yes"},
            "tolerations": [
                {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute",
                 "tolerationSeconds": 300} for key in ("not-ready", "unreachable")
            ],
            "priority": 0, "schedulerName": "default-scheduler", "serviceAccountName": "default",
            "volumes": [{"name": f"volume-{n}", "configMap": {"name": f"map-{n}"}} for n in range(4)],
        } | ({"nodeName": node} if node else {}),
        "status": {"phase": phase, "qosClass": "Burstable"} | (
            {"conditions": [scheduled, _condition("Ready", "True")]} if scheduled else {}
        ),
    }  # fmt: skip


def _container() -> Object:
    return {
        "name": "main",
        "image": "bench.internal/team/model:v1",
        "command": ["/usr/bin/serve", "--model=/models/one", "--port=8080"],
        "env": [{"name": f"SETTING_{n}", "value": f"the value of setting {n}"} for n in range(20)],
        "resources": {
            "requests": {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1"},
            "limits": {"memory": "16Gi", "nvidia.com/gpu": "1"},
        },
        "volumeMounts": [{"name": f"volume-{n}", "mountPath": f"/mnt/volume-{n}"} for n in range(4)],
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5},
    }


def _churn() -> tuple[bytes, ...]:
    stages = [
        ("Pending", ""),
        ("Pending", node_name(1)),
        ("Running", node_name(1)),
        ("Running", node_name(1)),
    ]
    pods = [_pod(app="two", phase=phase, node=node) for phase, node in stages]
    return tuple(
        _encode({"type": kind, "object": pod}) + b"\n" for kind, pod in zip(EVENTS, pods, strict=True)
    )


_CHURN = _churn()
