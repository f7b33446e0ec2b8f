"""What requests to the API server look like, and what each failure is called."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from cluster.kube.client import JSON_PATCH, ApiError, KubeClient, NotConfigured, Unreachable, connect
from tests.fake_apiserver import CONFIGMAPS, FakeApiServer, Fault

WATCH = {"watch": "true", "resourceVersion": "100"}


@pytest.fixture
def api() -> Iterator[FakeApiServer]:
    with FakeApiServer() as server:
        yield server


@pytest.fixture
def connection(api: FakeApiServer, tmp_path: Path) -> Iterator[KubeClient]:
    with closing(connect(api.kubeconfig(tmp_path))) as connection:
        yield connection


def a_configmap(name: str = "a", **fields: object) -> dict[str, object]:
    return {"metadata": {"name": name}, **fields}


def test_a_request_carries_its_query_and_the_accounts_token(
    api: FakeApiServer, connection: KubeClient
) -> None:
    connection.get(CONFIGMAPS, {"limit": "2", "labelSelector": "a=b,c in (d)"})
    assert api.requests[0].query == {"limit": "2", "labelSelector": "a=b,c in (d)"}
    assert api.requests[0].headers["authorization"] == "Bearer secret"


def test_objects_are_created_replaced_patched_and_deleted(api: FakeApiServer, connection: KubeClient) -> None:
    one = f"{CONFIGMAPS}/a"
    connection.post(CONFIGMAPS, a_configmap(data={"x": "1", "y": "2"}))
    connection.patch(one, {"data": {"x": None}})
    assert msgspec.json.decode(connection.get(one))["data"] == {"y": "2"}
    connection.put(one, a_configmap(data={}))
    connection.delete(one, {"preconditions": {"resourceVersion": str(api.version)}})
    assert api.objects == {}


def test_nothing_is_written_while_another_one_leads(api: FakeApiServer, connection: KubeClient) -> None:
    """A lease that ran out ends every write, in whatever thread: nobody writes beside the next leader."""
    leads = [True]
    connection.write_only_while(lambda: leads[0])
    connection.post(CONFIGMAPS, a_configmap())
    leads[0] = False
    writes: list[Callable[[], bytes]] = [
        lambda: connection.post(CONFIGMAPS, a_configmap("b")),
        lambda: connection.put(f"{CONFIGMAPS}/a", a_configmap()),
        lambda: connection.patch(f"{CONFIGMAPS}/a", {}),
        lambda: connection.delete(f"{CONFIGMAPS}/a"),
    ]
    for write in writes:
        with pytest.raises(Unreachable, match="another one leads"):
            write()
    assert connection.get(f"{CONFIGMAPS}/a")
    assert [request.verb for request in api.requests] == ["POST", "GET"]


def test_a_patch_is_a_merge_patch_unless_told_otherwise(api: FakeApiServer, connection: KubeClient) -> None:
    connection.post(CONFIGMAPS, a_configmap())
    connection.patch(f"{CONFIGMAPS}/a", {})
    connection.patch(f"{CONFIGMAPS}/a", {}, "application/strategic-merge-patch+json")
    sent = [request.headers["Content-Type"] for request in api.requests[1:]]
    assert sent == ["application/merge-patch+json", "application/strategic-merge-patch+json"]
    assert JSON_PATCH == "application/json-patch+json"


@pytest.mark.parametrize(
    ("act", "status", "reason"),
    [
        pytest.param(lambda c: c.get(f"{CONFIGMAPS}/no"), 404, "NotFound", id="absent"),
        pytest.param(lambda c: c.get("/nowhere"), 404, "NotFound", id="no such path"),
        pytest.param(lambda c: c.post(CONFIGMAPS, a_configmap()), 409, "AlreadyExists", id="twice"),
        pytest.param(
            lambda c: c.put(f"{CONFIGMAPS}/a", {"metadata": {"resourceVersion": "1"}}),
            409,
            "Conflict",
            id="out of date",
        ),
    ],
)
def test_a_refusal_says_status_and_reason(
    act: Callable[[KubeClient], bytes],
    status: int,
    reason: str,
    connection: KubeClient,
) -> None:
    connection.post(CONFIGMAPS, a_configmap())
    with pytest.raises(ApiError) as refusal:
        act(connection)
    assert (refusal.value.status, refusal.value.reason) == (status, reason)
    assert refusal.value.message


def test_retry_after_is_reported_and_not_slept_through(api: FakeApiServer, connection: KubeClient) -> None:
    api.fail("list", Fault(status=429, retry_after=7))
    with pytest.raises(ApiError) as refusal:
        connection.get(CONFIGMAPS)
    assert (refusal.value.status, refusal.value.retry_after) == (429, 7)
    assert api.requests == []


def test_retry_after_in_the_body_counts_when_there_is_no_header(
    api: FakeApiServer, connection: KubeClient
) -> None:
    body = '{"code": 504, "reason": "Timeout", "details": {"retryAfterSeconds": 3}}'
    api.fail("list", Fault(status=504, body=body))
    with pytest.raises(ApiError) as refusal:
        connection.get(CONFIGMAPS)
    assert refusal.value.retry_after == 3


def test_a_refusal_that_is_no_status_object_is_quoted(api: FakeApiServer, connection: KubeClient) -> None:
    api.fail("list", Fault(status=502, body="<html>bad gateway"))
    with pytest.raises(ApiError, match="502 Bad Gateway: <html>bad gateway"):
        connection.get(CONFIGMAPS)


def test_a_server_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with FakeApiServer() as gone:
        kubeconfig = gone.kubeconfig(tmp_path)
    with closing(connect(kubeconfig)) as connection, pytest.raises(Unreachable, match="refused"):
        connection.get(CONFIGMAPS)


def test_a_server_that_accepts_and_says_nothing_is_unreachable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        server = FakeApiServer(port=0)
        server.url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        kubeconfig = server.kubeconfig(tmp_path)
        with server, closing(connect(kubeconfig)) as connection, pytest.raises(Unreachable):
            connection.get(CONFIGMAPS, seconds=0.05)


def test_a_stream_gives_whole_lines_and_drops_what_a_clean_end_cut(
    api: FakeApiServer, connection: KubeClient
) -> None:
    api.fail("watch", Fault(send='{"a": 1}\n\n{"b": 2}\n{"c', then="end"))
    with connection.stream(CONFIGMAPS, WATCH, 5) as lines:
        assert list(lines) == [b'{"a": 1}', b'{"b": 2}']


def test_a_line_may_come_in_many_pieces(api: FakeApiServer, connection: KubeClient) -> None:
    long = "x" * 300_000
    api.fail("watch", Fault(send=f"{long}\nb\n", then="end"))
    with connection.stream(CONFIGMAPS, WATCH, 5) as lines:
        assert list(lines) == [long.encode(), b"b"]


def test_a_stream_cut_in_a_line_is_unreachable_after_its_whole_lines(
    api: FakeApiServer, connection: KubeClient
) -> None:
    api.fail("watch", Fault(send="a\nb", then="drop"))
    with connection.stream(CONFIGMAPS, WATCH, 5) as lines:
        reading = iter(lines)
        assert next(reading) == b"a"
        with pytest.raises(Unreachable):
            next(reading)


def test_a_silent_stream_is_unreachable_after_the_given_seconds(connection: KubeClient) -> None:
    with (
        connection.stream(CONFIGMAPS, WATCH, 0.05) as lines,
        pytest.raises(Unreachable, match="timed out"),
    ):
        list(lines)


def test_a_refused_stream_is_an_api_error(api: FakeApiServer, connection: KubeClient) -> None:
    api.fail("watch", Fault(status=500))
    with pytest.raises(ApiError, match="500"), connection.stream(CONFIGMAPS, WATCH, 5):
        pass


def test_closing_the_connection_ends_a_stream_that_waits_in_another_thread(
    connection: KubeClient,
) -> None:
    reading, ended = threading.Event(), threading.Event()

    def read() -> None:
        with connection.stream(CONFIGMAPS, WATCH, 60) as lines:
            reading.set()
            assert list(lines) == []
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    assert reading.wait(5)
    connection.close()
    assert ended.wait(5)


def test_a_closed_connection_opens_no_stream(connection: KubeClient) -> None:
    connection.close()
    with (
        pytest.raises(Unreachable, match="closed"),
        connection.stream(CONFIGMAPS, WATCH, 5) as lines,
    ):
        list(lines)


def test_outside_a_cluster_and_without_kubeconfig_it_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(NotConfigured, match="not in a cluster and no kubeconfig"):
        connect(None)


def test_in_a_cluster_the_pods_own_account_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(port))
    for name in ("token", "cert"):
        (tmp_path / name).write_text("x")
        constant = f"kubernetes.config.incluster_config.SERVICE_{name.upper()}_FILENAME"
        monkeypatch.setattr(constant, str(tmp_path / name))
    with closing(connect(None)) as connection, pytest.raises(Unreachable, match="refused"):
        connection.get(CONFIGMAPS)


def test_a_reply_cut_short_is_unreachable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        api = FakeApiServer()
        api.url = f"http://127.0.0.1:{server.getsockname()[1]}"
        threading.Thread(target=cut_short, args=(server,), daemon=True).start()
        with (
            api,
            closing(connect(api.kubeconfig(tmp_path))) as connection,
            pytest.raises(Unreachable, match="IncompleteRead"),
        ):
            connection.get(CONFIGMAPS)


def cut_short(server: socket.socket) -> None:
    client, _ = server.accept()
    with client:
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


def test_a_kubeconfig_that_is_absent_or_garbage_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="nowhere"):
        connect(tmp_path / "nowhere")
    (tmp_path / "garbage").write_text("{[")
    with pytest.raises(NotConfigured, match="garbage"):
        connect(tmp_path / "garbage")
