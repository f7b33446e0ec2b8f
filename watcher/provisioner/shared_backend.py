"""What the back-ends share: records of requests, the status, and a check that an autoscaler is there (A8)."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from cluster.kube.client import KubeClient
from policy.api.options import NodeKinds
from watcher.provisioner.autoscaler_status import AutoscalerStatus, read_status
from watcher.provisioner.namespaced_client import NamespacedClient
from watcher.provisioner.request_manifests import OWNED
from watcher.provisioner.request_records import RequestStore

__all__ = ["AvailabilityCheck", "ProvisionerBase"]


class ProvisionerBase(ABC):
    """`clock` is monotonic; what is made is made in `namespace`."""

    way: ClassVar[str]

    def __init__(
        self,
        connection: KubeClient,
        clock: Callable[[], float],
        kinds: NodeKinds,
        namespace: str,
        autoscaler_namespace: str,
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._autoscaler_namespace = autoscaler_namespace
        self._records = RequestStore(connection, kinds, namespace)
        self._availability = AvailabilityCheck(self._missing, clock, self.way)

    def available(self) -> bool:
        """A `Provisioner`."""
        return self._availability.now()

    def status(self) -> AutoscalerStatus:
        """A `Provisioner`."""
        return read_status(self._connection, self._autoscaler_namespace)

    @abstractmethod
    def _missing(self) -> str:
        """What keeps us from asking, in words; empty if nothing does."""

    def _ours(self, api: str, resource: str) -> NamespacedClient:
        return NamespacedClient(self._connection, f"{api}/namespaces/{self._namespace}/{resource}", OWNED)


log = logging.getLogger(__name__)

_RECHECK = 30.0


class AvailabilityCheck:
    """`look` returns what is missing, in words, or an empty text; `clock` is monotonic."""

    def __init__(self, look: Callable[[], str], clock: Callable[[], float], way: str) -> None:
        self._look = look
        self._clock = clock
        self._way = way
        self._missing: str | None = None
        self._checked_at = 0.0

    def now(self) -> bool:
        """Whether nothing is missing, as far as was seen in the last 30 s."""
        now = self._clock()
        if self._missing is None or now - self._checked_at >= _RECHECK:
            missing = self._look()
            if missing != self._missing:
                self._log_change(missing)
            self._missing, self._checked_at = missing, now
        return not self._missing

    def _log_change(self, missing: str) -> None:
        if missing:
            log.warning(
                "%s: no pod is held and nothing is asked for, only reported; looking again every %.0f s",
                missing,
                _RECHECK,
            )
        else:
            log.info("holding pods and asking for nodes by %s", self._way)
