"""An API server where nothing changes but pods, at a given rate: `python -m dev.bench.apiserver`.

Each client has a prefix of its own, so that events come to the one that is measured only.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from dev.bench.cluster import EVENTS, POLICY_API, Shape, event

__all__ = ["StaticApi", "main"]

VERSION = b"1000"
AT_ONCE = 500
TICK = 0.002
_KINDS = {
    "nodes": ("Node", "v1"),
    "pods": ("Pod", "v1"),
    "resourcepolicies": ("ResourcePolicy", POLICY_API),
}


class StaticApi(ThreadingHTTPServer):
    """The server; `pumps` are the streams of events, by client."""

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, port: int, shape: Shape) -> None:
        self.objects = {resource: list(shape.objects(resource)) for resource in _KINDS}
        self.pumps: dict[str, Pump] = {}
        self.watchers: dict[str, Handler] = {}
        """The handler that holds each client's watch of pods."""
        self.sent = 0
        """Events so far; a pod of one stream never comes again in another."""
        super().__init__(("127.0.0.1", port), Handler)


class Pump(threading.Thread):
    """Sends events to one client until it is stopped, and then to the end of a pod's life."""

    def __init__(self, api: StaticApi, handler: "Handler", rate: int) -> None:
        super().__init__(daemon=True)
        self.stop = threading.Event()
        self._api = api
        self._handler = handler
        self._rate = rate

    def run(self) -> None:
        began, first = time.monotonic(), self._api.sent
        while not self.stop.wait(TICK) or (self._api.sent - first) % len(EVENTS):
            due = first + int((time.monotonic() - began) * self._rate)
            while self._api.sent < due:
                self._handler.chunk(event(self._api.sent))
                self._api.sent += 1


class Handler(BaseHTTPRequestHandler):
    """Paths are /CLIENT/api/..., and POST /events/CLIENT/RATE."""

    protocol_version = "HTTP/1.1"
    server: StaticApi

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        client, resource = url.path.split("/")[1], url.path.rpartition("/")[2]
        if resource not in _KINDS:
            self._answer(404, [b"{}"])
        elif query.get("watch") in ("1", "true"):
            self._watch(client, resource, initial=query.get("sendInitialEvents") == "true")
        else:
            self._list(resource, int(query.get("continue") or 0), int(query.get("limit") or 0))

    def do_POST(self) -> None:
        _, verb, client, rate = self.path.split("/")
        if verb != "events":
            self._answer(404, [b"{}"])
            return
        api = self.server
        if pump := api.pumps.pop(client, None):
            pump.stop.set()
            pump.join()
        if int(rate):
            api.pumps[client] = pump = Pump(api, api.watchers[client], int(rate))
            pump.start()
        self._answer(200, [json.dumps({"sent": api.sent}).encode()])

    def do_PATCH(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(200, [b"{}"])

    def chunk(self, text: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))

    def _answer(self, status: int, parts: list[bytes]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(sum(map(len, parts))))
        self.end_headers()
        for part in parts:
            self.wfile.write(part)

    def _list(self, resource: str, start: int, limit: int) -> None:
        objects = self.server.objects[resource]
        end = start + limit if limit else len(objects)
        kind, version = _KINDS[resource]
        metadata = {"resourceVersion": VERSION.decode()}
        if end < len(objects):
            metadata["continue"] = str(end)
        head = json.dumps({"kind": f"{kind}List", "apiVersion": version, "metadata": metadata})
        self._answer(200, [head[:-1].encode(), b',"items":[', b",".join(objects[start:end]), b"]}"])

    def _watch(self, client: str, resource: str, *, initial: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        if initial:
            for lines in self._first_events(resource):
                self.chunk(lines)
        if resource == "pods":
            self.server.watchers[client] = self
        self.close_connection = True
        self.connection.recv(1)  # until the client goes away

    def _first_events(self, resource: str) -> Iterator[bytes]:
        objects = self.server.objects[resource]
        for start in range(0, len(objects), AT_ONCE):
            added = objects[start : start + AT_ONCE]
            yield b"".join(b'{"type":"ADDED","object":%s}\n' % one for one in added)
        kind, version = _KINDS[resource]
        ended = {"resourceVersion": VERSION.decode(), "annotations": {"k8s.io/initial-events-end": "true"}}
        mark = {"kind": kind, "apiVersion": version, "metadata": ended}
        yield json.dumps({"type": "BOOKMARK", "object": mark}).encode() + b"\n"


def main() -> None:
    """Serve on the port, with the nodes, pods and policies that the arguments say."""
    port, nodes, pods, policies = map(int, sys.argv[1:])
    StaticApi(port, Shape(nodes, pods, policies)).serve_forever()


if __name__ == "__main__":
    main()
