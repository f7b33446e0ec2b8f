"""The cluster that a simulation runs in.

`decide` gives the answer that kube-scheduler would get, with all its effects: reservations made, timers
started.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

from policy.api.objects import Node, Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.filter import FilterDecision
from policy.scheduling.snapshot import ClusterView

__all__ = ["SimulatedCluster"]


class SimulatedCluster(Protocol):
    """A cluster with a clock that only the play moves."""

    now: float

    @property
    def view(self) -> ClusterView:
        """The cluster as decisions see it."""

    def pods(self) -> Collection[Pod]:
        """Every pod in it."""

    def governing(self, pod: Pod) -> ResourcePolicy | None:
        """The policy that governs the pod (M4), if kube-scheduler asks about it (M8)."""

    def decide(self, pod: Pod, candidates: Sequence[str]) -> FilterDecision | None:
        """The answer of filter; None: no policy governs the pod (M5)."""

    def bind(self, pod: Pod, node: str) -> None:
        """The pod is on the node."""

    def remove(self, pod: Pod) -> None:
        """The pod is gone."""

    def add_node(self, node: Node) -> None:
        """A node is there."""
