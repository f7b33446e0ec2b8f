"""A live server: readiness, framing, connections that last or vanish, and its end."""

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.fake_apiserver import FakeApiServer, Fault
from tests.integration.server import DEADLINE, LIMIT, POLICIES, Answer, Live, await_true, exchange, serving
from tests.unit.extender.http.test_wire import asking


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
