"""What a round plays with: a policy of three units, and a workload with or without an HPA."""

from dev.controlplane import Object
from dev.demo.fixtures import METRIC, TARGET

__all__ = ["LIMIT", "POOL", "SELECTOR", "UNITS", "autoscaler", "deployment", "policy"]

UNITS = {"dc": 2, "near": 3, "far": 6}
"""Nodes of one GPU each, in the order of units."""
LIMIT = sum(UNITS.values())
POOL = "pool"
LABELS = {"campaign": "scale-in"}
SELECTOR = "campaign=scale-in"


def policy() -> Object:
    return {
        "apiVersion": "scheduling.alibabacloud.com/v1alpha1",
        "kind": "ResourcePolicy",
        "metadata": {"name": "scale-in", "namespace": "default"},
        "spec": {
            "selector": LABELS,
            "units": [{"resource": "ecs", "nodeSelector": {POOL: pool}} for pool in UNITS],
        },
    }


def deployment(name: str, ready_after: float = 0.0) -> Object:
    """Of one replica at first; a pod is ready so many seconds after it was bound."""
    annotations = {"controlplane/ready-after": f"{ready_after}s"} if ready_after else {}
    labels = {**LABELS, "app": name}
    container = {"name": "c", "image": "none", "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {"containers": [container]},
            },
        },
    }


def autoscaler(name: str, patience: int) -> Object:
    """It scales in after `patience` seconds, and by as much as it wants in both directions."""
    target = {"type": "AverageValue", "averageValue": str(TARGET)}
    freely = [{"type": "Pods", "value": LIMIT, "periodSeconds": 1}]
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 1,
            "maxReplicas": LIMIT,
            "metrics": [{"type": "Pods", "pods": {"metric": {"name": METRIC}, "target": target}}],
            "behavior": {
                "scaleUp": {"policies": freely},
                "scaleDown": {"policies": freely, "stabilizationWindowSeconds": patience},
            },
        },
    }
