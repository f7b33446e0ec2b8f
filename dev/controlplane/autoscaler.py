"""Groups of nodes that cluster-autoscaler may buy, as its kwok provider reads them.

Facts: cloudprovider/kwok of cluster-autoscaler 1.33.0; it reads the ConfigMaps once, at its start.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dev.controlplane.api import Object
from dev.controlplane.nodes import node

__all__ = ["GPU_LABEL", "GROUP_LABEL", "NodeGroup", "provider_config_maps"]

GROUP_LABEL = "kwok-group"
GPU_LABEL = "aliyun.accelerator/nvidia_name"  # as in CA's provider for Alibaba Cloud
SIZE = "cluster-autoscaler.kwok.nodegroup"
TEMPLATES = "kwok-provider-templates"


@dataclass(frozen=True, slots=True)
class NodeGroup:
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    gpus: int = 0
    gpu_type: str = "A10"  # "": the node lacks CA's GPU label, so CA does not wait for its GPU
    cpu: str = "32"
    memory: str = "128Gi"
    max_count: int = 10
    min_count: int = 0  # starts no node: create these yourself, with the label GROUP_LABEL
    boot_after: str = ""  # a duration as Go writes it, say 6s
    gpu_after: str = ""
    taints: Sequence[Object] = ()

    def template(self) -> Object:
        counts = {"min-count": self.min_count, "max-count": self.max_count}
        if self.min_count:  # else CA exits
            counts["desired-count"] = self.min_count
        delays = {"boot-after": self.boot_after, "gpu-after": self.gpu_after}
        annotations = {f"{SIZE}/{key}": str(count) for key, count in counts.items()}
        annotations |= {f"controlplane/{key}": value for key, value in delays.items() if value}
        gpu_label = {GPU_LABEL: self.gpu_type} if self.gpus and self.gpu_type else {}
        return node(
            self.name,
            {**self.labels, **gpu_label, GROUP_LABEL: self.name},
            gpus=self.gpus,
            cpu=self.cpu,
            memory=self.memory,
            taints=self.taints,
            annotations=annotations,
        )


def provider_config_maps(groups: Sequence[NodeGroup]) -> list[Object]:
    config = {
        "apiVersion": "v1alpha1",
        "readNodesFrom": "configmap",
        "nodegroups": {"fromNodeLabelKey": GROUP_LABEL},
        "nodes": {
            "skipTaint": True,  # else every node is tainted kwok-provider=true
            "gpuConfig": {
                "gpuLabelKey": GPU_LABEL,
                "availableGPUTypes": {g.gpu_type: {} for g in groups if g.gpus and g.gpu_type},
            },
        },
        "configmap": {"name": TEMPLATES},
    }
    templates = {"apiVersion": "v1", "kind": "List", "items": [g.template() for g in groups]}
    return [
        _config_map("kwok-provider-config", "config", config),
        _config_map(TEMPLATES, "templates", templates),
    ]


def _config_map(name: str, key: str, content: Object) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "kube-system"},
        "data": {key: json.dumps(content, indent=1)},
    }
