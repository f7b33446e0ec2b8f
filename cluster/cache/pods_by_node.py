"""Unfinished pods by the node that they are bound to. Part of the cache, under its lock."""

from collections import defaultdict
from collections.abc import Collection

from policy.api.objects import Pod

__all__ = ["PodsByNode"]


class PodsByNode:
    """Of each pod its last state; nodes without pods are not kept."""

    def __init__(self) -> None:
        self._by_node: defaultdict[str, dict[str, Pod]] = defaultdict(dict)

    def on(self, node: str) -> Collection[Pod]:
        return self._by_node[node].values() if node in self._by_node else ()

    def put(self, pod: Pod) -> None:
        """A pod as it is now, in place of none: `drop` its former state first."""
        if pod.node_name and not pod.finished:
            self._by_node[pod.node_name][pod.uid] = pod

    def drop(self, pod: Pod | None) -> None:
        if pod is not None and pod.node_name in self._by_node:
            self._by_node[pod.node_name].pop(pod.uid, None)
            if not self._by_node[pod.node_name]:
                del self._by_node[pod.node_name]
