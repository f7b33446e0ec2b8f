"""What one scheduler sees: nodes, pods bound, assumed or nominated, and what follows for a pod that it tries.

Model: noderesources/fit.go, and SelectVictimsOnNode and pickOneNodeForPreemption, of kube-scheduler 1.37.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from dev.faultsim.apiserver_model import PREEMPTED
from policy.api.objects import Node, Pod

__all__ = ["Binding", "PodRecorder", "Ticket"]


@dataclass(frozen=True, slots=True)
class Ticket:
    """What was decided for a pod, for the accounts of the invariants."""

    policy: str
    unit: str
    """Its fingerprint."""
    group: tuple[str, ...]
    generation: int
    answers_since: float
    """Since when the server that decided it answers: what was before is not in its memory."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A binding on its way to the API server."""

    pod: Pod
    node: str
    ticket: Ticket | None


class PodRecorder:
    """Kept by the scheduler from what its watches bring, and from what it decided itself."""

    def __init__(self, guarded: Collection[str] = ()) -> None:
        self._guarded = guarded
        self.nodes: dict[str, Node] = {}
        self.bound: dict[str, Pod] = {}
        self.assumed: dict[str, Binding] = {}
        self.nominated: dict[str, tuple[Pod, str]] = {}
        """Pods of its own that wait, and the node that each is nominated to: ahead of what the API tells."""

    def fitting(self, pod: Pod) -> list[str]:
        """The nodes with room for the pod, what is nominated there before it aside."""
        return [node.name for node in self.nodes.values() if self._fits(pod, node, self._on(node.name))]

    def victims(self, pod: Pod, but: Collection[str]) -> Mapping[str, Sequence[Pod]]:
        """For each node but these, the pods that have to go for the pod to fit, where that helps."""
        found = {}
        for node in self.nodes.values():
            if node.name not in but and _wanted(pod) <= _capacity(node):
                found[node.name] = self._victims_on(pod, node)
        return {name: victims for name, victims in found.items() if victims}

    def broken(self, victims: Iterable[Pod]) -> int:
        """How many disruptions no budget allows."""
        return sum(victim.name in self._guarded for victim in victims)

    def least(self, candidates: Mapping[str, Sequence[Pod]]) -> str:
        """The node whose victims matter least."""

        def loss(node: str) -> tuple[int, int, int, int, str]:
            victims = candidates[node]
            priorities = [victim.priority for victim in victims]
            return self.broken(victims), max(priorities), sum(priorities), len(priorities), node

        return min(candidates, key=loss)

    def leaves(self, pod: Pod, node: str) -> bool:
        """Whether a victim is terminating there."""
        return any(
            other.terminating and PREEMPTED in other.annotations and other.priority < pod.priority
            for other in self._on(node)
        )

    def nominate(self, pod: Pod, node: str) -> None:
        """No node: it is nominated no more."""
        self.nominated.pop(pod.uid, None)
        if node:
            self.nominated[pod.uid] = (pod, node)

    def nominated_below(self, pod: Pod, node: str) -> list[Pod]:
        """Those of lower priority that are nominated to a node."""
        return [
            other for other, name in self.nominated.values() if name == node and other.priority < pod.priority
        ]

    def _on(self, node: str) -> list[Pod]:
        bound = [pod for pod in self.bound.values() if pod.node_name == node]
        return bound + [binding.pod for binding in self.assumed.values() if binding.node == node]

    def _fits(self, pod: Pod, node: Node, others: Iterable[Pod]) -> bool:
        held = (
            other
            for other, name in self.nominated.values()
            if name == node.name and other.priority >= pod.priority and other.uid != pod.uid
        )
        used = sum(map(_wanted, [*others, *held]))
        return node.ready and used + _wanted(pod) <= _capacity(node)

    def _victims_on(self, pod: Pod, node: Node) -> Sequence[Pod]:
        """All of lower priority, less those that can stay: the guarded, then the more important first."""
        everyone = self._on(node.name)
        staying = [other for other in everyone if other.priority >= pod.priority]
        possible = [other for other in everyone if other.priority < pod.priority]
        if not (possible and self._fits(pod, node, staying)):
            return ()
        victims = []
        for other in sorted(possible, key=lambda o: (self.broken([o]), *_importance(o)), reverse=True):
            if self._fits(pod, node, [*staying, other]):
                staying.append(other)
            else:
                victims.append(other)
        return victims


def _importance(pod: Pod) -> tuple[int, float]:
    return pod.priority, -(math.inf if pod.bound_at is None else pod.bound_at)


def _wanted(pod: Pod) -> int:
    return sum(pod.requests.values())


def _capacity(node: Node) -> int:
    return sum(node.allocatable.values())
