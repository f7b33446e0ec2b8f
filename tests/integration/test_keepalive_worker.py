"""Who gets a thread and for how long, on a live server: busy, idle, silent and stalled peers (E10)."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPException, HTTPResponse
from select import select

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.fake_apiserver import FakeApiServer
from tests.integration.server import DEADLINE, LIMIT, VERBS, Answer, Live, await_true, exchange, serving
from tests.unit.extender.http.test_request_head import LINES, head_of
from tests.unit.extender.http.test_wire import MADE, VALID, asking

MORE_THAN_THREADS = 20
LONGER_THAN_HELD = 0.6
BODY = asking()
HEAD = b"POST /filter HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % len(BODY)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with FakeApiServer() as api, serving(api, tmp_path_factory.mktemp("live")) as server:
        await_true(lambda: server.answers("/readyz", 200))
        yield server


def connected(live: Live) -> socket.socket:
    return socket.create_connection(("127.0.0.1", live.port), timeout=DEADLINE)


def until_closed(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def ask(connection: HTTPConnection) -> int:
    return exchange(connection, "POST", "/filter", BODY).status


def test_peers_that_stall_are_closed_with_one_line_in_the_log_at_most(live: Live) -> None:
    """As many as there are threads. A head never gets an answer; a body is answered 408."""
    with ExitStack() as open_ones:
        heads, bodies = (
            [open_ones.enter_context(closing(connected(live))) for _ in range(4)] for _ in range(2)
        )
        for connection in heads:
            connection.sendall(HEAD)
        for connection in bodies[:2]:
            connection.sendall(HEAD + b"\r\n{")
        for connection in bodies[2:]:
            connection.sendall(plain("/filter", BODY)[:-1])
        assert {until_closed(connection) for connection in heads} == {b""}
        assert {until_closed(connection)[:12] for connection in bodies} == {b"HTTP/1.1 408"}
    log = live.log.read_text()
    assert "Traceback" not in log
    assert log.count("in the head of a request") == len(heads)


def test_a_peer_that_resets_in_the_head_is_no_error(live: Live) -> None:
    with closing(connected(live)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.sendall(HEAD)
    assert live.answers("/healthz", 200)
    assert "Traceback" not in live.log.read_text()


def test_a_head_without_an_end_is_refused(live: Live) -> None:
    with closing(connected(live)) as connection:
        connection.sendall(b"POST /filter HTTP/1.1\r\nX: " + b"x" * 70_000)
        assert until_closed(connection).startswith(b"HTTP/1.1 431 ")


def test_a_head_that_comes_in_pieces_is_read(live: Live) -> None:
    with closing(connected(live)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (HEAD[:10], HEAD[10:], b"\r", b"\n" + BODY[:3], BODY[3:]):
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        assert until_closed(connection).startswith(b"HTTP/1.1 200 ")


def test_probes_are_answered_while_others_hold_more_connections_than_there_are_threads(live: Live) -> None:
    """Busy, idle and silent ones; and none of the idle ones is closed for it."""
    with ExitStack() as open_ones:
        idle = [open_ones.enter_context(closing(live.connect())) for _ in range(MORE_THAN_THREADS)]
        for connection in idle:
            assert ask(connection) == 200
        for _ in range(MORE_THAN_THREADS):
            open_ones.enter_context(closing(connected(live)))
        sockets = [connection.sock for connection in idle]
        assert live.answers("/healthz", 200)
        assert [ask(connection) for connection in idle] == [200] * len(idle)
        assert [connection.sock for connection in idle] == sockets


def test_a_connection_is_kept_over_a_pause_longer_than_a_thread_waits(live: Live) -> None:
    with closing(live.connect()) as connection:
        for _ in range(3):
            assert ask(connection) == 200
            first = connection.sock
            assert not select([first], [], [], LONGER_THAN_HELD)[0], "closed, or an answer too many"
        assert ask(connection) == 200
        assert connection.sock is first


def test_busy_connections_do_not_starve_each_other(live: Live) -> None:
    served = [0] * MORE_THAN_THREADS
    enough = threading.Event()

    def busy(number: int) -> None:
        with closing(live.connect()) as connection:
            while not enough.is_set():
                assert ask(connection) == 200
                served[number] += 1

    threads = [threading.Thread(target=busy, args=(number,)) for number in range(MORE_THAN_THREADS)]
    for thread in threads:
        thread.start()
    try:
        await_true(lambda: min(served) >= 5)
    finally:
        enough.set()
        for thread in threads:
            thread.join()


def plain(path: str, body: bytes, *more: bytes) -> bytes:
    """As kube-scheduler asks; with `more` headers gunicorn parses it and WSGI carries it."""
    length = b"Content-Length: %d" % len(body)
    lines = (b"POST %b HTTP/1.1" % path.encode(), *LINES[1:3], length, *LINES[4:], *more)
    return head_of(*lines) + body


def answered(answer: HTTPResponse) -> tuple[int, str | None, str | None, bytes]:
    """What kube-scheduler makes of it."""
    answer.begin()
    body = answer.read()
    return answer.status, answer.getheader("Content-Type"), answer.getheader("Content-Length"), body


@pytest.mark.parametrize("path", VERBS)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.one_of(
        st.sampled_from([file.read_bytes() for file in VALID]),
        st.sampled_from([made for made, _ in MADE.values()]),
        st.sampled_from(list(VERBS.values())),
        st.binary(min_size=1, max_size=200),
    )
)
@example(body=b" " * LIMIT)
@example(body=b" " * (LIMIT + 1))
def test_a_plain_request_is_answered_as_any_other(live: Live, path: str, body: bytes) -> None:
    """The short way past gunicorn's parser and WSGI changes nothing that a client sees."""
    with closing(connected(live)) as connection:
        answers = []
        for more in ((), (b"X-Other: header",)):
            connection.sendall(plain(path, body, *more))
            answers.append(answered(HTTPResponse(connection)))
    assert answers[0] == answers[1]
    assert answers[0][3]


def test_a_plain_request_and_others_take_turns_on_a_connection(live: Live) -> None:
    other = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    both = [plain("/filter", BODY), other, plain("/filter", BODY, b"X-Other: header")]
    answers = live.raw(*both * 20).split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert [answer.endswith(b"ok") for answer in answers] == [False, True, False] * 20


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(plain("/filter", BODY)[:-1], b"400", id="a body that ends early"),
        pytest.param(plain("/filter", BODY)[: -len(BODY)], b"400", id="no body"),
    ],
)
def test_a_plain_request_without_its_whole_body_is_refused(live: Live, sent: bytes, status: bytes) -> None:
    assert live.raw(sent).startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize(
    ("head", "closes"),
    [
        pytest.param(b"POST /filter HTTP/1.1\r\nHost: x\r\n", False, id="1.1"),
        pytest.param(b"POST /filter HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", True, id="1.1, close"),
        pytest.param(b"POST /filter HTTP/1.0\r\n", True, id="1.0"),
        pytest.param(b"POST /filter HTTP/1.0\r\nConnection: keep-alive\r\n", False, id="1.0, keep-alive"),
    ],
)
def test_a_connection_is_closed_after_the_answer_where_http_says_so(
    live: Live, head: bytes, *, closes: bool
) -> None:
    request = head + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    with closing(connected(live)) as connection:
        connection.sendall(request)
        if not closes:
            await_true(lambda: connection.recv(1 << 16).count(b"\r\n\r\n") == 1)
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        assert until_closed(connection).count(b"HTTP/1.") == 1


def test_a_hundred_requests_in_one_packet_get_their_answers_in_order(live: Live) -> None:
    both = [HEAD + b"\r\n" + BODY, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"]
    answers = live.raw(*both * 50).split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert [answer.endswith(b"ok") for answer in answers] == [False, True] * 50


def test_a_server_that_is_told_to_end_answers_the_busy_to_the_last(live: Live) -> None:
    """The last test of this server."""
    served: list[Answer] = []
    ends: list[str] = []

    def busy() -> None:
        with closing(live.connect()) as connection:
            while True:
                try:
                    answer = exchange(connection, "POST", "/filter", BODY)
                except (OSError, HTTPException) as error:
                    ends.append(str(error))
                    return
                served.append(answer)
                if answer.headers.get("Connection") == "close":
                    ends.append("told")
                    return

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    await_true(lambda: len(served) > 100)
    said = len(live.log.read_text())
    live.process.send_signal(signal.SIGTERM)
    assert live.process.wait(DEADLINE) == 0
    for thread in threads:
        thread.join()
    assert ends == ["told"] * len(threads)
    assert {answer.status for answer in served} == {200}
    assert "Traceback" not in live.log.read_text()[said:]
