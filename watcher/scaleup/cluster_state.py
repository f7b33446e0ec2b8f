"""One look of the watcher at the cluster: policies with their pods, requests, and what the autoscaler tells.

Owns these values; must not know how they were read, nor what was seen before (`memory`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.accounting import recorded_unit
from policy.scheduling.snapshot import ClusterView
from watcher.provisioner.autoscaler_status import UNKNOWN, AutoscalerStatus
from watcher.provisioner.interface import Request
from watcher.scaleup.node_groups import NodeGroups

__all__ = ["ClusterState", "PolicyState"]

_NONE_KNOWN = NodeGroups()


@dataclass(frozen=True, slots=True)
class PolicyState:
    """A policy and the pods that it governs."""

    policy: ResourcePolicy
    open: tuple[Pod, ...] = ()
    """Those that no node has yet."""
    placed: tuple[Pod, ...] = ()
    """Those that were bound since the oldest request was made."""

    def unit(self, request: Request) -> int | None:
        """The unit that a request is for, if the policy still has it."""
        return recorded_unit(request.record, self.policy)


@dataclass(frozen=True, slots=True)
class ClusterState:
    """One look at the cluster."""

    now: float
    view: ClusterView
    governed: Mapping[str, PolicyState]
    """By the policy's key."""
    requests: Sequence[Request] = ()
    status: AutoscalerStatus = UNKNOWN
    groups: NodeGroups = _NONE_KNOWN
    lost_gpus: Collection[str] = ()
    """Names of nodes that say they have a GPU and offer none."""

    def serving(self, policy: ResourcePolicy, unit: int) -> frozenset[str]:
        """The names of the groups that may bring nodes of a unit; none if none is known to."""
        return frozenset(group.name for group in self.groups.possible(policy.units[unit], self.status))

    def of(self, request: Request) -> tuple[PolicyState, int] | None:
        """The policy and unit of a request; None if either is gone."""
        governed = self.governed.get(request.policy)
        unit = governed.unit(request) if governed else None
        return None if governed is None or unit is None else (governed, unit)
