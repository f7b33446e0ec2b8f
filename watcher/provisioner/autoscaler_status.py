"""What cluster-autoscaler tells about itself: the ConfigMap cluster-autoscaler-status, as values.

Group names are the cloud's: nothing maps them to units. Its shape: docs/design/autoscaler.md. Empty fields
are left out, and it goes stale when the autoscaler dies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec
import yaml

from cluster.kube.client import ApiError, KubeClient
from policy.api import wellknown

__all__ = ["UNKNOWN", "AutoscalerStatus", "NodeGroup", "Size", "decode_status", "read_status"]

Size = tuple[int, int]
"""How many nodes a group was told to have, and how many of them were still to come."""

_NAME = "cluster-autoscaler-status"
_FORBIDDEN = 403
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """One node group; `backoff` holds the cloud's message while the group is in back-off.

    `growing` is whether nodes that it was told to have are still to come, by the autoscaler's own account.
    """

    name: str
    target: int = 0
    registered: int = 0
    ready: int = 0
    max_size: int = 0
    backoff: str = ""
    growing: bool = False

    @property
    def size(self) -> Size:
        """Target and nodes still to come."""
        return self.target, max(0, self.target - self.registered)

    def grew_since(self, before: Size) -> bool:
        """Whether the group was told to grow. Its target alone may hide that: other nodes may have gone.

        Where they have, those that were to come before cannot be told from those that are to come now.
        """
        target, coming = self.size
        return target > before[0] or coming > before[1] or (self.growing and target < before[0])

    @property
    def complete(self) -> bool:
        """Whether every node that it was told to have is there and ready, its GPU included."""
        return self.target <= self.ready

    @property
    def left(self) -> int:
        """How many nodes it may still be told to have; 0 if that is not known."""
        return max(0, self.max_size - self.target)

    @property
    def trouble(self) -> str:
        """Why it cannot grow, for people; empty if it can."""
        if self.backoff:
            return self.backoff
        full = self.max_size and self.target >= self.max_size
        return f"at its maximum of {self.max_size}" if full else ""


@dataclass(frozen=True, slots=True)
class AutoscalerStatus:
    """`updated` is the time of its last loop, as it writes it; empty if there is no status at all."""

    updated: str = ""
    groups: tuple[NodeGroup, ...] = ()
    unreadable: str = ""
    """Why it could not be read, though there may be one."""

    @property
    def loop_at(self) -> float | None:
        """When its last loop began, by its own clock; None if it does not say so as we know it."""
        # Go writes nanoseconds and the zone twice: 2026-11-24 12:00:00.123456789 +0000 UTC
        parts = self.updated.split()
        try:
            return datetime.fromisoformat(f"{parts[0]}T{parts[1][:8]}{parts[2]}").timestamp()
        except (IndexError, ValueError):
            return None

    def is_of_a_loop_after(self, at: float) -> bool:
        """Whether its last loop began after what the autoscaler did at that time, in whole seconds.

        Both are the autoscaler's times, so that a restart of ours does not matter.
        """
        return self.loop_at is not None and self.loop_at >= at + 1

    @property
    def sizes(self) -> Mapping[str, Size]:
        """By group."""
        return {group.name: group.size for group in self.groups}

    @property
    def troubles(self) -> str:
        """Why groups cannot grow, for people."""
        return "; ".join(f"{group.name}: {group.trouble}" for group in self.groups if group.trouble)


UNKNOWN = AutoscalerStatus()


class _BackoffInfo(msgspec.Struct, rename="camel"):
    error_code: str = ""
    error_message: str = ""


class _ScaleUp(msgspec.Struct, rename="camel"):
    status: str = ""
    backoff_info: _BackoffInfo | None = None


class _Registered(msgspec.Struct):
    total: int = 0
    ready: int = 0


class _NodeCounts(msgspec.Struct):
    registered: _Registered | None = None


class _Health(msgspec.Struct, rename="camel"):
    cloud_provider_target: int = 0
    max_size: int = 0
    node_counts: _NodeCounts | None = None


class _Group(msgspec.Struct, rename="camel"):
    name: str = ""
    health: _Health | None = None
    scale_up: _ScaleUp | None = None


class _Status(msgspec.Struct, rename="camel"):
    node_groups: list[_Group] | None = None


class _Metadata(msgspec.Struct):
    annotations: dict[str, str] | None = None


class _ConfigMap(msgspec.Struct):
    metadata: _Metadata
    data: dict[str, str] | None = None


def read_status(connection: KubeClient, namespace: str) -> AutoscalerStatus:
    """The status as it is now; UNKNOWN where no autoscaler has written one, or we may not read it."""
    try:
        return decode_status(connection.get(f"/api/v1/namespaces/{namespace}/configmaps/{_NAME}"))
    except ApiError as error:
        if error.status == _NOT_FOUND:
            return UNKNOWN
        if error.status == _FORBIDDEN:
            return AutoscalerStatus(unreadable=error.message)
        raise


def decode_status(body: bytes) -> AutoscalerStatus:
    """The status in the bytes of its ConfigMap; UNKNOWN where its text is none of ours."""
    written = msgspec.json.decode(body, type=_ConfigMap)
    try:
        # BaseLoader leaves every scalar text, times included; `strict=False` makes numbers of what should be.
        text = yaml.load((written.data or {}).get("status", ""), Loader=yaml.BaseLoader)  # noqa: S506
        status = msgspec.convert(text or {}, _Status, strict=False)
    except (yaml.YAMLError, msgspec.ValidationError):
        return UNKNOWN
    updated = (written.metadata.annotations or {}).get(wellknown.AUTOSCALER_LAST_UPDATED, "")
    return AutoscalerStatus(updated, tuple(_group(group) for group in status.node_groups or ()))


def _group(written: _Group) -> NodeGroup:
    health, scale_up = written.health or _Health(), written.scale_up or _ScaleUp()
    reported = scale_up.backoff_info or _BackoffInfo()
    message = " ".join(filter(None, (reported.error_code, reported.error_message))) or "in back-off"
    backoff = message if scale_up.status == "Backoff" else ""
    registered = (health.node_counts or _NodeCounts()).registered or _Registered()
    return NodeGroup(
        name=written.name,
        target=health.cloud_provider_target,
        registered=registered.total,
        ready=registered.ready,
        max_size=health.max_size,
        backoff=backoff,
        growing=scale_up.status == "InProgress",
    )
