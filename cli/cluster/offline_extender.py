"""The simulator's cluster: the cache and the service that answer kube-scheduler, with a clock of their own.

So that the answers are the server's, to the letter.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from cluster.cache.cache import Cache
from cluster.settings import Settings
from extender.service import Extender
from policy.api.objects import Node, Phase, Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.filter import FilterDecision
from policy.scheduling.snapshot import ClusterView

__all__ = ["OfflineExtender"]


class OfflineExtender:
    """A `policy.simulation.simulated_cluster.SimulatedCluster`."""

    def __init__(
        self,
        nodes: Iterable[Node],
        pods: Iterable[Pod],
        policies: Iterable[ResourcePolicy],
        settings: Settings,
        now: float,
    ) -> None:
        self.now = now
        self._managed = frozenset(settings.watcher.managed_resources)
        self._cache = Cache(self._clock, settings.kinds, math.inf, remembers_since=now)
        self._extender = Extender(
            self._cache,
            self._clock,
            lambda: "",
            on_conflict=settings.on_conflict,
            outside_units=settings.outside_units,
            unknown_node_seconds=0,
            handover_grace_seconds=0,  # a snapshot has no bindings in flight
        )
        self._cache.lock.acquire()  # the play is one thread, from here to its end
        self._cache.replace_nodes(nodes)
        self._cache.replace_policies(policies)
        self._cache.replace_pods(pods)

    def _clock(self) -> float:
        return self.now

    @property
    def view(self) -> ClusterView:
        return self._cache

    def pods(self) -> Collection[Pod]:
        return self._cache.pods()

    def governing(self, pod: Pod) -> ResourcePolicy | None:
        return self._cache.policies.governing(pod) if self.sends(pod) else None

    def sends(self, pod: Pod) -> bool:
        """Whether kube-scheduler asks about the pod (M8)."""
        return not self._managed or not self._managed.isdisjoint(pod.requests)

    def decide(self, pod: Pod, candidates: Sequence[str]) -> FilterDecision | None:
        filtered = self._extender.filter(pod, candidates) if self.sends(pod) else None
        return filtered.decision if filtered else None

    def bind(self, pod: Pod, node: str) -> None:
        placed = replace(pod, node_name=node, bound_at=self.now, phase=Phase.RUNNING)
        self._cache.upsert_pod(placed)

    def remove(self, pod: Pod) -> None:
        self._cache.remove_pod(pod)

    def add_node(self, node: Node) -> None:
        self._cache.upsert_node(node)
