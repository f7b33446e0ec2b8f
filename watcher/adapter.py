"""What the adapters behind `Autoscaler` have in common, whatever way they ask.

Owns the records of what was asked, the autoscaler's status, and looking now and then whether there is anybody
to ask (A8). Must not know how an autoscaler is asked.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from cluster.connection import Connection
from policy.options import Kinds
from watcher.autoscaler_status import AutoscalerStatus, read_status
from watcher.availability import Availability
from watcher.collection import Collection
from watcher.records import Records
from watcher.request_objects import OWNED

__all__ = ["Adapter"]


class Adapter(ABC):
    """`clock` is monotonic; what is made is made in `namespace`."""

    way: ClassVar[str]

    def __init__(
        self,
        connection: Connection,
        clock: Callable[[], float],
        kinds: Kinds,
        namespace: str,
        autoscaler_namespace: str,
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._autoscaler_namespace = autoscaler_namespace
        self._records = Records(connection, kinds, namespace)
        self._availability = Availability(self._missing, clock, self.way)

    def available(self) -> bool:
        """See `Autoscaler`."""
        return self._availability.now()

    def status(self) -> AutoscalerStatus:
        """See `Autoscaler`."""
        return read_status(self._connection, self._autoscaler_namespace)

    @abstractmethod
    def _missing(self) -> str:
        """What keeps us from asking, in words; empty if nothing does."""

    def _ours(self, api: str, resource: str) -> Collection:
        return Collection(self._connection, f"{api}/namespaces/{self._namespace}/{resource}", OWNED)
