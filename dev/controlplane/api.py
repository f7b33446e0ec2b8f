"""A small JSON client of the apiserver, for tests and people: objects are plain dictionaries.

Facts: paths come from the apiserver's own discovery documents, so any kind works, CRDs included.
"""

import json
import ssl
import threading
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlencode

import urllib3
import yaml

from dev.controlplane.waiting import wait_for

__all__ = ["Api", "ApiError", "Object"]

Object: TypeAlias = dict[str, Any]

ESTABLISHED_SECONDS = 10.0


class ApiError(Exception):
    """The apiserver refused, or (status 0) could not be reached."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class Api:
    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cluster["certificate-authority"])
        self._server = cluster["server"]
        self._headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
        self._pool = urllib3.PoolManager(ssl_context=context, maxsize=16, retries=False)
        self._plurals: dict[tuple[str, str], tuple[str, bool]] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        self._pool.clear()

    def get(self, path: str) -> Object:
        return self.request("GET", path)

    def items(self, path: str, **query: str) -> list[Object]:
        found = self.request("GET", path, query=query)
        items: list[Object] = found["items"]
        return items

    def create(self, document: Object) -> Object:
        return self.request("POST", self.collection_of(document), document)

    def replace(self, document: Object) -> Object:
        return self.request("PUT", self.path_of(document), document)

    def patch(self, path: str, change: Object) -> Object:
        """A merge patch; `path` may end in a subresource, such as /status."""
        return self.request("PATCH", path, change, content_type="application/merge-patch+json")

    def delete(self, path: str, *, grace_seconds: int | None = None) -> None:
        options: Object = {"propagationPolicy": "Background"}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        self.request("DELETE", path, options)

    def apply(self, documents: Iterable[Object]) -> None:
        """Create or, where it exists, server-side apply; a CRD is waited for until its kind is known."""
        for document in documents:
            try:
                self.create(document)
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise
                self._server_side_apply(document)
            if document["kind"] == "CustomResourceDefinition":
                self._await_known(document)

    def path_of(self, document: Object) -> str:
        return f"{self.collection_of(document)}/{document['metadata']['name']}"

    def collection_of(self, document: Object) -> str:
        namespace = document["metadata"].get("namespace", "default")
        return self.collection(document["apiVersion"], document["kind"], namespace)

    def collection(self, api_version: str, kind: str, namespace: str = "") -> str:
        """The path of all objects of a kind, in one namespace or ("") in all."""
        plural, namespaced = self._plural(api_version, kind)
        inside = f"/namespaces/{namespace}" if namespace and namespaced else ""
        return f"{_root(api_version)}{inside}/{plural}"

    def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        response = self.send(method, path, body, query=query, content_type=content_type)
        content: Object = json.loads(response.data) if response.data else {}
        return content

    def send(
        self,
        method: str,
        path: str,
        body: Object | str | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        """The response, its body unread if `stream`; a refusal is an `ApiError`. Text is sent as it is."""
        try:
            response = self._pool.request(
                method,
                f"{self._server}{path}" + (f"?{urlencode(query)}" if query else ""),
                body=None if body is None else _written(body).encode(),
                headers=self._headers | {"Content-Type": content_type},
                preload_content=not stream,
                timeout=urllib3.Timeout(connect=5, read=None if stream else 30),
            )
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, "Unreachable", str(error)) from error
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise _refusal(response)
        return response

    def _plural(self, api_version: str, kind: str) -> tuple[str, bool]:
        with self._lock:
            if (api_version, kind) not in self._plurals:
                for resource in self.get(_root(api_version))["resources"]:
                    if "/" not in resource["name"]:
                        known = (resource["name"], resource["namespaced"])
                        self._plurals[api_version, resource["kind"]] = known
            if (api_version, kind) not in self._plurals:
                raise ApiError(HTTPStatus.NOT_FOUND, "NotFound", f"no {kind} in {api_version}")
            return self._plurals[api_version, kind]

    def _server_side_apply(self, document: Object) -> None:
        self.request(
            "PATCH",
            self.path_of(document),
            document,
            query={"fieldManager": "controlplane", "force": "true"},
            content_type="application/apply-patch+yaml",
        )

    def _await_known(self, crd: Object) -> None:
        """Established, and in the discovery documents, which a busy apiserver writes later."""
        path, spec = self.path_of(crd), crd["spec"]
        versions = [version["name"] for version in spec["versions"] if version["served"]]

        def known() -> bool:
            roots = (f"/apis/{spec['group']}/{version}" for version in versions)
            plural = spec["names"]["plural"]
            return _is_true(self.get(path), "Established") and all(
                self._serves(root, plural) for root in roots
            )

        wait_for(known, seconds=ESTABLISHED_SECONDS, what=f"{path} to be Established and served")

    def _serves(self, root: str, plural: str) -> bool:
        try:
            return any(resource["name"] == plural for resource in self.get(root)["resources"])
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return False
            raise


def _written(body: Object | str) -> str:
    return body if isinstance(body, str) else json.dumps(body)


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _is_true(document: Object, condition: str) -> bool:
    conditions = document.get("status", {}).get("conditions") or []
    return any(c["type"] == condition and c["status"] == "True" for c in conditions)


def _refusal(response: urllib3.BaseHTTPResponse) -> ApiError:
    try:
        status = json.loads(response.data)
        return ApiError(response.status, status.get("reason", ""), status.get("message", ""))
    except (ValueError, AttributeError):  # not a Status: the apiserver's own handlers answer text
        return ApiError(response.status, response.reason or "", response.data.decode()[:200])
