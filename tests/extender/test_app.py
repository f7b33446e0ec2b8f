"""Which status every request gets, through the WSGI callable and from a live server.

Owns paths, statuses and framing. Must not know: why a pod was refused (test_service), what is malformed
(test_wire).
"""

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from extender.app import Application
from extender.metrics import Metrics
from tests.builders import a_node, a_policy, a_unit
from tests.cluster.apiserver import FakeApiServer, Fault
from tests.extender.test_wire import HERE, MADE, REASONS, VALID, asking, named
from tests.extender.world import CAPPED, CLOUD, DC, World

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


# Through the callable.


@dataclass
class Site:
    """An application over a world, without a server."""

    world: World = field(default_factory=lambda: World(DC, CLOUD, CAPPED))
    why_not: str = ""
    refresh: Callable[[], None] = lambda: None
    metrics: Metrics = field(default_factory=Metrics)

    def request(self, method: str, path: str, body: bytes = b"", query: str = "") -> Answer:
        app = Application(
            self.world.extender, self.metrics, lambda: self.why_not, LIMIT, refresh=self.refresh
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


@pytest.mark.parametrize("path", VALID, ids=named)
@pytest.mark.parametrize("governed", [False, True], ids=["no policy", "a policy"])
def test_what_a_real_scheduler_sends_is_answered_200(path: Path, governed: bool) -> None:  # noqa: FBT001
    pools = [a_node("node-a", "a"), a_node("node-b", "b")]
    policies = [a_policy(a_unit("a"), a_unit("b"))] if governed else []
    answer = Site(World(*pools, *policies)).post(verb_of(path.name), path.read_bytes())
    assert answer.status == 200
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.json
    assert "Error" not in answer.json


@pytest.mark.parametrize("name", REASONS)
def test_what_it_never_sends_is_answered_400_with_the_reason_and_leaves_nothing(name: str) -> None:
    site = Site()
    answer = site.post(verb_of(name), (HERE / "invalid" / name).read_bytes())
    assert answer.status == 400
    assert REASONS[name] in answer.json["Error"]
    assert site.world.held == {}
    assert not site.world.cache.attempts


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("verb", VERBS)
def test_what_is_absurd_is_answered_400_on_every_verb(verb: str, name: str) -> None:
    answer = Site().post(verb, MADE[name][0])
    assert answer.status == 400
    assert "Traceback" not in answer.json["Error"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_body_over_the_limit_is_answered_413(verb: str) -> None:
    answer = Site().post(verb, b" " * (LIMIT + 1))
    assert answer.status == 413
    assert str(LIMIT) in answer.json["Error"]


@pytest.mark.parametrize("verb", VERBS)
def test_an_empty_body_is_answered_400(verb: str) -> None:
    assert Site().post(verb, b"").status == 400


def test_before_the_sync_filter_says_so_in_its_answer_and_the_others_in_their_status() -> None:
    """E4: an `Error` makes the scheduler try again; prioritize and preempt have no such field."""
    site = Site(World(DC, CAPPED, synced=False))
    answers = {verb: site.post(verb, body) for verb, body in VERBS.items()}
    assert {verb: answer.status for verb, answer in answers.items()} == {
        "/filter": 200,
        "/prioritize": 503,
        "/preempt": 503,
    }
    assert all("synced" in answer.json["Error"] for answer in answers.values())
    assert set(answers["/filter"].json) == {"Error"}


def test_a_node_that_is_not_seen_yet_is_an_error_in_the_answer() -> None:
    """E11."""
    answer = Site(World(CLOUD, CAPPED)).post("/filter", asking(NodeNames=["dc-1"]))
    assert answer.status == 200
    assert "not seen yet" in answer.json["Error"]


def test_sixteen_thousand_names_are_answered_right() -> None:
    site = Site()
    names = [f"node-{number:05}" for number in range(16_000)]
    site.world.tell(*(a_node(name, "cloud" if name.endswith("7") else "dc") for name in names))
    site.world.tell(a_policy(a_unit("cloud"), a_unit("dc")))
    answer = site.post("/filter", asking(NodeNames=names))
    assert answer.json == {"NodeNames": [name for name in names if name.endswith("7")]}


def test_a_bug_is_answered_500_in_json_and_told_to_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    site = Site()

    def broken() -> float:
        raise RuntimeError("a secret of ours")

    site.world.extender._clock = broken  # noqa: SLF001
    answer = site.post("/filter", asking())
    assert answer.status == 500
    assert "secret" not in answer.json["Error"]
    assert "a secret of ours" in caplog.text


def test_a_bug_in_the_gauges_is_answered_500_in_json() -> None:
    def broken() -> None:
        raise RuntimeError("a secret of ours")

    answer = Site(refresh=broken).request("GET", "/metrics")
    assert answer.status == 500
    assert "secret" not in answer.json["Error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        *(pytest.param("GET", verb, 405, id=f"GET {verb}") for verb in VERBS),
        *(pytest.param(m, "/filter", 405, id=m) for m in ("PUT", "DELETE", "PATCH", "OPTIONS", "HEAD")),
        pytest.param("POST", "/readyz", 405, id="POST on a probe"),
        pytest.param("POST", "/metrics", 405, id="POST on the metrics"),
        pytest.param("POST", "/bind", 404, id="a verb that is not served"),
        pytest.param("POST", "/filter/", 404, id="a slash too many"),
        pytest.param("POST", "//filter", 405, id="a slash too many in front"),
        pytest.param("POST", "/Filter", 404, id="another case"),
        pytest.param("POST", "/", 404, id="the root"),
        pytest.param("POST", "", 404, id="no path"),
        pytest.param("GET", "/\xff\x00", 404, id="bytes"),
    ],
)
def test_other_requests_are_refused_in_json(method: str, path: str, status: int) -> None:
    answer = Site().request(method, path, asking())
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"
    if method != "HEAD":
        assert answer.json["Error"]


@pytest.mark.parametrize(("why_not", "status"), [("", 200), ("the cache has not synced yet", 503)])
def test_readiness_says_why_not(why_not: str, status: int) -> None:
    site = Site(why_not=why_not)
    answer = site.request("GET", "/readyz")
    assert answer.status == status
    assert why_not in answer.body.decode()
    assert site.request("GET", "/healthz").status == 200


def test_every_answer_is_counted_by_outcome() -> None:
    site = Site()
    site.post("/filter", asking())
    site.post("/filter", asking(NodeNames=["cloud-1"]))
    site.post("/filter", b"{}")
    site.post("/prioritize", asking())
    site.post("/preempt", asking(NodeNameToMetaVictims={}))
    text = site.request("GET", "/metrics").body.decode()
    samples = {
        (sample.labels["verb"], sample.labels["outcome"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "resourcepolicy_requests_total"
    }
    assert samples == {
        ("filter", "placed"): 2,
        ("filter", "Malformed"): 1,
        ("prioritize", "scored"): 1,
        ("preempt", "none"): 1,
    }


# From a live server.


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
    config.write_text(json.dumps({"body_limit": LIMIT, "settle": 0, "unknown_node": 0.1, **settings}))
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


@pytest.fixture(scope="module")
def api() -> Iterator[FakeApiServer]:
    with FakeApiServer() as api:
        for name, pool in (("dc-1", "dc"), ("cloud-1", "cloud")):
            api.put("/api/v1/nodes", "", name, metadata={"name": name, "labels": {"pool": pool}})
        units = [{"nodeSelector": {"pool": "dc"}, "max": 1}, {"nodeSelector": {"pool": "cloud"}}]
        api.put(POLICIES, "default", "policy", spec={"units": units})
        yield api


@pytest.fixture(scope="module")
def early(
    api: FakeApiServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Live, list[Answer]]]:
    """A server, and what it answered while the API server refused every list."""
    api.fail("list", *[Fault(status=503)] * 1000)
    with serving(api, tmp_path_factory.mktemp("live")) as live:
        await_true(lambda: live.answers("/healthz", 200))
        before = [live.request("GET", "/readyz"), live.request("POST", "/filter", asking())]
        api.faults["list"].clear()
        yield live, before


@pytest.fixture(scope="module")
def live(early: tuple[Live, list[Answer]]) -> Live:
    server, _ = early
    await_true(lambda: server.answers("/readyz", 200))
    return server


def test_a_server_that_has_not_listed_is_not_ready_and_says_so(early: tuple[Live, list[Answer]]) -> None:
    ready, filtered = early[1]
    assert ready.status == 503
    assert filtered.status == 200
    assert set(filtered.json) == {"Error"}


def test_a_server_that_has_listed_answers(live: Live) -> None:
    both = {"NodeNames": ["dc-1", "cloud-1"]}
    assert live.request("POST", "/filter", asking(**both)).json == {"NodeNames": ["dc-1"]}
    other = asking({"metadata": {"name": "b", "namespace": "default", "uid": "b"}}, **both)
    assert live.request("POST", "/filter", other).json == {"NodeNames": ["cloud-1"]}


def test_a_connection_is_kept_alive_over_answers_and_refusals(live: Live) -> None:
    """E10: a closed one would cost the scheduler an attempt."""
    with closing(live.connect()) as connection:
        exchange(connection, "POST", "/filter", asking())
        first = connection.sock
        for method, path, body, status in [
            ("POST", "/filter", asking(), 200),
            ("POST", "/filter", b"{", 400),
            ("POST", "/prioritize", asking(), 200),
            ("POST", "/filter", b" " * (LIMIT + 1), 413),
            ("POST", "/nowhere", asking(), 404),
            ("GET", "/filter", None, 405),
            ("GET", "/metrics", None, 200),
            ("POST", "/filter", asking(), 200),
        ]:
            answer = exchange(connection, method, path, body)
            assert answer.status == status
            assert answer.headers["Content-Length"] == str(len(answer.body))
            assert connection.sock is first, f"closed after {method} {path} {status}"


def test_two_requests_in_one_packet_get_two_answers(live: Live) -> None:
    body = asking()
    one = b"POST /prioritize HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    assert live.raw(one, one).count(b"HTTP/1.1 200 OK") == 2


def chunked(path: bytes, *chunks: bytes) -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % path
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])


def status_of(raw: bytes) -> int:
    assert raw.startswith(b"HTTP/1.1 "), raw
    return int(raw.split()[1])


def test_a_chunked_body_is_read(live: Live) -> None:
    body = asking()
    assert status_of(live.raw(chunked(b"/prioritize", body[:10], body[10:]))) == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(chunked(b"/filter"), 400, id="chunked and empty"),
        pytest.param(chunked(b"/filter", *[b" " * 50_000] * 15), 413, id="chunked, over the limit"),
        pytest.param(
            b"POST /filter HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{}",
            400,
            id="shorter than it says",
        ),
        pytest.param(b"POST /filter HTTP/1.1\r\nHost: x\r\n\r\n", 400, id="no framing"),
        pytest.param(
            b"POST /filter HTTP/1.1\r\nHost: x\r\nContent-Length: two\r\n\r\n{}",
            400,
            id="a length in letters",
        ),
        pytest.param(
            b"POST /filter HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
            400,
            id="two lengths",
        ),
        pytest.param(
            b"POST /filter HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            400,
            id="both framings, as a smuggler sends them",
        ),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, id="TLS"),
    ],
)
def test_framing_that_lies_is_refused(live: Live, sent: bytes, status: int) -> None:
    assert status_of(live.raw(sent)) == status
    assert live.request("POST", "/prioritize", asking()).status == 200


def test_peers_that_vanish_in_the_middle_do_not_stop_the_server(live: Live) -> None:
    """More than there are threads, and none of them ever ends its request."""
    half_a_body = b"POST /filter HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    with ExitStack() as stuck:
        for half in (half_a_body, b"POST /filter HTTP/1.1\r\nHo") * 5:
            connection = socket.create_connection(("127.0.0.1", live.port), timeout=DEADLINE)
            stuck.enter_context(closing(connection))
            connection.sendall(half)
        assert live.request("POST", "/prioritize", asking()).status == 200


def test_the_metrics_of_a_live_server_can_be_scraped(live: Live) -> None:
    answer = live.request("GET", "/metrics")
    families = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
    objects = {s.labels["resource"]: s.value for s in families["resourcepolicy_cached_objects"].samples}
    assert objects == {"nodes": 2, "pods": 0, "resourcepolicies": 1}


def test_a_server_that_is_told_to_end_gives_the_answer_under_way(api: FakeApiServer, tmp_path: Path) -> None:
    """SIGTERM drains: the scheduler's call in that moment costs no attempt."""
    body = asking()
    head = f"POST /filter HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    with serving(api, tmp_path) as live:
        await_true(lambda: live.answers("/readyz", 200))
        with closing(socket.create_connection(("127.0.0.1", live.port), timeout=DEADLINE)) as connection:
            connection.sendall(head.encode())
            assert b"100 Continue" in connection.recv(65536)
            live.process.send_signal(signal.SIGTERM)
            await_true(lambda: not live.answers("/healthz", 200))
            connection.sendall(body)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b'"NodeNames":["dc-1"]' in answer
        assert live.process.wait(DEADLINE) == 0


def test_a_server_that_is_told_to_end_ends_with_0(live: Live) -> None:
    """Also while the scheduler holds its idle connection. The last test of this server."""
    with closing(live.connect()) as connection:
        exchange(connection, "POST", "/filter", asking())
        said = len(live.log.read_text())
        live.process.send_signal(signal.SIGTERM)
        assert live.process.wait(DEADLINE) == 0
    assert "Traceback" not in live.log.read_text()[said:]
    with pytest.raises(ConnectionError):
        live.request("GET", "/healthz")
