"""Two live servers that share a Lease: one answers, and the other one when it is stopped or dies."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from os import kill
from pathlib import Path

import pytest

from tests.fake_apiserver import FakeApiServer
from tests.integration.server import Live, await_true, serving
from tests.unit.extender.http.test_wire import asking

PODS = "/api/v1/pods"


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[tuple[Live, Live]]:
    """The one that leads first."""
    with FakeApiServer() as api, ExitStack() as running:
        both = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            live = serving(api, tmp_path / name, lease="resourcepolicy/extender", lease_duration_seconds=3)
            both.append(running.enter_context(live))
        await_true(lambda: any(ready(each) for each in both))
        yield (both[0], both[1]) if ready(both[0]) else (both[1], both[0])


def ready(live: Live) -> bool:
    return live.answers("/readyz", 200)


def die(live: Live) -> None:
    """Without a word: the server and its worker."""
    children = Path(f"/proc/{live.process.pid}/task/{live.process.pid}/children").read_text().split()
    for pid in (live.process.pid, *map(int, children)):
        kill(pid, signal.SIGKILL)


def stop(live: Live) -> None:
    live.process.send_signal(signal.SIGTERM)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker in /proc")
@pytest.mark.parametrize("end", [stop, die])
def test_one_answers_and_then_the_other(replicas: tuple[Live, Live], end: Callable[[Live], None]) -> None:
    """E10, C7: it lists the pods again first, and says so; who does not lead says that."""
    first, second = replicas
    await_true(lambda: second.answers("/readyz", 503))
    await_true(lambda: second.request("GET", "/readyz").body == b"another replica leads")
    assert b"another replica leads" in second.request("POST", "/filter", asking()).body
    lists = listed(first.api)
    end(first)
    await_true(lambda: ready(second))
    assert listed(first.api) == lists + 1
    assert second.request("POST", "/filter", asking()).status == 200


def listed(api: FakeApiServer) -> int:
    """How often the pods were listed to be kept, not only to ask for the version."""
    return sum(r.verb == "GET" and r.path == PODS and r.query.get("limit") != "1" for r in api.requests)
