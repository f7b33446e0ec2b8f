"""The settings file of both programs: what may stand in it, its defaults, all errors at once.

config/extender.yaml shows every setting with its default.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from policy.api.options import NodeKinds, OnConflict, OutsideUnits, RefusedNodes, ScoredNodes
from policy.api.resourcepolicy import ResourceKind

__all__ = ["RENAMED", "Backend", "InvalidSettings", "Settings", "WatcherSettings", "load_settings"]


class InvalidSettings(ValueError):  # noqa: N818  named for the state of the file
    """The file cannot be used; the message holds every fault."""


def _expression(written: str) -> str:
    try:
        re.compile(written)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return written


def _special(kind: ResourceKind) -> ResourceKind:
    if kind in (ResourceKind.ECS, ResourceKind.ELASTIC):
        raise ValueError("ecs and elastic nodes are those of no other kind: leave it out")
    return kind


_Special = Annotated[ResourceKind, AfterValidator(_special)]
_Expression = Annotated[str, AfterValidator(_expression)]


class Backend(StrEnum):
    """How the watcher requests nodes."""

    AUTO = "auto"
    PROVISIONING_REQUEST = "provisioningrequest"
    PLACEHOLDER = "placeholder"
    NONE = "none"


# NAMESPACE/NAME, or nothing.
_LEASE = "^([a-z0-9-]+/[a-z0-9.-]+)?$"

# No label at all would make every node virtual.
_Labels = Annotated[Mapping[str, str], Field(min_length=1)]


RENAMED = {
    "reservation": "reservation_ttl_seconds",
    "settle": "handover_grace_seconds",
    "staleness": "max_cache_staleness_seconds",
    "unknown_node": "unknown_node_wait_seconds",
    "lease_duration": "lease_duration_seconds",
    "body_limit": "body_limit_bytes",
    "resources": "virtual_node_labels",
    "watcher.period": "sync_period_seconds",
    "watcher.hold": "hold_ttl_seconds",
    "watcher.retry_first": "initial_backoff_seconds",
    "watcher.retry_longest": "max_backoff_seconds",
    "watcher.answer_longest": "request_timeout_seconds",
    "watcher.arrival_longest": "max_node_provision_seconds",
    "watcher.gpu_longest": "gpu_ready_timeout_seconds",
}
"""Names of settings that are refused, with the name to write instead."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class WatcherSettings(_Part):
    """What only `resourcepolicy watch` reads. Times are in seconds."""

    backend: Backend = Backend.AUTO
    lease: str = Field(default="", pattern=_LEASE)
    namespace: str = "resourcepolicy"
    autoscaler_namespace: str = "kube-system"
    gpu_labels: tuple[str, ...] = (
        "aliyun.accelerator/nvidia_name",
        "cloud.google.com/gke-accelerator",
        "k8s.amazonaws.com/accelerator",
        "accelerator",
        "cluster-api/accelerator",
    )
    gpu_ready_timeout_seconds: float = Field(default=120.0, ge=0)
    node_groups: Mapping[_Expression, _Labels] = Field(default_factory=dict)
    node_group_labels: Mapping[str, _Expression] = Field(
        default_factory=lambda: {
            "agentpool": "aks-{}-[0-9]+-vmss",
            "cloud.google.com/gke-nodepool": ".*/gke-.*-{}-[0-9a-f]{8}-grp",
            "eks.amazonaws.com/nodegroup": "eks-{}-[0-9a-f-]{36}",
            "kubernetes.azure.com/agentpool": "aks-{}-[0-9]+-vmss",
        }
    )
    sync_period_seconds: float = Field(default=0.2, gt=0)
    managed_resources: tuple[str, ...] = ("nvidia.com/gpu",)
    """As in config/kube-scheduler.yaml; empty: every pod is sent to the extender (M8)."""
    hold_ttl_seconds: float = Field(default=1800.0, ge=60)
    initial_backoff_seconds: float = Field(default=60.0, gt=0)
    max_backoff_seconds: float = Field(default=600.0, gt=0)
    request_timeout_seconds: float = Field(default=60.0, gt=0)
    """An autoscaler that is alive and does not answer a request for so long does not serve requests (A8)."""
    max_node_provision_seconds: float = Field(default=900.0, gt=0)
    """Requested nodes that have not taken their pods by then count as failed (A6)."""


class Settings(_Part):
    """config/extender.yaml. Times are in seconds, sizes in bytes."""

    on_conflict: OnConflict = OnConflict.OLDEST
    outside_units: OutsideUnits = OutsideUnits.NEVER
    scored_nodes: ScoredNodes = ScoredNodes.ALL
    refused_nodes: RefusedNodes = RefusedNodes.ALL
    virtual_node_labels: Mapping[_Special, _Labels] = Field(default_factory=lambda: NodeKinds().selectors)
    reservation_ttl_seconds: float = Field(default=600.0, gt=0)
    handover_grace_seconds: float = Field(default=60.0, ge=0)
    max_cache_staleness_seconds: float = Field(default=30.0, ge=20)
    """At least the time that an idle watch needs to report its progress (cluster/kube/reflector.py)."""
    lease: str = Field(default="", pattern=_LEASE)
    lease_duration_seconds: int = Field(default=6, ge=3, le=60)
    """The other times of a Lease follow from it (cluster/kube/leader_election.py)."""
    unknown_node_wait_seconds: float = Field(default=0.5, ge=0, le=60)
    body_limit_bytes: int = Field(default=64 * 1024 * 1024, gt=0)
    watcher: WatcherSettings = WatcherSettings()

    @property
    def kinds(self) -> NodeKinds:
        """Which labels mark which kind of node (U2)."""
        return NodeKinds({**NodeKinds().selectors, **self.virtual_node_labels})


def load_settings(path: Path | None) -> Settings:
    """The settings in a YAML file; an empty or absent one means every default.

    Raises:
        InvalidSettings: it cannot be read, is no YAML, or has unknown or wrong entries.
    """
    if path is None:
        return Settings()
    try:
        written = yaml.safe_load(path.read_text())
        return Settings.model_validate({} if written is None else written)
    except ValidationError as error:
        faults = map(_fault, error.errors())
        raise InvalidSettings(f"{path}: " + "; ".join(faults)) from None
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidSettings(" ".join(f"{path}: {error}".split())) from None


def _fault(error: Any) -> str:  # noqa: ANN401  pydantic's ErrorDetails
    place = ".".join(map(str, error["loc"])) or "file"
    if error["type"] == "extra_forbidden":
        if place in RENAMED:
            return f"{place}: is called {RENAMED[place]} now"
        return f"{place}: there is no such setting"
    return f"{place}: {error['msg'].removeprefix('Value error, ')}"
