"""A snapshot that counts once: it is asked many things about one moment."""

from collections.abc import Collection

from cluster.cache.cache import Cache
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.accounting import PodUsage
from policy.scheduling.snapshot import Snapshot

__all__ = ["StateSnapshot", "own_view"]


class StateSnapshot(Snapshot):
    """Counts each policy's shares once."""

    def _shares(self, policy: ResourcePolicy) -> dict[str, PodUsage]:
        kept: dict[str, dict[str, PodUsage]] = self.__dict__.setdefault("kept", {})
        if policy.key not in kept:
            kept[policy.key] = super()._shares(policy)
        return kept[policy.key]


def own_view(cache: Cache, uid: str, without: Collection[str] = ()) -> StateSnapshot | None:
    """What the server knows when it decides about a pod, as if others were gone.

    None if a pod is on a lost node: only the server's own memory tells its unit then.
    """
    pods = {pod.uid: pod for pod in cache.pods() if pod.uid not in without}
    if any(pod.node_name and pod.node_name not in cache.nodes for pod in pods.values()):
        return None
    reservations = cache.reservations().items()
    units = [(policy, index) for policy in cache.policies for index in range(len(policy.units))]
    return StateSnapshot(
        nodes=cache.nodes,
        pods=pods,
        policies=list(cache.policies),
        reservations={other: kept for other, kept in reservations if other != uid and other not in without},
        histories={uid: cache.history(uid)},
        emptied={(policy.key, index): cache.emptied_at(policy, index) for policy, index in units},
        remembers_since=cache.remembers_since,
    )
