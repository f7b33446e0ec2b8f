"""cluster-autoscaler asked by ProvisioningRequest: a `Provisioner`.

Facts: docs/design/autoscaler.md. Objects live in a namespace of ours; rights: manifests/rbac.yaml.
"""

from collections.abc import Sequence
from functools import cached_property

import msgspec

from cluster.kube.client import ApiError
from policy.api import wellknown
from policy.scaleup.demand import Demand
from watcher.provisioner.autoscaler_status import AutoscalerStatus
from watcher.provisioner.interface import Request, RequestPhase
from watcher.provisioner.namespaced_client import NamespacedClient
from watcher.provisioner.request_manifests import bundle_of, name_of, provisioning_request, read_requests
from watcher.provisioner.shared_backend import ProvisionerBase

__all__ = ["ProvisioningRequestBackend"]

_GROUP = f"/apis/{wellknown.PROVISIONING_API}"
_RESOURCE = "provisioningrequests"
_FORBIDDEN = 403
_NOT_FOUND = 404


class ProvisioningRequestBackend(ProvisionerBase):
    """A `Provisioner`."""

    way = "ProvisioningRequest"

    @cached_property
    def _requests(self) -> NamespacedClient:
        return self._ours(_GROUP, _RESOURCE)

    def requests(self) -> Sequence[Request]:
        """Read anew each time: what was just written is in it, so nothing is asked twice (W3)."""
        # Records last: a request that goes meanwhile has left its record there before.
        requests = self._requests.list()
        return read_requests(requests, self._records.read())

    def create(self, demands: Sequence[Demand], status: AutoscalerStatus) -> Sequence[str]:
        """Templates first: a request without them would be served in vain."""
        bundle = bundle_of(demands)
        for demand in demands:
            self._records.write(demand, status.sizes, bundle)
        self._requests.create(provisioning_request(demands, status.sizes))
        return list(map(name_of, demands))

    def scale(self, request: Request, places: int) -> None:
        """Nothing: a request is immutable, and answered before anything could change."""

    def mark_provisioned(self, request: Request) -> None:
        """On record first: a crash between the two leaves a request that is known to be bought."""
        self._records.bought(request)
        self._requests.delete(request.bundle)

    def delete(self, request: Request) -> None:
        """The request first: without its template the autoscaler would only stumble over it.

        What was served with it and is still awaited stays on record.
        """
        served = request.phase is RequestPhase.PROVISIONED
        awaited = served and any(_is_beside(request, other) for other in self.requests())
        if awaited:
            self._records.bought(request)
        self._requests.delete(request.bundle)
        self._records.drop(request, whole=not awaited)

    def _missing(self) -> str:
        if not self._is_served():
            return f"the API server does not serve ProvisioningRequests ({_GROUP})"
        try:
            self.requests()
        except ApiError as error:
            if error.status != _FORBIDDEN:
                raise
            return f"our account lacks rights, see manifests/rbac.yaml: {error.message}"
        return ""

    def _is_served(self) -> bool:
        try:
            served = msgspec.json.decode(self._connection.get(_GROUP))
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            return False
        return any(resource["name"] == _RESOURCE for resource in served["resources"])


def _is_beside(request: Request, other: Request) -> bool:
    return other.bundle == request.bundle and other.name != request.name
