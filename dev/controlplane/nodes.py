"""Fake nodes, as objects.

Facts: create keeps the status; without a Ready condition, kcm drops the not-ready taint of a node that has
not booted.
"""

from collections.abc import Mapping, Sequence

from dev.controlplane.api import Object

__all__ = ["GPU", "node"]

GPU = "nvidia.com/gpu"


def node(
    name: str,
    labels: Mapping[str, str],
    *,
    gpus: int = 1,
    cpu: str = "32",
    memory: str = "128Gi",
    taints: Sequence[Object] = (),
    annotations: Mapping[str, str] | None = None,
) -> Object:
    room = {"cpu": cpu, "memory": memory, "pods": "110"}
    if gpus:
        room[GPU] = str(gpus)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, **labels},
            "annotations": {"kwok.x-k8s.io/node": "fake", **(annotations or {})},
        },
        "spec": {"taints": list(taints)},
        "status": {
            "capacity": room,
            "allocatable": dict(room),
            "conditions": [{"type": "Ready", "status": "False", "reason": "Booting"}],
        },
    }
