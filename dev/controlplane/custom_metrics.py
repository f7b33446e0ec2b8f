"""A custom-metrics API of ours behind the real aggregation layer: what the real HPA reads.

Facts: kcm 1.37 asks v1beta2 for a metric of the pods that a selector
matches, their name being `*`. The apiserver dials what an ExternalName service names, and needs no
front-proxy certificate for it.
"""

import json
import ssl
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from dev.controlplane.api import ApiError, Object
from dev.controlplane.commands import LOOPBACK
from dev.controlplane.plane import ControlPlane

__all__ = ["CustomMetrics", "PodValues"]

PodValues = Callable[[str, str], Mapping[str, float]]
"""The value of each pod in a namespace that a label selector matches, by the pod's name."""

GROUP = "custom.metrics.k8s.io"
VERSIONS = ("v1beta1", "v1beta2")
SERVICE = "custom-metrics"
NAMESPACE = "kube-system"


class CustomMetrics:
    """Use as a context inside the plane's; `values` by the name of the metric. A plane has one at most."""

    def __init__(self, plane: ControlPlane, values: Mapping[str, PodValues]) -> None:
        self._plane = plane
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*plane.serving_certificate)
        self._server = _Server(values)
        # The handshake is left to the connection's own thread: here it would hold up all others.
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = Thread(target=self._server.serve_forever, name="custom metrics", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._register()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _register(self) -> None:
        port = self._server.server_port
        services = [_api_service(version, port) for version in VERSIONS]
        self._plane.api.apply([_service(port), *services])
        paths = [self._plane.api.path_of(service) for service in services]
        self._plane.wait(lambda: all(map(self._is_available, paths)), what=f"{GROUP} to be available")

    def _is_available(self, path: str) -> bool:
        conditions = self._plane.api.get(path).get("status", {}).get("conditions", [])
        return any(c["type"] == "Available" and c["status"] == "True" for c in conditions)

    def _close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, values: Mapping[str, PodValues]) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.values = values

    def handle_error(self, request: object, client_address: object) -> None:
        """A peer that went away is no news; anything else is a bug, and told as one."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        try:
            status, answer = _answered(self.path, self.server.values)
        except ApiError as error:
            status, answer = _refused(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as it is called
        """Nothing: the HPA asks every second."""


def _answered(target: str, values: Mapping[str, PodValues]) -> tuple[HTTPStatus, Object]:
    url = urlsplit(target)
    match [unquote(part) for part in url.path.strip("/").split("/")]:
        case ["apis", group, version] if group == GROUP and version in VERSIONS:
            return HTTPStatus.OK, _resources(version, values)
        case ["apis", group, version, "namespaces", namespace, "pods", "*", metric] if (
            group == GROUP and version in VERSIONS and metric in values
        ):
            selector = parse_qs(url.query).get("labelSelector", [""])[0]
            found = values[metric](namespace, selector)
            return HTTPStatus.OK, _values(version, namespace, metric, found)
        case _:
            return _refused(HTTPStatus.NOT_FOUND, f"nothing is served at {url.path}")


def _resources(version: str, values: Mapping[str, PodValues]) -> Object:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{GROUP}/{version}",
        "resources": [
            {
                "name": f"pods/{metric}",
                "singularName": "",
                "namespaced": True,
                "kind": "MetricValueList",
                "verbs": ["get"],
            }
            for metric in values
        ],
    }


def _values(version: str, namespace: str, metric: str, values: Mapping[str, float]) -> Object:
    named: Object = {"metricName": metric} if version == "v1beta1" else {"metric": {"name": metric}}
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "kind": "MetricValueList",
        "apiVersion": f"{GROUP}/{version}",
        "metadata": {},
        "items": [
            {
                "describedObject": {"kind": "Pod", "namespace": namespace, "name": pod, "apiVersion": "v1"},
                "timestamp": now,
                "value": f"{round(value * 1000)}m",
                **named,
            }
            for pod, value in values.items()
        ],
    }


def _refused(status: HTTPStatus, message: str) -> tuple[HTTPStatus, Object]:
    return status, {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": status.phrase.replace(" ", ""),
        "code": int(status),
    }


def _service(port: int) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVICE, "namespace": NAMESPACE},
        "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]},
    }


def _api_service(version: str, port: int) -> Object:
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"{version}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "version": version,
            "service": {"namespace": NAMESPACE, "name": SERVICE, "port": port},
            # The certificate is the apiserver's own, which does not bear the service's name.
            "insecureSkipTLSVerify": True,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        },
    }
