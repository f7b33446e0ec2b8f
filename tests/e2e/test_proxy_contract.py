"""The proxy that makes a bad network: what it holds up, and that it changes nothing else."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from uuid import uuid4

import pytest

from cluster.kube.client import ApiError, KubeClient, Unreachable, connect
from tests.e2e.proxy import ApiProxy
from tests.e2e.test_fake_apiserver_contract import LEASES, Leases, wait_until
from tests.fake_apiserver import FakeApiServer


@dataclass
class Beside:
    """The same collection directly, and through the proxy."""

    proxy: ApiProxy
    direct: Leases
    through: Leases

    def watch(self, **query: str) -> "Watching":
        return Watching(self.through, {"resourceVersion": self.direct.version(), **query})


@dataclass
class Watching:
    """What a watch brings, written down by a thread."""

    leases: Leases
    query: dict[str, str]
    names: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        query = {"watch": "true", "timeoutSeconds": "30", **self.query}
        with suppress(Unreachable), self.leases.connection.stream(self.leases.path, query, 60) as lines:
            self.names += (json.loads(line)["object"]["metadata"]["name"] for line in lines)
        self.ended.set()


def in_background(act: Callable[[], object]) -> threading.Event:
    done = threading.Event()

    def acting() -> None:
        with suppress(Unreachable):
            act()
        done.set()

    threading.Thread(target=acting, daemon=True).start()
    return done


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.plane)])
def kubeconfig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    if request.param == "real":
        yield request.getfixturevalue("plane").kubeconfig
        return
    with FakeApiServer() as api:
        yield api.kubeconfig(tmp_path)


@pytest.fixture
def beside(kubeconfig: Path, tmp_path: Path) -> Iterator[Beside]:
    name = f"proxied-{uuid4().hex[:8]}"
    path = LEASES.format(name)
    with (
        ApiProxy(kubeconfig, tmp_path) as proxy,
        closing(connect(kubeconfig)) as direct,
        closing(connect(proxy.kubeconfig)) as through,
    ):
        direct.post(
            "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        )
        yield Beside(proxy, Leases(direct, path), Leases(through, path))
        direct.delete(f"/api/v1/namespaces/{name}")


def creates(method: str, path: str) -> bool:
    return method == "POST" and path.endswith("/leases")


def refusal(connection: KubeClient, path: str) -> str:
    with pytest.raises(ApiError) as refused:
        connection.get(path)
    return str(refused.value)


def test_it_changes_nothing(beside: Beside) -> None:
    """Reads and writes, pages, refusals."""
    for name in "abc":
        beside.through.create(name)
    beside.through.connection.patch(f"{beside.through.path}/a", {"metadata": {"labels": {"a": "9"}}})
    beside.through.connection.delete(f"{beside.through.path}/b")
    page = beside.through.page(limit="1")
    rest = beside.through.page(**{"continue": page["metadata"]["continue"]})
    assert [*page["items"], *rest["items"]] == beside.direct.page()["items"]
    absent = f"{beside.direct.path}/absent"
    assert refusal(beside.through.connection, absent) == refusal(beside.direct.connection, absent)


def test_a_watch_is_the_watch(beside: Beside) -> None:
    """Every change in order, and its end."""
    watching = beside.watch(timeoutSeconds="4")
    for name in "abc":
        beside.direct.create(name)
    assert watching.ended.wait(20)
    assert watching.names == ["a", "b", "c"]


def test_a_request_that_is_held_arrives_when_it_is_let_go(beside: Beside) -> None:
    """And nothing else waits for it."""
    with beside.proxy.holding(creates) as held:
        made = in_background(lambda: beside.through.create("held"))
        wait_until(lambda: held.paths == [beside.through.path], "on its way")
        assert beside.through.page()["items"] == []
        assert not made.is_set()
    assert made.wait(20)
    assert [item["metadata"]["name"] for item in beside.direct.page()["items"]] == ["held"]


def test_a_request_that_is_held_arrives_though_its_sender_has_died(beside: Beside) -> None:
    """What was sent is on its way."""
    with beside.proxy.holding(creates) as held:
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "orphan"}}
        with pytest.raises(Unreachable):
            beside.through.connection.post(beside.through.path, body, 0.2)
        wait_until(lambda: len(held.paths) == 1, "on its way")
        assert beside.direct.page()["items"] == []
    wait_until(lambda: bool(beside.direct.page()["items"]), "made")


def test_a_silent_watch_does_not_end_and_brings_all_of_it_later(beside: Beside) -> None:
    """Others go on."""
    watching = beside.watch()
    beside.direct.create("before")
    wait_until(lambda: watching.names == ["before"], "watched")
    with beside.proxy.silence(beside.through.path):
        beside.direct.create("during")
        assert len(beside.through.page()["items"]) == 2
        assert not watching.ended.wait(0.5)
        assert watching.names == ["before"]
    wait_until(lambda: watching.names == ["before", "during"], "told")


def test_a_late_watch_brings_nothing_sooner(beside: Beside) -> None:
    watching = beside.watch()
    beside.direct.create("prompt")
    wait_until(lambda: watching.names == ["prompt"], "watched")
    beside.proxy.late[beside.through.path] = 0.5
    began = monotonic()
    beside.direct.create("late")
    wait_until(lambda: watching.names == ["prompt", "late"], "told")
    assert monotonic() - began >= 0.5


def test_a_slow_answer_is_the_answer_and_not_sooner(beside: Beside) -> None:
    """The request itself arrives at once."""
    beside.proxy.slow = 0.5
    began = monotonic()
    made = in_background(lambda: beside.through.create("slow"))
    wait_until(lambda: bool(beside.direct.page()["items"]), "made")
    assert made.wait(20)
    assert monotonic() - began >= 0.5


def test_a_cut_ends_every_watch(beside: Beside) -> None:
    watching = beside.watch()
    beside.direct.create("a")
    wait_until(lambda: watching.names == ["a"], "watched")
    beside.proxy.cut()
    assert watching.ended.wait(20)
