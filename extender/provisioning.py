"""cluster-autoscaler asked by ProvisioningRequest: the adapter behind `Autoscaler`.

Owns the calls, their order and what each tolerates; must not know when to ask, or for what.
Facts: autoscaler.md, section 5. Objects live in a namespace of ours; rights: manifests/rbac.yaml.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

import msgspec

from extender.autoscaler import Request
from extender.autoscaler_status import AutoscalerStatus, read_status
from extender.connection import ApiError, Connection
from extender.request_objects import (
    BOUGHT,
    OWNED,
    name_of,
    pod_template,
    provisioning_request,
    read_requests,
)
from policy.options import Kinds
from policy.scale_up import Demand

__all__ = ["ProvisioningRequests"]

log = logging.getLogger(__name__)

_GROUP = "/apis/autoscaling.x-k8s.io/v1"
_RESOURCE = "provisioningrequests"
_RECHECK = 30.0
_EXISTS = 409
_NOT_FOUND = 404
_OURS = {"labelSelector": ",".join(f"{key}={value}" for key, value in OWNED.items())}


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
        self._kinds = kinds
        self._requests = f"{_GROUP}/namespaces/{namespace}/{_RESOURCE}"
        self._templates = f"/api/v1/namespaces/{namespace}/podtemplates"
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
        # Templates last: a request that goes meanwhile has left its record there before.
        requests = self._connection.get(self._requests, _OURS)
        return read_requests(requests, self._connection.get(self._templates, _OURS))

    def ask(self, demand: Demand) -> str:
        """Template first: a request without one would be served in vain."""
        sizes = self.status().sizes
        kind = self._kinds.selectors.get(demand.policy.units[demand.unit].resource, {})
        pod = self._pod(demand)
        self._create(self._templates, pod_template(demand, pod, kind, sizes))
        self._create(self._requests, provisioning_request(demand, sizes))
        return name_of(demand)

    def settle(self, request: Request) -> None:
        """On record first: a crash between the two leaves a request that is known to be bought."""
        template = msgspec.json.decode(self._connection.get(f"{self._templates}/{request.name}"))
        labels, annotations = (template["metadata"][key] for key in ("labels", "annotations"))
        metadata = {"name": request.name + BOUGHT, "labels": labels, "annotations": annotations}
        self._create(self._templates, {**template, "metadata": metadata})
        self._delete(self._requests, request.name)

    def withdraw(self, request: Request) -> None:
        """The request first: without its template the autoscaler would only stumble over it."""
        self._delete(self._requests, request.name)
        self._delete(self._templates, request.name)
        self._delete(self._templates, request.name + BOUGHT)

    def _discover(self) -> bool:
        try:
            served = msgspec.json.decode(self._connection.get(_GROUP))
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            return False
        return any(resource["name"] == _RESOURCE for resource in served["resources"])

    def _pod(self, demand: Demand) -> Mapping[str, object]:
        pod = demand.pods[0]
        path = f"/api/v1/namespaces/{quote(pod.namespace)}/pods/{quote(pod.name)}"
        found: Mapping[str, object] = msgspec.json.decode(self._connection.get(path))
        return found

    def _create(self, collection: str, body: object) -> None:
        try:
            self._connection.post(collection, body)
        except ApiError as error:
            if error.status != _EXISTS:
                raise

    def _delete(self, collection: str, name: str) -> None:
        try:
            self._connection.delete(f"{collection}/{name}")
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise


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
