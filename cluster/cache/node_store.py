"""The nodes as they are now, and the names of deleted ones (E11). Part of the cache, under its lock."""

from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet

from cachetools import TTLCache

from policy.api.objects import Node
from policy.scheduling.matching import is_leaving

__all__ = ["NodeStore"]

_DELETED_SECONDS = 600.0
_DELETED_KEPT = 100_000


class NodeStore:
    """By name."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._nodes: dict[str, Node] = {}
        self._leaving: set[str] = set()
        self._deleted: TTLCache[str, bool] = TTLCache(_DELETED_KEPT, _DELETED_SECONDS, timer=clock)

    @property
    def known(self) -> Mapping[str, Node]:
        """Every known node, by name."""
        return self._nodes

    @property
    def leaving(self) -> AbstractSet[str]:
        """Nodes that an autoscaler is about to remove (U7)."""
        return self._leaving

    def unknown(self, names: Collection[str]) -> Collection[str]:
        """The names for which no node is known, nor was one deleted recently."""
        if all(map(self._nodes.__contains__, names)):
            return ()
        return [name for name in set(names).difference(self._nodes) if name not in self._deleted]

    def put(self, node: Node) -> bool:
        """Store a node as it is now; whether anything changed that a rule reads."""
        before = self._nodes.get(node.name)
        self._nodes[node.name] = node
        self._deleted.pop(node.name, None)
        self._leaving.discard(node.name)
        if is_leaving(node):
            self._leaving.add(node.name)
        return before != node

    def drop(self, name: str) -> bool:
        """The node is deleted; whether it was known."""
        if self._nodes.pop(name, None) is None:
            return False
        self._leaving.discard(name)
        self._deleted[name] = True
        return True
