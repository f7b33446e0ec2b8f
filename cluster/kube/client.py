"""Requests to the API server: bytes out, bytes and lines in. Every wait has a timeout.

The kubernetes package gives configuration, authentication and TLS (docs/design/python-stack.md).
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
import urllib3
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException

__all__ = [
    "JSON_PATCH",
    "MERGE_PATCH",
    "ApiError",
    "KubeClient",
    "NotConfigured",
    "Status",
    "Stream",
    "Unreachable",
    "connect",
    "namespace_of",
]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
CONNECT_SECONDS = 5.0
WRITE_SECONDS = 15.0
READ_BYTES = 1 << 16

_ACCOUNT = ["BearerToken"]
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
# A kubeconfig that is YAML and no kubeconfig breaks the package's parser in its own ways.
_MISCONFIGURED = (
    ConfigException,
    OSError,
    yaml.YAMLError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
)
_SUCCESS = range(200, 300)
_FAULTS = (urllib3.exceptions.HTTPError, ApiException, ConfigException, OSError)


class NotConfigured(Exception):  # noqa: N818 - named, as NotReady, for the state it reports
    """Neither a usable kubeconfig nor an in-cluster account."""


class Unreachable(Exception):  # noqa: N818 - as NotConfigured
    """No whole answer: refused, timed out, cut off, or no credentials to ask with."""


class ApiError(Exception):
    """The API server answered and the answer was no."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class _Details(msgspec.Struct, frozen=True):
    retry_after: float = msgspec.field(default=0.0, name="retryAfterSeconds")


class Status(msgspec.Struct, frozen=True):
    """The body of a refusal and the object of a watch's ERROR event (metav1.Status)."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: _Details | None = None

    def error(self, status: int = 0, retry_after: float | None = None) -> ApiError:
        if retry_after is None and self.details is not None:
            retry_after = self.details.retry_after or None
        return ApiError(self.code or status, self.reason, self.message, retry_after)


class Stream:
    """The complete lines of one response; what is left of a cut line is dropped.

    One thread reads. Any thread may `interrupt`: the reader then sees the end of the stream.
    """

    def __init__(self, response: urllib3.HTTPResponse) -> None:
        self._response = response
        self._interrupted = False

    def __iter__(self) -> Iterator[bytes]:
        rest = b""
        while chunk := self._read():
            if b"\n" not in chunk:
                rest += chunk
                continue
            *lines, rest = (rest + chunk).split(b"\n")
            yield from filter(None, lines)

    def _read(self) -> bytes:
        try:
            return b"" if self._interrupted else self._response.read1(READ_BYTES)
        except (*_FAULTS, ValueError) as fault:  # ValueError: read after the shutdown
            if self._interrupted:
                return b""
            raise Unreachable(_message_of(fault)) from fault

    def interrupt(self) -> None:
        self._interrupted = True
        # close() would leave the reader in recv until its timeout; a shutdown wakes it.
        try:
            self._response.shutdown()
        except (OSError, ValueError, RuntimeError):
            return  # it had ended by itself

    def close(self) -> None:
        self._response.close()


class KubeClient:
    """One account at one API server, for any number of threads."""

    def __init__(self, settings: client.Configuration) -> None:
        # urllib3 would otherwise retry, and sleep through Retry-After, behind our back-off.
        settings.retries = False
        self._client: Any = client.ApiClient(settings)
        self._client.user_agent = "resourcepolicy"
        self._streams: set[Stream] = set()
        self._lock = Lock()
        self._closed = False
        self._may_write: Callable[[], bool] = lambda: True

    def write_only_while(self, allowed: Callable[[], bool]) -> None:
        """From now on a write at another time is Unreachable, and never sent."""
        self._may_write = allowed

    def get(self, path: str, query: Mapping[str, str] | None = None, seconds: float = 60) -> bytes:
        return self._whole("GET", path, query=query, seconds=seconds)

    def post(self, path: str, body: object, seconds: float = WRITE_SECONDS) -> bytes:
        return self._whole("POST", path, body=body, seconds=seconds)

    def put(self, path: str, body: object, seconds: float = WRITE_SECONDS) -> bytes:
        return self._whole("PUT", path, body=body, seconds=seconds)

    def patch(self, path: str, body: object, content_type: str = MERGE_PATCH) -> bytes:
        return self._whole("PATCH", path, body=body, content_type=content_type)

    def delete(self, path: str, body: object = None) -> bytes:
        return self._whole("DELETE", path, body=body)

    @contextmanager
    def stream(
        self, path: str, query: Mapping[str, str] | None, seconds: float
    ) -> Generator[Stream, None, None]:
        """The lines of a reply without end; `seconds` without a byte raise Unreachable."""
        stream = Stream(self._open("GET", path, query=query, seconds=seconds))
        with self._lock:
            self._streams.add(stream)
            closed = self._closed
        try:
            if closed:
                raise Unreachable("the connection is closed")
            yield stream
        finally:
            with self._lock:
                self._streams.discard(stream)
            stream.close()

    def close(self) -> None:
        """End every stream, from any thread, and refuse new ones."""
        with self._lock:
            self._closed = True
            streams = list(self._streams)
        for stream in streams:
            stream.interrupt()
        self._client.close()

    def _whole(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
        seconds: float = WRITE_SECONDS,
    ) -> bytes:
        response = self._open(
            method, path, query=query, body=body, content_type=content_type, seconds=seconds
        )
        return _body(response)

    def _open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
        seconds: float,
    ) -> urllib3.HTTPResponse:
        if method != "GET" and not self._may_write():
            raise Unreachable("not written: another one leads")
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            # Asks for the headers at every request: that is what renews a token.
            _, url, headers, _, _ = self._client.param_serialize(
                method, path, None, list((query or {}).items()), headers, auth_settings=_ACCOUNT
            )
            response: urllib3.HTTPResponse = self._client.rest_client.request(
                method, url, headers, body, _request_timeout=(CONNECT_SECONDS, seconds)
            ).response
        except _FAULTS as fault:
            raise Unreachable(_message_of(fault)) from fault
        if response.status not in _SUCCESS:
            raise _refusal(response)
        return response


def connect(kubeconfig: Path | None, context: str | None = None) -> KubeClient:
    """As a context of the kubeconfig says, the current one unless named, or as the pod we run in."""
    settings = client.Configuration()
    load: Any = config  # ships no types
    try:
        if kubeconfig is None:
            load.load_incluster_config(settings)
        else:
            load.load_kube_config(str(kubeconfig), context, settings, persist_config=False)
    except _MISCONFIGURED as fault:
        where = f"kubeconfig {kubeconfig}" if kubeconfig else "not in a cluster and no kubeconfig"
        raise NotConfigured(" ".join(f"{where}: {fault}".split())) from fault
    return KubeClient(settings)


def namespace_of(kubeconfig: Path | None, context: str | None = None) -> str:
    """The namespace that the context names, `default` if it names none."""
    if kubeconfig is None:
        return _OWN_NAMESPACE.read_text() if _OWN_NAMESPACE.is_file() else "default"
    read: Any = config  # ships no types
    try:
        contexts, current = read.list_kube_config_contexts(str(kubeconfig))
        named = {one["name"]: one for one in contexts}
        if context and context not in named:
            raise ValueError(f"no context {context} (there are {', '.join(named)})")
        chosen = named[context] if context else current
        return str(chosen["context"].get("namespace") or "default")
    except _MISCONFIGURED as fault:
        raise NotConfigured(" ".join(f"kubeconfig {kubeconfig}: {fault}".split())) from fault


def _body(response: urllib3.HTTPResponse) -> bytes:
    try:
        return response.data
    except _FAULTS as fault:
        raise Unreachable(_message_of(fault)) from fault
    finally:
        response.release_conn()


def _refusal(response: urllib3.HTTPResponse) -> ApiError:
    body = _body(response)
    try:
        status = msgspec.json.decode(body, type=Status)
    except msgspec.DecodeError:  # a proxy's page, or nothing
        text = body[:200].decode(errors="replace").strip()
        status = Status(reason=response.reason or "", message=text)
    seconds = response.headers.get("Retry-After", "")
    return status.error(response.status, float(seconds) if seconds.isdecimal() else None)


def _message_of(fault: Exception) -> str:
    reported = (isinstance(fault, ApiException) and fault.reason) or fault  # its own text has three lines
    return " ".join(f"{type(fault).__name__}: {reported}".split())
