"""A small fake API server over real HTTP: versions, pages, watches, compaction and injected faults.

It serves any path of the API's shape. tests/e2e/test_fake_apiserver_contract.py holds it to the real
one.
"""

import json
import re
import threading
from collections import deque
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

__all__ = ["CONFIGMAPS", "FakeApiServer", "Fault", "Manifest", "Request"]

Manifest = dict[str, Any]
Key = tuple[str, str, str]  # collection, namespace, name
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
_PATH = re.compile(r"^(/api/v1|/apis/[^/]+/[^/]+)(?:/namespaces/([^/]+))?/([^/]+)(?:/([^/]+))?$")


@dataclass(frozen=True)
class Fault:
    """What happens to one request: an answer, or what a watch does instead of waiting."""

    status: int = 0
    retry_after: int | None = None
    body: str | None = None
    send: str = ""
    then: Literal["", "stall", "drop", "end"] = ""


@dataclass(frozen=True)
class Request:
    verb: str  # HTTP's, or WATCH
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Manifest | None


class Refused(Exception):  # noqa: N818 - control flow
    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status: Manifest = {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code,
        }  # fmt: skip


class FakeApiServer:
    """`with FakeApiServer() as api:`; the methods are the other clients of the server."""

    def __init__(self, port: int = 0) -> None:
        self.objects: dict[Key, Manifest] = {}
        self.log: list[tuple[int, str, Key, Manifest]] = []
        self.version = 100
        self.oldest = 100  # watches from before it are answered 410
        self.changed = threading.Condition(threading.RLock())
        self.faults: dict[str, deque[Fault]] = {"list": deque(), "watch": deque()}
        self.requests: list[Request] = []
        self.pages: dict[str, tuple[int, list[Manifest]]] = {}
        self.bookmarks = 0
        self.watching = 0
        self.closed = False
        self.epoch = 0  # a watch from an earlier one is over
        self._http = Server(("127.0.0.1", port), Handler)
        self._http.api = self
        self.port = self._http.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True
        self.drop_watches()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def kubeconfig(self, directory: Path) -> Path:
        file = directory / "kubeconfig"
        cluster = {"name": "fake", "cluster": {"server": self.url}}
        context = {"name": "fake", "context": {"cluster": "fake", "user": "me"}}
        user = {"name": "me", "user": {"token": "secret"}}
        file.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "clusters": [cluster], "contexts": [context], "users": [user],
        }))  # fmt: skip
        return file

    def fail(self, request: Literal["list", "watch"], *faults: Fault) -> None:
        """The next requests of this kind fail so, in this order."""
        self.faults[request].extend(faults)

    def drop_watches(self) -> None:
        with self.changed:
            self.epoch += 1
            self.changed.notify_all()

    def bookmark(self) -> None:
        with self.changed:
            self.bookmarks += 1
            self.changed.notify_all()

    def compact(self) -> None:
        """Forget history: older versions and continue tokens are too old from now on."""
        with self.changed:
            self.log.clear()
            self.pages.clear()
            self.changed.notify_all()
            self.oldest = self.version

    def put(self, collection: str, namespace: str, name: str, **fields: object) -> Manifest:
        """Create or replace, without asking for the version."""
        manifest: Manifest = {"metadata": {"namespace": namespace, "name": name}, **fields}
        key = (collection, namespace, name)
        with self.changed:
            return self.write("MODIFIED" if key in self.objects else "ADDED", key, manifest)

    def delete(self, collection: str, namespace: str, name: str) -> Manifest:
        with self.changed:
            old = self.get(collection, namespace, name)
            return self.write("DELETED", (collection, namespace, name), old)

    def get(self, collection: str, namespace: str, name: str) -> Manifest:
        if (collection, namespace, name) not in self.objects:
            raise Refused(404, "NotFound", f"{name!r} not found")
        return self.objects[collection, namespace, name]

    def write(self, change: str, key: Key, manifest: Manifest) -> Manifest:
        self.version += 1
        metadata = {**manifest["metadata"], "resourceVersion": str(self.version)}
        manifest = {**manifest, "metadata": metadata}
        if change == "DELETED":
            del self.objects[key]
        else:
            self.objects[key] = manifest
        self.log.append((self.version, change, key, manifest))
        self.changed.notify_all()
        return manifest

    def page(self, collection: str, namespace: str, query: dict[str, str]) -> Manifest:
        """A list as of the version that its first page was read at."""
        with self.changed:
            version, rest = self._rest(collection, namespace, query.get("continue", ""))
            limit = int(query.get("limit", 0)) or len(rest)
            metadata: Manifest = {"resourceVersion": str(version)}
            if len(rest) > limit:
                token = f"{version}-{len(self.pages)}"
                self.pages[token] = version, rest[limit:]
                metadata |= {"continue": token, "remainingItemCount": len(rest) - limit}
        return {"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": rest[:limit]}

    def _rest(self, collection: str, namespace: str, token: str) -> tuple[int, list[Manifest]]:
        if token and not re.fullmatch(r"\d+-\d+", token):
            raise Refused(400, "BadRequest", "continue key is not valid")
        if token and token not in self.pages:
            raise Refused(410, "Expired", "The provided continue parameter is too old")
        if token:
            return self.pages[token]
        keys = [key for key in sorted(self.objects) if selects(collection, namespace, key)]
        return self.version, [self.objects[key] for key in keys]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    api: FakeApiServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        query = dict(parse_qsl(urlsplit(self.path).query))
        faults = self.server.api.faults["watch" if "watch" in query else "list"]
        fault = faults.popleft() if faults else Fault()
        if fault.status:
            text = fault.body or json.dumps(Refused(fault.status, "Faulty", "as told").status)
            self.answer(fault.status, text, fault.retry_after)
        elif "watch" in query:
            self.watch(query, fault)
        else:
            self.serve(query)

    def do_POST(self) -> None:
        self.serve({})

    do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815 - the names http.server looks up

    def serve(self, query: dict[str, str]) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        api = self.server.api
        path = urlsplit(self.path).path
        api.requests.append(Request(self.command, path, query, dict(self.headers), body))
        if path.endswith("/status"):  # the subresource writes nothing else of the object
            path, body = path.removesuffix("/status"), {"status": (body or {}).get("status", {})}
        try:
            with api.changed:
                found = self.act(*parse(path), query, body)
            self.answer(201 if self.command == "POST" else 200, json.dumps(found))
        except Refused as refused:
            self.answer(refused.code, json.dumps(refused.status))

    def act(
        self,
        collection: str,
        namespace: str,
        name: str,
        query: dict[str, str],
        body: Manifest | None,
    ) -> Manifest:
        api, body = self.server.api, body or {}
        match self.command:
            case "GET" if not name:
                return api.page(collection, namespace, query)
            case "GET":
                return api.get(collection, namespace, name)
            case "POST":
                name = body["metadata"]["name"]
                if (collection, namespace, name) in api.objects:
                    raise Refused(409, "AlreadyExists", f"{name!r} already exists")
                return api.write("ADDED", (collection, namespace, name), body)
            case "DELETE":
                check(api.get(collection, namespace, name), body.get("preconditions", {}))
                return api.delete(collection, namespace, name)
        old = api.get(collection, namespace, name)
        check(old, body.get("metadata", {}))
        new = merged(old, body) if self.command == "PATCH" else body
        return api.write("MODIFIED", (collection, namespace, name), new)

    def answer(self, status: int, text: str, retry_after: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text.encode())))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(text.encode())

    def watch(self, query: dict[str, str], fault: Fault) -> None:
        api = self.server.api
        path = urlsplit(self.path).path
        api.requests.append(Request("WATCH", path, query, dict(self.headers), None))
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.close_connection = True
        with api.changed:
            epoch, api.watching = api.epoch, api.watching + 1
            try:
                if self.follow(query, fault, epoch):
                    self.wfile.write(b"0\r\n\r\n")
                    self.close_connection = False  # the client may use it again, as with the real one
            except OSError:
                return  # the client went away
            finally:
                api.watching -= 1

    def follow(self, query: dict[str, str], fault: Fault, epoch: int) -> bool:
        """Whether the watch ended in good order. The lock is held, but for the waits."""
        api = self.server.api
        collection, namespace, _ = parse(urlsplit(self.path).path)
        seen, marks = int(query["resourceVersion"]), api.bookmarks
        until = monotonic() + float(query.get("timeoutSeconds", 3600))
        while api.epoch == epoch and not api.closed:
            if seen < api.oldest:
                too_old = Refused(410, "Expired", f"too old resource version: {seen}")
                self.line({"type": "ERROR", "object": too_old.status})
                return True
            for version, change, key, manifest in api.log:
                if version > seen and selects(collection, namespace, key):
                    self.line({"type": change, "object": manifest})
            seen = api.version
            if marks != api.bookmarks:
                marks = api.bookmarks
                self.bookmark(seen)
            if fault.send:
                self.chunk(fault.send)
                fault = replace(fault, send="")
            if fault.then in ("drop", "end"):
                return fault.then == "end"
            if monotonic() >= until:
                self.last_bookmark(seen, query)
                return True
            if fault.then == "stall":
                api.changed.wait_for(lambda: api.epoch != epoch or api.closed)
            else:
                api.changed.wait(max(0, until - monotonic()))
        return False

    def last_bookmark(self, version: int, query: dict[str, str]) -> None:
        """The real one sends it two seconds earlier."""
        if query.get("allowWatchBookmarks") == "true":
            self.bookmark(version)

    def bookmark(self, version: int) -> None:
        metadata = {"resourceVersion": str(version), "creationTimestamp": None}
        self.line({"type": "BOOKMARK", "object": {"metadata": metadata}})

    def line(self, event: Manifest) -> None:
        self.chunk(json.dumps(event) + "\n")

    def chunk(self, text: str) -> None:
        sent = text.encode(errors="surrogateescape")  # a lone surrogate stands for a bad byte
        self.wfile.write(b"%x\r\n%s\r\n" % (len(sent), sent))


def parse(path: str) -> Key:
    """Collection, namespace, name; the latter two may be empty."""
    found = _PATH.match(path)
    if not found:
        raise Refused(404, "NotFound", "the server could not find the requested resource")
    return f"{found[1]}/{found[3]}", found[2] or "", found[4] or ""


def selects(collection: str, namespace: str, key: Key) -> bool:
    return key[0] == collection and namespace in ("", key[1])


def check(old: Manifest, wanted: Manifest) -> None:
    version = wanted.get("resourceVersion", old["metadata"]["resourceVersion"])
    if version != old["metadata"]["resourceVersion"]:
        raise Refused(409, "Conflict", "the object has been modified")


def merged(old: Any, patch: Any) -> Any:  # noqa: ANN401 - JSON (RFC 7386)
    if not isinstance(patch, dict):
        return patch
    new = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        else:
            new[key] = merged(new.get(key), value)
    return new
