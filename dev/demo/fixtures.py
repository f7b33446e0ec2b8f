"""What the user of the ACK Edge guide has, as objects: node pools, the policy, the deployment, its HPA.

The policy is manifests/examples/qwen-chat.yaml, with the pools' identities and nothing
else replaced.
"""

from pathlib import Path

import yaml

from dev.controlplane import NodeGroup, Object
from dev.demo.decode import POOL_LABEL
from dev.demo.model import Pool

__all__ = [
    "CLOUD",
    "CONTROL",
    "DEPLOYMENT",
    "EDGE",
    "METRIC",
    "POOLS",
    "TARGET",
    "autoscaler",
    "deployment",
    "elastic_group",
    "policy",
]

CONTROL = Pool("npdefault", "default-nodepool")
EDGE = Pool("npedge", "GPU-V100-Edge", unit=0)
CLOUD = Pool("npelastic", "GPU-V100-Elastic", unit=1)
POOLS = (CONTROL, EDGE, CLOUD)

DEPLOYMENT = "qwen-chat-predictor"
LABELS = {"app": "isvc.qwen-predictor"}
METRIC = "DCGM_CUSTOM_PROCESS_SM_UTIL"
TARGET = 50
GUIDE = Path(__file__).parents[2] / "manifests" / "examples" / "qwen-chat.yaml"
PLACEHOLDERS = {"npxxxxxx": EDGE.identity, "npxxxxxy": CLOUD.identity}
BOOT = "2s"  # long enough to be seen, short enough to be waited for


def elastic_group() -> NodeGroup:
    """Nothing at first, and up to five nodes with a GPU each."""
    return NodeGroup(
        CLOUD.name.lower(),  # its nodes are named for it
        {POOL_LABEL: CLOUD.identity},
        gpus=1,
        gpu_type="V100",
        max_count=5,
        boot_after=BOOT,
    )


def policy() -> Object:
    """The guide's ResourcePolicy."""
    text = GUIDE.read_text()
    for placeholder, identity in PLACEHOLDERS.items():
        text = text.replace(placeholder, identity)
    document: Object = yaml.safe_load(text)
    return document


def autoscaler() -> Object:
    """The guide's HPA: as many pods as make half of each GPU busy."""
    target = {"type": "AverageValue", "averageValue": str(TARGET)}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": DEPLOYMENT, "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": DEPLOYMENT},
            "minReplicas": 1,
            "maxReplicas": 5,
            "metrics": [{"type": "Pods", "pods": {"metric": {"name": METRIC}, "target": target}}],
        },
    }


def deployment() -> Object:
    """As KServe makes it of an InferenceService: the predictor, one GPU to a pod."""
    room = {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1"}
    container = {
        "name": "kserve-container",
        "image": "vllm-openai:none",  # nothing is pulled: the nodes are KWOK's
        "resources": {"requests": room, "limits": room},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": DEPLOYMENT, "namespace": "default", "labels": LABELS},
        "spec": {
            "replicas": 1,  # from here on the HPA's
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": {"containers": [container]}},
        },
    }
