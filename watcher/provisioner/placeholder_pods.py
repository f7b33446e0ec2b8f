"""cluster-autoscaler asked by placeholders: a `Provisioner` that needs the core API only.

An autoscaler grows a group for a
placeholder as for any pending pod, after 30 s if it requests a GPU, and says nothing: its group's size tells.
Facts: docs/design/autoscaler.md. Rights and PriorityClass: manifests/placeholder.yaml.
"""

from collections.abc import Sequence
from functools import cached_property

from cluster.kube.client import ApiError
from policy.api import wellknown
from policy.scaleup.demand import Demand
from watcher.provisioner.autoscaler_status import AutoscalerStatus
from watcher.provisioner.interface import Request
from watcher.provisioner.namespaced_client import NamespacedClient
from watcher.provisioner.placeholder_manifests import (
    PRIORITY_CLASS,
    UNSCHEDULABLE,
    names_of,
    placeholders,
    read_placeholders,
)
from watcher.provisioner.request_manifests import name_of
from watcher.provisioner.shared_backend import ProvisionerBase

__all__ = ["PlaceholderPodBackend"]

_CLASS_PATH = f"/apis/scheduling.k8s.io/v1/priorityclasses/{PRIORITY_CLASS}"
_REFUSALS = (403, 404)


class PlaceholderPodBackend(ProvisionerBase):
    """A `Provisioner`."""

    way = "placeholder"

    @cached_property
    def _pods(self) -> NamespacedClient:
        return self._ours("/api/v1", "pods")

    def requests(self) -> Sequence[Request]:
        """Read anew each time, as what was just written must be in it (W3)."""
        pods = self._pods.list()
        return read_placeholders(pods, self._records.read())

    def create(self, demands: Sequence[Demand], status: AutoscalerStatus) -> Sequence[str]:
        """The records first, then all pods, then their conditions: none is seen without the others."""
        pods = [
            self._pods.create(pod)
            for demand in demands
            for pod in placeholders(self._records.write(demand, status.sizes), len(demand.pods))
        ]
        for pod in pods:
            self._pods.patch_status(pod["metadata"]["name"], UNSCHEDULABLE)
        return list(map(name_of, demands))

    def scale(self, request: Request, places: int) -> None:
        """Remove the placeholders that nobody needs any more."""
        for name in names_of(self._pods.list(**{wellknown.REQUEST: request.name}))[places:]:
            self._pods.delete(name)

    def mark_provisioned(self, request: Request) -> None:
        """On record first: a crash between the two leaves placeholders that are known to be served."""
        self._records.bought(request)
        self.scale(request, 0)

    def delete(self, request: Request) -> None:
        """The record last: it is what tells whose the placeholders are."""
        self.scale(request, 0)
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
