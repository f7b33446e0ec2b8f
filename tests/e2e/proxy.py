"""The apiserver as one client sees it through a bad network: late, silent, cut, requests long on their way.

Held to its promises, and to pass everything else, by `test_proxy_contract`.
"""

import contextlib
import json
import queue
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

import urllib3
import yaml

__all__ = ["ApiProxy", "Held"]

# client-go sends no token over plain HTTP: ours goes with every request.
_PASSED = ("Accept", "Content-Type", "User-Agent")
_RETURNED = ("Content-Type", "Retry-After")
_FAULTS = (urllib3.exceptions.HTTPError, OSError, ValueError, RuntimeError)


class Held:
    """Requests that are on their way, and do not arrive before they are let go."""

    def __init__(self, concerned: Callable[[str, str], bool]) -> None:
        self.concerned = concerned
        """By method and path."""
        self.paths: list[str] = []
        self._gone = threading.Event()

    def let_go(self) -> None:
        self._gone.set()

    def wait(self, path: str) -> None:
        self.paths.append(path)
        self._gone.wait()


class ApiProxy:
    """A context; its client uses `kubeconfig`, and has the rights of the kubeconfig that it is made of."""

    def __init__(self, upstream: Path, directory: Path) -> None:
        config = yaml.safe_load(upstream.read_text())
        cluster = config["clusters"][0]["cluster"]
        authority = cluster.get("certificate-authority")
        context = ssl.create_default_context(cafile=authority) if authority else None
        self.late: dict[str, float] = {}
        """Seconds by which the watches of a path are late."""
        self.slow = 0.0
        """Seconds by which every other answer is late."""
        self.server: str = cluster["server"]
        self.token: str = config["users"][0]["user"]["token"]
        self.http = urllib3.PoolManager(ssl_context=context, maxsize=64, retries=False)
        self._streams: set[urllib3.BaseHTTPResponse] = set()
        self._held: list[Held] = []
        self._silent: dict[str, threading.Event] = {}
        """By path: set once the silence is over."""
        self._listener = _Listener(("127.0.0.1", 0), _Handler)
        self._listener.api = self
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True)
        port = self._listener.server_port
        config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{port}"}
        self.kubeconfig = directory / f"proxied-{port}.kubeconfig"
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(json.dumps(config))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._listener.shutdown()
        self._listener.server_close()
        self.http.clear()

    def cut(self) -> None:
        """End every watch, as a network does."""
        for stream in list(self._streams):
            with contextlib.suppress(*_FAULTS):
                stream.shutdown()

    @contextmanager
    def holding(self, concerned: Callable[[str, str], bool]) -> Iterator[Held]:
        """Requests of such a method and path do not arrive yet; in the end they do."""
        held = Held(concerned)
        self._held.append(held)
        try:
            yield held
        finally:
            self._held.remove(held)
            held.let_go()

    @contextmanager
    def silence(self, path: str) -> Iterator[None]:
        """The watches of a path that are open, and those to come, say nothing, and do not end."""
        over = self._silent[path] = threading.Event()
        try:
            yield
        finally:
            del self._silent[path]
            over.set()

    def await_passage(self, method: str, path: str) -> None:
        for held in list(self._held):
            if held.concerned(method, path):
                held.wait(path)

    def chunks(self, response: urllib3.BaseHTTPResponse, path: str) -> Iterator[bytes]:
        """What comes, each piece as late as the path is."""
        arrived: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

        def read() -> None:
            chunk = b"more"
            while chunk:
                try:
                    chunk = response.read1(1 << 16)
                except _FAULTS:
                    chunk = b""
                arrived.put((time.monotonic(), chunk))

        self._streams.add(response)
        threading.Thread(target=read, daemon=True).start()
        try:
            while True:
                at, chunk = arrived.get()
                if path in self._silent:
                    self._silent[path].wait()
                if not chunk:
                    return
                time.sleep(max(0.0, at + self.late.get(path, 0.0) - time.monotonic()))
                yield chunk
        finally:
            self._streams.discard(response)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    api: ApiProxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        self.server.api.await_passage(self.command, url.path)
        response = self._forwarded(body)
        with contextlib.suppress(OSError):  # the client went away
            if "watch" in parse_qs(url.query) and response.status == HTTPStatus.OK:
                self._stream(response, url.path)
            else:
                self._whole(response)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815  the names that http.server looks up

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _forwarded(self, body: bytes | None) -> urllib3.BaseHTTPResponse:
        api = self.server.api
        passed = {name: self.headers[name] for name in _PASSED if name in self.headers}
        return api.http.request(
            self.command,
            api.server + self.path,
            body=body,
            headers={**passed, "Authorization": f"Bearer {api.token}"},
            preload_content=False,
            timeout=urllib3.Timeout(connect=5, read=None),
        )

    def _whole(self, response: urllib3.BaseHTTPResponse) -> None:
        body = response.data
        time.sleep(self.server.api.slow)
        self._head(response)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, response: urllib3.BaseHTTPResponse, path: str) -> None:
        self._head(response)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        try:
            for chunk in self.server.api.chunks(response, path):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.write(b"0\r\n\r\n")
        finally:
            with contextlib.suppress(*_FAULTS):
                response.shutdown()

    def _head(self, response: urllib3.BaseHTTPResponse) -> None:
        self.send_response(response.status)
        for name in _RETURNED:
            if name in response.headers:
                self.send_header(name, response.headers[name])
