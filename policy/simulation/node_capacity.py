"""Free capacity of nodes, updated pod by pod, and the best node for a pod among some nodes.

The sums of `policy.scheduling.node_fit`, and a ranking like kube-scheduler's default: spread pods that are
alike, then the least allocated node first. Pods mostly arrive: a pod that leaves clears the rankings.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from policy.api.node_affinity import Affinity
from policy.api.objects import Node, Pod, Toleration
from policy.scheduling.matching import is_leaving
from policy.scheduling.node_fit import ONE, PODS, admits, selects

__all__ = ["NodeCapacity", "PodShape"]

_SCORED = ("cpu", "memory")

_OWN = frozenset(
    {
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/job-completion-index",
    }
)
"""Labels that each pod of a workload has another value of."""

_Rank = tuple[bool, int, float, int]


@dataclass(frozen=True, slots=True)
class PodShape:
    """What a pod needs of a node; pods with equal demands fit on the same nodes."""

    requests: tuple[tuple[str, int], ...]
    node_selector: tuple[tuple[str, str], ...]
    tolerations: tuple[Toleration, ...]
    affinity: Affinity
    alike: frozenset[tuple[str, str]] = frozenset()
    """The labels of its workload's pods, which kube-scheduler puts on different nodes if it can."""
    scored: tuple[int, ...] = field(default=(), compare=False)
    """Of the requests, those that the ranking looks at."""

    @classmethod
    def of(cls, pod: Pod) -> "PodShape":
        """The demand of a pod: each pod also takes one of the node's `pods`."""
        requests = {name: amount for name, amount in pod.requests.items() if amount}
        requests[PODS] = ONE
        selector = tuple(sorted(pod.node_selector.items()))
        alike = frozenset((key, value) for key, value in pod.labels.items() if key not in _OWN)
        scored = tuple(requests.get(name, 0) for name in _SCORED)
        return cls(tuple(sorted(requests.items())), selector, pod.tolerations, pod.affinity, alike, scored)


@dataclass(slots=True)
class NodeCapacity:
    """All but `give`, `add_node` and the first `best` of its kind cost little, whatever the size."""

    nodes: dict[str, Node] = field(default_factory=dict)
    _free: dict[str, dict[str, int]] = field(default_factory=dict)
    _pods: Counter[str] = field(default_factory=Counter)
    _alike: Counter[tuple[frozenset[tuple[str, str]], str]] = field(default_factory=Counter)
    _heaps: dict[Hashable, list[tuple[_Rank, str]]] = field(default_factory=dict)
    _admitted: dict[tuple[PodShape, str], bool] = field(default_factory=dict)

    def add_node(self, node: Node) -> None:
        """A node without pods."""
        self.nodes[node.name] = node
        self._free[node.name] = dict(node.allocatable)
        self._heaps.clear()

    def take(self, name: str, demand: PodShape) -> None:
        """A pod lands on a node. A node that is gone is none of our business."""
        if name in self._free:
            free = self._free[name]
            for resource, amount in demand.requests:
                if resource in free:
                    free[resource] -= amount
            self._pods[name] += 1
            self._alike[demand.alike, name] += 1

    def give(self, name: str, demand: PodShape) -> None:
        """A pod leaves a node."""
        if name in self._free:
            free = self._free[name]
            for resource, amount in demand.requests:
                if resource in free:
                    free[resource] += amount
            self._pods[name] -= 1
            self._alike[demand.alike, name] -= 1
            self._heaps.clear()

    def best(
        self, demand: PodShape, pod: Pod, area: Hashable, names: Callable[[], Iterable[str]]
    ) -> str | None:
        """The node for the pod among `names`, which `area` stands for; None: it fits on none of them."""
        key = (demand, area)
        if key not in self._heaps:
            fitting = (n for n in names() if self.admits(demand, pod, n) and self.fits(demand, n))
            self._heaps[key] = [(self._rank(name, demand), name) for name in fitting]
            heapq.heapify(self._heaps[key])
        heap = self._heaps[key]
        while heap:
            rank, name = heap[0]
            now = self._rank(name, demand)
            if not self.fits(demand, name):
                heapq.heappop(heap)
            elif now != rank:
                heapq.heapreplace(heap, (now, name))
            else:
                return name
        return None

    def admits(self, demand: PodShape, pod: Pod, name: str) -> bool:
        """Whether the pod may be on the node at all, room aside."""
        key = (demand, name)
        if key not in self._admitted:
            self._admitted[key] = admits(self.nodes[name], pod)
        return self._admitted[key]

    def fits(self, demand: PodShape, name: str) -> bool:
        """Whether the node has room for it. A node that does not tell how many pods it takes takes any."""
        free = self._free[name]
        return all(
            free.get(resource, 0 if resource != PODS else amount) >= amount
            for resource, amount in demand.requests
        )

    def why_not(self, demand: PodShape, pod: Pod) -> Mapping[str, int]:
        """How many nodes do not take the pod, by reason, in kube-scheduler's words."""
        reasons: Counter[str] = Counter()
        for name, node in self.nodes.items():
            if not self.admits(demand, pod, name):
                reasons[_refusal(node, pod)] += 1
            elif not self.fits(demand, name):
                free = self._free[name]
                short = next(r for r, amount in demand.requests if free.get(r, 0) < amount)
                reasons["Too many pods" if short == PODS else f"Insufficient {short}"] += 1
        return reasons

    def _rank(self, name: str, demand: PodShape) -> _Rank:
        """Lower is better: staying nodes (U7), few pods of the same workload, little allocated, few pods."""
        node, free = self.nodes[name], self._free[name]
        left = sum(
            (free[resource] - asked) / node.allocatable[resource]
            for resource, asked in zip(_SCORED, demand.scored, strict=True)
            if node.allocatable.get(resource)
        )
        alike = self._alike[demand.alike, name] if demand.alike else 0
        return is_leaving(node), alike, -left, self._pods[name]


def _refusal(node: Node, pod: Pod) -> str:
    if not node.ready:
        return "node(s) were not ready"
    if node.unschedulable:
        return "node(s) were unschedulable"
    if not selects(pod, node):
        return "node(s) didn't match Pod's node affinity/selector"
    return "node(s) had untolerated taint(s)"
