"""PodTemplates as the lasting record of requests: what is asked for, for whom, and whether it was bought.

All that a restart needs is
in it (W3): it comes before whatever the autoscaler sees, and goes after it.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from cluster.kube.client import KubeClient
from policy.api.options import NodeKinds
from policy.scaleup.demand import Demand
from watcher.provisioner.autoscaler_status import Size
from watcher.provisioner.interface import Request
from watcher.provisioner.namespaced_client import NamespacedClient
from watcher.provisioner.request_manifests import BOUGHT, OWNED, granted, pod_template

__all__ = ["RequestStore"]


class RequestStore:
    """In one namespace of ours. `kinds` tell the nodes of a unit beside its own labels (U2)."""

    def __init__(self, connection: KubeClient, kinds: NodeKinds, namespace: str) -> None:
        self._connection = connection
        self._kinds = kinds
        self._templates = NamespacedClient(connection, f"/api/v1/namespaces/{namespace}/podtemplates", OWNED)

    def read(self) -> bytes:
        """The list, as the API writes it."""
        return self._templates.list()

    def write(self, demand: Demand, sizes: Mapping[str, Size], bundle: str = "") -> Mapping[str, Any]:
        """Put a demand on record, and return the template that stands for it, as it is stored."""
        kind = self._kinds.selectors.get(demand.policy.units[demand.unit].resource, {})
        return self._templates.create(pod_template(demand, self._pod(demand), kind, sizes, bundle))

    def bought(self, request: Request) -> None:
        """Keep its bundle on record as provisioned, whatever becomes of what the autoscaler sees."""
        template = self._templates.get(request.name)
        labels, annotations = (template["metadata"][key] for key in ("labels", "annotations"))
        metadata = {
            "name": request.bundle + BOUGHT,
            "labels": labels,
            "annotations": {**annotations, **granted(request)},
        }
        self._templates.create({**template, "metadata": metadata})

    def drop(self, request: Request, *, whole: bool = True) -> None:
        """End it, and its bundle on the whole."""
        self._templates.delete(request.name)
        if whole:
            self._templates.delete(request.bundle + BOUGHT)

    def _pod(self, demand: Demand) -> Mapping[str, Any]:
        pod = demand.pods[0]
        path = f"/api/v1/namespaces/{quote(pod.namespace)}/pods/{quote(pod.name)}"
        found: Mapping[str, Any] = msgspec.json.decode(self._connection.get(path))
        return found
