"""What the reflector relies on, asked of our fake API server and of the real one alike.

Facts: Kubernetes "API concepts" (efficient detection of changes, chunked lists).
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from cluster.kube.client import ApiError, KubeClient, connect
from cluster.kube.reflector import Reflector, Resource
from tests.fake_apiserver import FakeApiServer

# Nothing else writes leases into a namespace of ours (configmaps would get kube-root-ca.crt).
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass(frozen=True, slots=True)
class Leases:
    """A client of one empty collection."""

    connection: KubeClient
    path: str

    def create(self, name: str) -> Any:  # noqa: ANN401 - JSON
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "labels": {"a": "1", "b": "2"}},
        }
        return msgspec.json.decode(self.connection.post(self.path, body))

    def page(self, **query: str) -> Any:  # noqa: ANN401 - JSON
        return msgspec.json.decode(self.connection.get(self.path, query))

    def version(self) -> str:
        version: str = self.page()["metadata"]["resourceVersion"]
        return version

    def watch(self, since: str, count: int) -> list[tuple[str, str]]:
        """The first `count` changes after a version: what happened, to what."""
        query = {"watch": "true", "resourceVersion": since, "timeoutSeconds": "30"}
        with self.connection.stream(self.path, query, 20) as lines:
            events = [msgspec.json.decode(line) for _, line in zip(range(count), lines)]  # noqa: B905
        return [(event["type"], event["object"]["metadata"]["name"]) for event in events]


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.plane)])
def connection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KubeClient]:
    if request.param == "real":
        with closing(connect(request.getfixturevalue("plane").kubeconfig)) as connection:
            yield connection
        return
    with FakeApiServer() as api, closing(connect(api.kubeconfig(tmp_path))) as connection:
        yield connection


@pytest.fixture
def leases(connection: KubeClient) -> Iterator[Leases]:
    name = f"contract-{uuid4().hex[:8]}"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    connection.post("/api/v1/namespaces", namespace)
    yield Leases(connection, LEASES.format(name))
    connection.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def young(connection: KubeClient) -> Iterator[str]:
    """A collection that began after version 1, as its kind came after the server."""
    group = f"{uuid4().hex[:8]}.contract.example.com"
    schema = {"openAPIV3Schema": {"type": "object"}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "scope": "Cluster",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    connection.post(CRDS, definition)
    path = f"/apis/{group}/v1/things"
    wait_until(lambda: served(connection, path), "served")
    yield path
    connection.delete(f"{CRDS}/things.{group}")


def served(connection: KubeClient, path: str) -> bool:
    try:
        return bool(connection.get(path))
    except ApiError:
        return False


def names(page: Any) -> list[str]:  # noqa: ANN401 - JSON
    return [item["metadata"]["name"] for item in page["items"]]


def test_pages_are_of_one_version_and_together_are_the_list(leases: Leases) -> None:
    for name in "abcde":
        leases.create(name)
    first = leases.page(limit="2")
    leases.create("aa")  # after the first page was read: not of this list
    second = leases.page(limit="2", **{"continue": first["metadata"]["continue"]})
    third = leases.page(limit="2", **{"continue": second["metadata"]["continue"]})
    assert [names(page) for page in (first, second, third)] == [["a", "b"], ["c", "d"], ["e"]]
    assert len({page["metadata"]["resourceVersion"] for page in (first, second, third)}) == 1
    assert not third["metadata"].get("continue")


def test_a_continue_token_that_was_never_given_is_a_bad_request(leases: Leases) -> None:
    leases.create("a")
    with pytest.raises(ApiError) as refusal:
        leases.page(limit="1", **{"continue": "garbage"})
    assert refusal.value.status == 400


def test_a_watch_brings_every_change_after_its_version_in_order(leases: Leases) -> None:
    leases.create("before")
    start = leases.version()
    middle = leases.create("a")["metadata"]["resourceVersion"]
    leases.connection.patch(f"{leases.path}/a", {"metadata": {"labels": {"a": "3"}}})
    leases.connection.delete(f"{leases.path}/a")
    changes = [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert leases.watch(start, 3) == changes
    assert leases.watch(middle, 2) == changes[1:]


def test_a_deletion_brings_the_last_state_with_a_version_to_resume_at(leases: Leases) -> None:
    start = leases.create("a")["metadata"]["resourceVersion"]
    leases.connection.delete(f"{leases.path}/a")
    query = {"watch": "true", "resourceVersion": start, "timeoutSeconds": "30"}
    with leases.connection.stream(leases.path, query, 20) as lines:
        metadata = msgspec.json.decode(next(iter(lines)))["object"]["metadata"]
    assert metadata["labels"] == {"a": "1", "b": "2"}
    assert metadata["resourceVersion"] != start
    leases.create("b")
    assert leases.watch(metadata["resourceVersion"], 1) == [("ADDED", "b")]


def test_a_watch_ends_in_good_order_at_its_timeout_after_a_bookmark(leases: Leases) -> None:
    start = leases.create("a")["metadata"]["resourceVersion"]
    query = {"watch": "true", "resourceVersion": start, "timeoutSeconds": "4"}
    with leases.connection.stream(leases.path, {**query, "allowWatchBookmarks": "true"}, 20) as lines:
        leases.create("b")
        events = [msgspec.json.decode(line) for line in lines]
    added, *bookmarks = events
    assert added["type"] == "ADDED"
    assert {event["type"] for event in bookmarks} == {"BOOKMARK"}
    assert all(event["object"]["metadata"]["resourceVersion"] for event in bookmarks)
    assert not any("name" in event["object"]["metadata"] for event in bookmarks)


def test_a_list_of_one_tells_the_version_of_the_moment(leases: Leases) -> None:
    """Though nothing happened in the collection itself."""
    leases.create("a")
    elsewhere = written_elsewhere(leases)
    assert int(leases.page(limit="1")["metadata"]["resourceVersion"]) >= elsewhere


def test_an_idle_watch_comes_as_far_as_a_list_told(leases: Leases) -> None:
    """By the bookmark before its end: so the age of a view is known where nothing happens."""
    start = leases.create("a")["metadata"]["resourceVersion"]
    query = {"watch": "true", "resourceVersion": start, "timeoutSeconds": "4", "allowWatchBookmarks": "true"}
    with leases.connection.stream(leases.path, query, 20) as lines:
        written_elsewhere(leases)
        told = int(leases.page(limit="1")["metadata"]["resourceVersion"])
        *_, last = (msgspec.json.decode(line) for line in lines)
    assert last["type"] == "BOOKMARK"
    assert int(last["object"]["metadata"]["resourceVersion"]) >= told > int(start)


def written_elsewhere(leases: Leases) -> int:
    """The version of a write to another collection."""
    path = leases.path.replace("/apis/coordination.k8s.io/v1", "/api/v1").replace("/leases", "/configmaps")
    written = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": uuid4().hex}}
    made = msgspec.json.decode(leases.connection.post(path, written))
    return int(made["metadata"]["resourceVersion"])


def test_a_version_too_old_to_watch_from_is_an_error_event(connection: KubeClient, young: str) -> None:
    query = {"watch": "true", "resourceVersion": "1", "timeoutSeconds": "30"}
    with connection.stream(young, query, 20) as lines:
        event = msgspec.json.decode(next(iter(lines)))
    assert event["type"] == "ERROR"
    assert event["object"]["kind"] == "Status"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


def test_what_is_absent_is_answered_404(leases: Leases) -> None:
    with pytest.raises(ApiError, match="not found") as refusal:
        leases.connection.get(f"{leases.path}/absent")
    assert (refusal.value.status, refusal.value.reason) == (404, "NotFound")


def test_a_name_is_created_once(leases: Leases) -> None:
    leases.create("a")
    with pytest.raises(ApiError) as refusal:
        leases.create("a")
    assert (refusal.value.status, refusal.value.reason) == (409, "AlreadyExists")


def test_a_write_or_deletion_of_an_older_version_is_a_conflict(leases: Leases) -> None:
    old = leases.create("a")
    leases.connection.patch(f"{leases.path}/a", {"metadata": {"labels": {"a": "3"}}})
    version = old["metadata"]["resourceVersion"]
    with pytest.raises(ApiError) as put:
        leases.connection.put(f"{leases.path}/a", old)
    with pytest.raises(ApiError) as delete:
        leases.connection.delete(f"{leases.path}/a", {"preconditions": {"resourceVersion": version}})
    assert [(e.value.status, e.value.reason) for e in (put, delete)] == [(409, "Conflict")] * 2


def test_a_merge_patch_removes_what_it_sets_to_null(leases: Leases) -> None:
    leases.create("a")
    patch = {"metadata": {"labels": {"a": None}}}
    patched = msgspec.json.decode(leases.connection.patch(f"{leases.path}/a", patch))
    assert patched["metadata"]["labels"] == {"b": "2"}


def test_a_patch_of_the_status_writes_nothing_else(leases: Leases) -> None:
    namespace = leases.path.split("/")[5]
    path = f"/api/v1/namespaces/{namespace}/resourcequotas"
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}}
    leases.connection.post(path, {**quota, "spec": {"hard": {"pods": "5"}}})
    change = {"spec": {"hard": {"pods": "9"}}, "status": {"hard": {"pods": "7"}}}
    leases.connection.patch(f"{path}/q/status", change)
    stored = msgspec.json.decode(leases.connection.get(f"{path}/q"))
    assert stored["spec"]["hard"] == {"pods": "5"}
    assert stored["status"]["hard"] == {"pods": "7"}


class _Named(msgspec.Struct):
    name: str


class _Lease(msgspec.Struct):
    metadata: _Named


class _Names(set[str]):
    """A sink."""

    def replace(self, items: Sequence[str]) -> None:
        self.clear()
        self.update(items)

    upsert = set.add
    remove = set.discard

    def begin_list(self) -> None: ...


def test_a_reflector_follows(leases: Leases) -> None:
    leases.create("a")
    leases.create("b")
    kept, stop = _Names(), threading.Event()
    resource = Resource(leases.path, _Lease, lambda lease: lease.metadata.name)
    reflector = Reflector(leases.connection, resource, kept, page=1)
    thread = threading.Thread(target=reflector.run, args=(stop,), daemon=True)
    thread.start()
    wait_until(lambda: kept == {"a", "b"}, "listed")
    leases.create("c")
    leases.connection.delete(f"{leases.path}/a")
    wait_until(lambda: kept == {"b", "c"}, "followed")
    stop.set()
    leases.connection.close()  # wakes the watch, through TLS too
    thread.join(10)
    assert not thread.is_alive()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    until, tick = monotonic() + 20, threading.Event()
    while not condition():
        assert monotonic() < until, f"never {what}"
        tick.wait(0.01)
