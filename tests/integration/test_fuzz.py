"""Nothing that comes in over the wire breaks the server: no crash, no empty 200, no memory kept."""

import itertools
import json
import logging
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import urllib3
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cluster.cache.cache import Cache
from cluster.cache.informers import Informers
from cluster.kube.client import KubeClient, Stream
from extender.http.app import Application
from extender.metrics import Metrics
from policy.api.options import NodeKinds
from tests.integration.server import LIMIT, VERBS, verb_of
from tests.unit.cluster.kube.test_reflector import Waits
from tests.unit.extender.fixtures import CAPPED, CLOUD, DC, World
from tests.unit.extender.http.test_wire import HERE, REASONS, VALID, asking, nested, places, values

Json = Any

RECORDED = {path: path.read_bytes() for path in VALID}
WHOLE = settings(deadline=None)  # other processes of the machine are not what is tested

# The three verbs.


class Asked:
    """An application over a world, and what it answers."""

    def __init__(self, *, synced: bool = True) -> None:
        self.world = World(DC, CLOUD, CAPPED, synced=synced)
        self._application = Application(
            self.world.extender, Metrics(), self.world.extender.not_ready_reason, LIMIT
        )

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        statuses: list[int] = []
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": path,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": BytesIO(body),
            "wsgi.errors": sys.stderr,
        }

        def start_response(status: str, *_: object) -> Callable[[bytes], object]:
            statuses.append(int(status[:3]))
            return lambda _: None

        whole = b"".join(self._application(environ, start_response))
        return statuses[0], whole


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def fine(path: str, body: bytes, *, synced: bool = True) -> int:
    """The status of an answer that kube-scheduler can read, whatever was sent."""
    asked = Asked(synced=synced)
    status, answered = asked.post(path, body)
    assert status in (200, 400, 503)
    answer = json.loads(answered, parse_constant=refuse)
    if status != 200:
        assert answer["Error"]
        assert asked.world.held == {}
        assert not asked.world.cache.attempts
    elif path == "/prioritize":
        assert isinstance(answer, list)
    else:
        assert answer
    return status


verbs = st.sampled_from(sorted(VERBS))
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=5) | st.sampled_from(["Pod", "NodeNames", "Nodes", "metadata", "uid", "spec"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@WHOLE
@given(path=verbs, body=st.binary(max_size=300))
def test_bytes_are_answered_400(path: str, body: bytes) -> None:
    assert fine(path, body) == 400


@WHOLE
@given(path=verbs, document=documents, synced=st.booleans())
def test_any_json_is_answered(path: str, document: Json, synced: bool) -> None:  # noqa: FBT001
    fine(path, json.dumps(document).encode(), synced=synced)


@WHOLE
@given(data=st.data(), recorded=st.sampled_from(VALID), synced=st.booleans())
def test_a_recorded_request_with_wrong_values_is_answered(
    data: st.DataObject,
    recorded: Path,
    synced: bool,  # noqa: FBT001
) -> None:
    """On its own verb, and on those that it is not meant for."""
    written = json.loads(RECORDED[recorded])
    for _ in range(data.draw(st.integers(1, 3))):
        replaced(written, data)
    path = data.draw(st.just(verb_of(recorded.name)) | verbs)
    fine(path, json.dumps(written).encode(), synced=synced)


@WHOLE
@given(data=st.data(), recorded=st.sampled_from(VALID))
def test_a_recorded_request_with_wrong_bytes_is_answered(data: st.DataObject, recorded: Path) -> None:
    """Some cut out, some put in, some twice."""
    body = RECORDED[recorded]
    for _ in range(data.draw(st.integers(1, 4))):
        start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(body))] * 2)))
        end = min(end, start + data.draw(st.integers(0, 40)))
        put = data.draw(st.binary(max_size=8) | st.just(body[start:end] * 2))
        body = body[:start] + put + body[end:]
    fine(verb_of(recorded.name), body)


def replaced(written: Json, data: st.DataObject) -> None:
    """One value of it becomes another one, or goes."""
    ways = places(written)
    if not ways:
        return
    *way, last = data.draw(st.sampled_from(ways))
    inner = written
    for step in way:
        inner = inner[step]
    if data.draw(st.booleans()):
        inner[last] = data.draw(values)
    else:
        del inner[last]


WARM_UP, BAD, CYCLE = 5_000, 100_000, 200
KEPT = 4 * 2**20
"""Bytes. A single one kept of every bad input would show; the allocator's own unrest is below 1 MiB."""


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def bad_inputs() -> list[tuple[str, bytes]]:
    """Requests that are refused, small enough for 100,000 of them to take seconds."""
    files = [(verb_of(name), (HERE / "invalid" / name).read_bytes()) for name in REASONS]
    cuts = [(verb_of(p.name), b[: len(b) * part // 20]) for p, b in RECORDED.items() for part in range(20)]
    odd = [(path, bytes([number]) * number) for path in VERBS for number in range(20)]
    return [*files, *odd, *cuts][:CYCLE]


@pytest.mark.skipif(sys.platform != "linux", reason="reads its own size in /proc")
def test_a_hundred_thousand_bad_requests_leave_no_memory_behind() -> None:
    asked = Asked()
    cycle = itertools.cycle(bad_inputs())
    before = 0
    for number in range(WARM_UP + BAD):
        if number == WARM_UP:
            before = resident()
        status, _ = asked.post(*next(cycle))
        assert 400 <= status < 500
    assert resident() - before < KEPT
    assert asked.world.held == {}
    assert not asked.world.cache.attempts


# The watches.

MADE_UP = {"metadata": {"name": "a", "namespace": "default", "uid": "a", "resourceVersion": "7"}}
AFTERWARDS = {"metadata": {"name": "b", "namespace": "default", "uid": "b", "resourceVersion": "8"}}
UNITS = [{"nodeSelector": {"pool": "dc"}, "max": 1}]
OBJECTS: Mapping[str, Json] = {
    "nodes": {
        **MADE_UP,
        "spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]},
        "status": {"allocatable": {"cpu": "4", "pods": "110"}},
    },
    "pods": {**json.loads(asking())["Pod"], **MADE_UP, "status": {"phase": "Pending", "conditions": []}},
    "resourcepolicies": {**MADE_UP, "spec": {"units": UNITS}},
}


class Told(KubeClient):
    """An API server's side of a watch: an empty list whenever asked, first `lines`, then a good line."""

    def __init__(self, lines: bytes, good: bytes) -> None:
        self.bodies = iter([lines])
        self._good = good

    def get(self, *_: object, **__: object) -> bytes:
        return b'{"metadata":{"resourceVersion":"5"},"items":[]}'

    @contextmanager
    def stream(self, *_: object, **__: object) -> Generator[Stream, None, None]:
        body = BytesIO(next(self.bodies, self._good))
        yield Stream(urllib3.HTTPResponse(body, preload_content=False))


def an_event(kind: str, told: Json) -> bytes:
    return json.dumps({"type": kind, "object": told}).encode()


def follows(resource: str, *lines: bytes) -> None:
    """Whatever the lines were, the reflector lives and brings what comes after them."""
    cache = Cache(lambda: 0.0, NodeKinds(), reservation_seconds=600.0, remembers_since=0.0)
    good = an_event("ADDED", OBJECTS[resource] | AFTERWARDS) + b"\n"
    connection = Told(b"".join(line + b"\n" for line in lines), good)
    reflector = Informers(connection, cache).reflectors[resource]
    reflector.run(Waits([], at_most=2))
    known = {
        "nodes": "b" in cache.nodes,
        "pods": any(pod.uid == "b" for pod in cache.pods()),
        "resourcepolicies": "default/b" in {policy.key for policy in cache.policies},
    }
    assert known[resource]


resources = st.sampled_from(sorted(OBJECTS))
kinds = st.sampled_from(["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"])


@WHOLE
@given(resource=resources, lines=st.lists(st.binary(max_size=80), max_size=5))
def test_lines_of_bytes_do_not_end_a_watch_for_good(resource: str, lines: list[bytes]) -> None:
    follows(resource, *lines)


@WHOLE
@given(resource=resources, told=st.lists(st.tuples(kinds | st.text(max_size=5), documents), max_size=4))
@example("resourcepolicies", [("ADDED", {})])
@example("resourcepolicies", [("ADDED", {"metadata": {"name": 1}})])
def test_events_about_anything_do_not_end_a_watch_for_good(
    resource: str, told: list[tuple[str, Json]]
) -> None:
    follows(resource, *[an_event(*one) for one in told])


@WHOLE
@given(resource=resources, told=st.lists(kinds, min_size=1, max_size=3), data=st.data())
def test_objects_with_wrong_values_do_not_end_a_watch_for_good(
    resource: str, told: list[str], data: st.DataObject
) -> None:
    lines: list[bytes] = []
    for kind in told:
        written = json.loads(json.dumps(OBJECTS[resource]))
        replaced(written, data)
        lines.append(an_event(kind, written))
    follows(resource, *lines)


def bad_lines(resource: str) -> list[bytes]:
    """What a watch may bring, most of it wrong; each object under one of few names."""
    good = OBJECTS[resource]
    wrong = [{**good, key: value} for key in good for value in (1, "x", [None])]
    kinds = ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR", "NOISE")
    cuts = [an_event("ADDED", good)[: 7 * part] for part in range(20)]
    return [*(an_event(kind, each) for kind in kinds for each in (*wrong, good)), *cuts]


@pytest.mark.skipif(sys.platform != "linux", reason="reads its own size in /proc")
@pytest.mark.parametrize("resource", OBJECTS)
def test_a_hundred_thousand_bad_lines_leave_no_memory_behind(
    resource: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the three watches together."""
    caplog.set_level(logging.CRITICAL)  # it keeps what is logged
    cache = Cache(lambda: 0.0, NodeKinds(), reservation_seconds=600.0, remembers_since=0.0)
    lines = itertools.cycle(bad_lines(resource))
    told = Told(b"", b"")
    reflector = Informers(told, cache).reflectors[resource]
    before = 0
    for number in range(WARM_UP + BAD // len(OBJECTS)):
        if number == WARM_UP:
            before = resident()
        told.bodies = iter([next(lines) + b"\n"])
        reflector.run(Waits([], at_most=1))
    assert resident() - before < KEPT


@pytest.mark.parametrize("resource", OBJECTS)
def test_a_line_of_brackets_does_not_end_a_watch_for_good(resource: str) -> None:
    follows(resource, nested(100_000))
    inner = an_event("ADDED", {**OBJECTS[resource], "unread": 0})
    follows(resource, inner.replace(b'"unread": 0', b'"unread": ' + nested(100_000)))
