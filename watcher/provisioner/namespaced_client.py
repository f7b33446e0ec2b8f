"""One collection of the API, written so that doing a thing twice is doing it once."""

from collections.abc import Mapping
from typing import Any

import msgspec

from cluster.kube.client import ApiError, KubeClient

__all__ = ["NamespacedClient"]

_EXISTS = 409
_NOT_FOUND = 404


class NamespacedClient:
    """The objects at `path`; those with all `labels` are ours."""

    def __init__(self, connection: KubeClient, path: str, labels: Mapping[str, str]) -> None:
        self._connection = connection
        self._path = path
        self._labels = labels

    def list(self, **labels: str) -> bytes:
        """Ours, of those with these labels too."""
        wanted = {**self._labels, **labels}
        selector = ",".join(f"{key}={value}" for key, value in wanted.items())
        return self._connection.get(self._path, {"labelSelector": selector})

    def get(self, name: str) -> Mapping[str, Any]:
        """One object."""
        found: Mapping[str, Any] = msgspec.json.decode(self._connection.get(f"{self._path}/{name}"))
        return found

    def create(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Unless it is there; the object as it is stored."""
        try:
            stored = self._connection.post(self._path, body)
        except ApiError as error:
            if error.status != _EXISTS:
                raise
            return self.get(body["metadata"]["name"])
        created: Mapping[str, Any] = msgspec.json.decode(stored)
        return created

    def patch_status(self, name: str, status: object) -> None:
        """The status subresource, unless the object is gone."""
        try:
            self._connection.patch(f"{self._path}/{name}/status", {"status": status})
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise

    def delete(self, name: str) -> None:
        """Unless it is gone."""
        try:
            self._connection.delete(f"{self._path}/{name}")
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
