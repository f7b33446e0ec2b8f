"""Clusters as kubectl prints them, so that a row shows what matters.

Everything is as old as the hills.
"""

from collections.abc import Mapping
from typing import Any

import yaml

__all__ = ["GPU", "a_cluster", "a_node", "a_pod", "a_policy", "written"]

Json = dict[str, Any]

GPU = "nvidia.com/gpu"
LONG_AGO = "2026-11-01T00:00:00Z"


def a_node(
    name: str, pool: str, gpus: int = 1, labels: Mapping[str, str] | None = None, **spec: object
) -> Json:
    """A ready node with GPUs, and room for any number of other pods."""
    allocatable = {"cpu": "64", "memory": "256Gi", GPU: str(gpus), "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"pool": pool, **(labels or {})}},
        "spec": spec,
        "status": {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def a_pod(name: str, on: str = "", *, of: str = "web", gpus: int = 1, **fields: Any) -> Json:  # noqa: ANN401
    """A pod of a Deployment's ReplicaSet; `fields` go to its metadata, or as `spec` to its spec."""
    spec: Json = {"containers": [{"name": "c", "resources": {"requests": {GPU: str(gpus)}}}]}
    spec |= {"nodeName": on} if on else {}
    spec |= fields.pop("spec", {})
    status = "True" if on else "False"
    reason = {} if on else {"reason": "Unschedulable"}
    scheduled = {"type": "PodScheduled", "status": status, "lastTransitionTime": LONG_AGO, **reason}
    labels = {"app": of, "pod-template-hash": "7d9", **fields.pop("labels", {})}
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": f"{of}-7d9",
        "uid": "rs",
        "controller": True,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": name,
            "creationTimestamp": LONG_AGO,
            "labels": labels,
            "ownerReferences": [owner],
            **fields,
        },
        "spec": spec,
        "status": {"phase": "Running" if on else "Pending", "conditions": [scheduled]},
    }


def a_policy(*units: Json, name: str = "web", created: str = LONG_AGO, **spec: object) -> Json:
    """A policy for the pods of `web`."""
    return {
        "apiVersion": "scheduling.alibabacloud.com/v1alpha1",
        "kind": "ResourcePolicy",
        "metadata": {"name": name, "namespace": "default", "creationTimestamp": created},
        "spec": {"selector": {"app": "web"}, "units": list(units), **spec},
    }


def a_cluster(*items: Json) -> Json:
    """The list."""
    return {"apiVersion": "v1", "items": list(items), "kind": "List", "metadata": {"resourceVersion": ""}}


def written(manifest: Json) -> str:
    """As YAML, in kubectl's order of keys."""
    return yaml.safe_dump(manifest)
