"""cluster-autoscaler asked by placeholders: the adapter behind `Autoscaler` that needs the core API only.

Owns the calls and their order; must not know when to ask, or for what. An autoscaler grows a group for a
placeholder as for any pending pod, after 30 s if it requests a GPU, and says nothing: its group's size tells.
Facts: autoscaler.md, section 6. Rights and PriorityClass: manifests/placeholder.yaml.
"""

from collections.abc import Callable, Sequence

from cluster.connection import ApiError, Connection
from policy.options import Kinds
from policy.scale_up import Demand
from watcher.autoscaler import Request
from watcher.autoscaler_status import AutoscalerStatus, read_status
from watcher.availability import Availability
from watcher.collection import Collection
from watcher.placeholder_objects import (
    PRIORITY_CLASS,
    REQUEST,
    UNSCHEDULABLE,
    names_of,
    placeholders,
    read_placeholders,
)
from watcher.records import Records
from watcher.request_objects import OWNED, name_of

__all__ = ["Placeholders"]

_CLASS_PATH = f"/apis/scheduling.k8s.io/v1/priorityclasses/{PRIORITY_CLASS}"
_REFUSALS = (403, 404)


class Placeholders:
    """See `Autoscaler`. `clock` is monotonic."""

    def __init__(
        self,
        connection: Connection,
        clock: Callable[[], float],
        kinds: Kinds,
        namespace: str,
        autoscaler_namespace: str,
    ) -> None:
        self._connection = connection
        self._availability = Availability(self._missing, clock, "placeholder")
        self._pods = Collection(connection, f"/api/v1/namespaces/{namespace}/pods", OWNED)
        self._records = Records(connection, kinds, namespace)
        self._autoscaler_namespace = autoscaler_namespace

    def available(self) -> bool:
        """Whether placeholders can be made, and somebody would tell what came of them."""
        return self._availability.now()

    def status(self) -> AutoscalerStatus:
        """See `Autoscaler`."""
        return read_status(self._connection, self._autoscaler_namespace)

    def requests(self) -> Sequence[Request]:
        """Read anew each time, as what was just written must be in it (W3)."""
        pods = self._pods.list()
        return read_placeholders(pods, self._records.read())

    def ask(self, demands: Sequence[Demand], status: AutoscalerStatus) -> Sequence[str]:
        """The records first, then all pods, then their conditions: none is seen without the others."""
        pods = [
            self._pods.create(pod)
            for demand in demands
            for pod in placeholders(self._records.write(demand, status.sizes), len(demand.pods))
        ]
        for pod in pods:
            self._pods.patch_status(pod["metadata"]["name"], UNSCHEDULABLE)
        return list(map(name_of, demands))

    def shrink(self, request: Request, places: int) -> None:
        """Remove the placeholders that nobody needs any more."""
        for name in names_of(self._pods.list(**{REQUEST: request.name}))[places:]:
            self._pods.delete(name)

    def settle(self, request: Request) -> None:
        """On record first: a crash between the two leaves placeholders that are known to be served."""
        self._records.bought(request)
        self.shrink(request, 0)

    def withdraw(self, request: Request) -> None:
        """The record last: it is what tells whose the placeholders are."""
        self.shrink(request, 0)
        self._records.drop(request)

    def _missing(self) -> str:
        try:
            self._connection.get(_CLASS_PATH)
            self.requests()
        except ApiError as error:
            if error.status not in _REFUSALS:
                raise
            return f"manifests/placeholder.yaml is not there, or rights are lacking: {error.message}"
        status = self.status()
        if status.updated:
            return ""
        where = f"ConfigMap cluster-autoscaler-status in namespace {self._autoscaler_namespace}"
        return f"{where} {status.unreadable or 'is not there'}"
