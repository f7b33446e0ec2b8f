"""A real Kubernetes control plane as plain processes on loopback.

Facts: upstream's flags and sources, KWOK v0.8.0, cluster-autoscaler 1.33.0.
"""

from dev.controlplane.api import Api, ApiError, Object
from dev.controlplane.autoscaler import NodeGroup
from dev.controlplane.commands import QUICK_HPA
from dev.controlplane.custom_metrics import CustomMetrics, PodValues
from dev.controlplane.plane import ControlPlane, PlaneOptions
from dev.controlplane.processes import ProgramExitedError
from dev.controlplane.watch import Watch

__all__ = [
    "QUICK_HPA",
    "Api",
    "ApiError",
    "ControlPlane",
    "CustomMetrics",
    "NodeGroup",
    "Object",
    "PlaneOptions",
    "PodValues",
    "ProgramExitedError",
    "Watch",
]
