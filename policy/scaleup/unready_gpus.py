"""Nodes labelled as GPU nodes that offer no GPU: the driver died, or is not up yet.

Only nodes outside every unit that is scaled up. Recent versions of cluster-autoscaler provision nothing at
all while there is such a node (kubernetes/autoscaler#10301).
"""

from collections.abc import Collection, Iterable

from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.snapshot import ClusterView

__all__ = ["unready_gpus"]


def unready_gpus(
    view: ClusterView, policies: Iterable[ResourcePolicy], labels: Collection[str], resources: Collection[str]
) -> list[str]:
    """The names of nodes that have one of `labels` and none of `resources`, and are in no unit that grows."""
    grown = {
        name
        for policy in policies
        for unit in range(len(policy.units))
        if policy.units[unit].waits_for_nodes
        for name in view.nodes_in(policy, unit)
    }
    return sorted(
        name
        for name, node in view.nodes.items()
        if name not in grown
        and not node.labels.keys().isdisjoint(labels)
        and not any(node.allocatable.get(resource) for resource in resources)
    )
