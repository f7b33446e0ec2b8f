"""The nodes as they are now, and the names of those that are gone.

Part of the cache, and under its lock.
"""

from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet

from cachetools import TTLCache

from policy.api.objects import Node
from policy.scheduling.matching import is_leaving

__all__ = ["NodeStore"]

_GONE_SECONDS = 600.0
_GONE_KEPT = 100_000


class NodeStore:
    """By name."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._nodes: dict[str, Node] = {}
        self._leaving: set[str] = set()
        self._gone: TTLCache[str, bool] = TTLCache(_GONE_KEPT, _GONE_SECONDS, timer=clock)

    @property
    def known(self) -> Mapping[str, Node]:
        """Every node there is."""
        return self._nodes

    @property
    def leaving(self) -> AbstractSet[str]:
        """Those that an autoscaler is about to remove (U7)."""
        return self._leaving

    def unknown(self, names: Collection[str]) -> Collection[str]:
        """Those names that are no node yet."""
        if all(map(self._nodes.__contains__, names)):
            return ()
        return [name for name in set(names).difference(self._nodes) if name not in self._gone]

    def put(self, node: Node) -> bool:
        """As it is now; whether anything changed that a rule reads."""
        before = self._nodes.get(node.name)
        self._nodes[node.name] = node
        self._gone.pop(node.name, None)
        self._leaving.discard(node.name)
        if is_leaving(node):
            self._leaving.add(node.name)
        return before != node

    def drop(self, name: str) -> bool:
        """It is gone; whether it was known."""
        if self._nodes.pop(name, None) is None:
            return False
        self._leaving.discard(name)
        self._gone[name] = True
        return True
