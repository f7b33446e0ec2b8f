"""cluster-autoscaler asked by ProvisioningRequest: the adapter behind `Autoscaler`.

Owns the calls, their order and what each tolerates; must not know when to ask, or for what.
Facts: autoscaler.md, section 5. Objects live in a namespace of ours; rights: manifests/rbac.yaml.
"""

import logging
from collections.abc import Callable, Sequence

import msgspec

from extender.autoscaler import Request
from extender.autoscaler_status import AutoscalerStatus, read_status
from extender.collection import Collection
from extender.connection import ApiError, Connection
from extender.records import Records
from extender.request_objects import OWNED, name_of, provisioning_request, read_requests
from policy.options import Kinds
from policy.scale_up import Demand

__all__ = ["ProvisioningRequests"]

log = logging.getLogger(__name__)

_GROUP = "/apis/autoscaling.x-k8s.io/v1"
_RESOURCE = "provisioningrequests"
_RECHECK = 30.0
_NOT_FOUND = 404


class ProvisioningRequests:
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
        self._clock = clock
        self._requests = Collection(connection, f"{_GROUP}/namespaces/{namespace}/{_RESOURCE}", OWNED)
        self._records = Records(connection, kinds, namespace)
        self._autoscaler_namespace = autoscaler_namespace
        self._served: bool | None = None
        self._checked_at = 0.0

    def available(self) -> bool:
        """Whether the API server serves ProvisioningRequests; looked up again every 30 s."""
        now = self._clock()
        if self._served is None or now - self._checked_at >= _RECHECK:
            served = self._discover()
            if served is not self._served:
                _say(served)
            self._served, self._checked_at = served, now
        return self._served

    def status(self) -> AutoscalerStatus:
        """See `Autoscaler`."""
        return read_status(self._connection, self._autoscaler_namespace)

    def requests(self) -> Sequence[Request]:
        """Read anew each time: what was just written is in it, so nothing is asked twice (W3)."""
        # Records last: a request that goes meanwhile has left its record there before.
        requests = self._requests.list()
        return read_requests(requests, self._records.read())

    def ask(self, demand: Demand, status: AutoscalerStatus) -> str:
        """Template first: a request without one would be served in vain."""
        self._records.write(demand, status.sizes)
        self._requests.create(provisioning_request(demand, status.sizes))
        return name_of(demand)

    def shrink(self, request: Request, places: int) -> None:
        """Nothing: a request is immutable, and answered before anything could change."""

    def settle(self, request: Request) -> None:
        """On record first: a crash between the two leaves a request that is known to be bought."""
        self._records.bought(request)
        self._requests.delete(request.name)

    def withdraw(self, request: Request) -> None:
        """The request first: without its template the autoscaler would only stumble over it."""
        self._requests.delete(request.name)
        self._records.drop(request.name)

    def _discover(self) -> bool:
        try:
            served = msgspec.json.decode(self._connection.get(_GROUP))
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            return False
        return any(resource["name"] == _RESOURCE for resource in served["resources"])


def _say(served: bool) -> None:  # noqa: FBT001
    if served:
        log.info("the API server serves ProvisioningRequests: holding pods and asking for nodes")
    else:
        log.warning(
            "the API server does not serve ProvisioningRequests (%s): no pod is held and nothing is asked "
            "for, only reported; looking again every %.0f s",
            _GROUP,
            _RECHECK,
        )
