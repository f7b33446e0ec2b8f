"""How old the view is: since when everything that the API server had by then has certainly arrived.

A list without a resourceVersion tells the version of the moment; a watch has come as far once it brought an
event or a bookmark of that version or a later one. Versions compare as numbers (KEP-5504).
"""

import json
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from cluster.kube.client import ApiError, KubeClient, Unreachable
from cluster.kube.periodic import PeriodicTask
from cluster.kube.reflector import Reflector

__all__ = ["CacheStaleness"]

log = logging.getLogger(__name__)

_PERIOD = 2.0
_ANSWER_SECONDS = 5.0
_KEPT = 100
"""Marks ahead of a watch. A watch that is further behind is too old by any setting."""


class _Followed:
    """One resource: marks of where the API server was, and when, that the watch has not reached."""

    def __init__(self, reflector: Reflector[Any, Any], began_at: float) -> None:
        self.reflector = reflector
        self._marks: deque[tuple[float, int]] = deque(maxlen=_KEPT)
        self._current_at = began_at

    @property
    def current_at(self) -> float:
        """The last moment of which everything has arrived."""
        return max(self._current_at, self.reflector.listed_at or self._current_at)

    def mark(self, at: float, version: str) -> None:
        self._marks.append((at, int(version)))

    def look(self) -> None:
        reached = int(self.reflector.version or 0)
        while self._marks and self._marks[0][1] <= reached:
            self._current_at, _ = self._marks.popleft()


class CacheStaleness:
    """One thread; `age` may be asked by any. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        connection: KubeClient,
        reflectors: Mapping[str, Reflector[Any, Any]],
        clock: Callable[[], float],
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._followed = {name: _Followed(each, clock()) for name, each in reflectors.items()}
        rounds = PeriodicTask("freshness", _PERIOD, self.round)
        self.start, self.stop = rounds.start, rounds.stop

    def age(self, resource: str) -> float:
        """Seconds since the last moment of which everything of the resource has arrived."""
        return self._clock() - self._followed[resource].current_at

    def oldest(self) -> float:
        """The age of the resource that is furthest behind."""
        return max(self.age(resource) for resource in self._followed)

    def round(self) -> None:
        """Ask how far the API server is, and look how far each watch has come."""
        for followed in self._followed.values():
            followed.look()
            at = self._clock()
            try:
                body = self._connection.get(followed.reflector.path, {"limit": "1"}, _ANSWER_SECONDS)
            except (ApiError, Unreachable) as error:
                log.debug("%s: how far it is was not answered: %s", followed.reflector.path, error)
                continue
            followed.mark(at, json.loads(body)["metadata"]["resourceVersion"])
            followed.look()
