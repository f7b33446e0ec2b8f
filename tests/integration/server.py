"""An application to call, and a live server, each with what it is asked and answers."""

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import Any

from extender.http.app import Application
from extender.metrics import Metrics
from tests.fake_apiserver import FakeApiServer
from tests.unit.extender.fixtures import CAPPED, CLOUD, DC, World
from tests.unit.extender.http.test_wire import asking

Json = Any
LIMIT = 700_000
POLICIES = "/apis/scheduling.alibabacloud.com/v1alpha1/resourcepolicies"
DEADLINE = 20.0
VICTIMS = {"dc-1": {"Pods": [{"UID": "v"}], "NumPDBViolations": 0}}
VERBS = {
    "/filter": asking(),
    "/prioritize": asking(),
    "/preempt": asking(NodeNameToMetaVictims=VICTIMS),
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        return json.loads(self.body)


@dataclass
class Site:
    """An application over a world, without a server."""

    world: World = field(default_factory=lambda: World(DC, CLOUD, CAPPED))
    not_ready_reason: str = ""
    refresh: Callable[[], None] = lambda: None
    metrics: Metrics = field(default_factory=Metrics)

    def request(self, method: str, path: str, body: bytes = b"", query: str = "") -> Answer:
        app = Application(
            self.world.extender, self.metrics, lambda: self.not_ready_reason, LIMIT, refresh=self.refresh
        )
        given: list[Any] = []
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "test",
            "SERVER_PORT": "80",
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(body),
            "wsgi.errors": sys.stderr,
            "CONTENT_LENGTH": str(len(body)),
        }

        def start_response(
            status: str, headers: list[tuple[str, str]], *_: object
        ) -> Callable[[bytes], object]:
            given.extend((int(status[:3]), dict(headers)))
            return given.append

        whole = b"".join(app(environ, start_response))
        return Answer(given[0], given[1], whole)

    def post(self, path: str, body: bytes) -> Answer:
        return self.request("POST", path, body)


def verb_of(name: str) -> str:
    return "/" + name.partition("-")[0]


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port: int = listening.getsockname()[1]
        return port


def await_true(question: Callable[[], bool]) -> None:
    deadline = monotonic() + DEADLINE
    while not question():
        assert monotonic() < deadline, "too late"


@dataclass
class Live:
    """`resourcepolicy serve` in a process of its own, watching `api`."""

    api: FakeApiServer
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)

    def request(self, method: str, path: str, body: bytes | None = None) -> Answer:
        with closing(self.connect()) as connection:
            return exchange(connection, method, path, body)

    def raw(self, *sent: bytes) -> bytes:
        """All that comes back on one connection that is half closed after sending."""
        with closing(socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)) as connection:
            connection.sendall(b"".join(sent))
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def answers(self, path: str, status: int) -> bool:
        try:
            return self.request("GET", path).status == status
        except ConnectionError:
            return False


def exchange(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None
) -> Answer:
    connection.request(method, path, body)
    response = connection.getresponse()
    return Answer(response.status, dict(response.headers), response.read())


@contextmanager
def serving(api: FakeApiServer, directory: Path, **settings: object) -> Iterator[Live]:
    port = free_port()
    config = directory / "extender.yaml"
    config.write_text(
        json.dumps(
            {
                "body_limit_bytes": LIMIT,
                "handover_grace_seconds": 0,
                "unknown_node_wait_seconds": 0.1,
                **settings,
            }
        )
    )
    command: list[str | Path] = [
        Path(sys.executable).with_name("resourcepolicy"), "serve", "--kubeconfig", api.kubeconfig(directory),
        "--config", config, "--bind", f"127.0.0.1:{port}",
    ]  # fmt: skip
    log = directory / "log"
    with log.open("wb") as written, subprocess.Popen(command, stdout=written, stderr=written) as process:
        try:
            yield Live(api, process, port, log)
        finally:
            process.kill()
