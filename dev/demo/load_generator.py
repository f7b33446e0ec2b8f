"""A simulated load of requests, and the GPU utilisation that it drives.

A real GPU stops at 100 %, and an HPA with the target 50 %
could only double its pods: 1, 2, 4. Here a pod tells its share of what is offered, above 100 % too, so that
one decision leads to the number the load needs.
"""

from collections.abc import Iterable, Mapping

from dev.controlplane import Api, Object

__all__ = ["Load", "shares"]


class Load:
    """A `PodValues` of dev.controlplane; `offered` is in percent of one GPU, and may be set at any time."""

    def __init__(self, api: Api) -> None:
        self.offered = 0.0
        self._api = api

    def __call__(self, namespace: str, selector: str) -> Mapping[str, float]:
        path = f"/api/v1/namespaces/{namespace}/pods"
        return shares(self.offered, self._api.items(path, labelSelector=selector))


def shares(offered: float, pods: Iterable[Object]) -> Mapping[str, float]:
    """Of a load, what each pod has to do that serves: it runs, and is not on its way out."""
    serving = [
        pod["metadata"]["name"]
        for pod in pods
        if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
    ]
    return dict.fromkeys(serving, offered / len(serving)) if serving else {}
