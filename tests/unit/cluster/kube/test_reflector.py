"""What the sink has seen, whatever the API server and the network did."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.kube.client import connect
from cluster.kube.reflector import Backoff, Reflector, Resource
from tests.fake_apiserver import FakeApiServer, Fault

PODS = "/api/v1/pods"
DEADLINE = 10.0


class Meta(msgspec.Struct, frozen=True):
    name: str
    namespace: str = ""


class Thing(msgspec.Struct, frozen=True):
    metadata: Meta
    size: int = 0


def to_item(thing: Thing) -> tuple[str, int]:
    if thing.size < 0:
        raise ValueError("a size below zero")
    return thing.metadata.name, thing.size


class Recorder:
    """A sink that keeps what it has and how it was told."""

    def __init__(self) -> None:
        self.items: dict[str, int] = {}
        self.calls: list[str] = []

    def begin_list(self) -> None: ...

    def replace(self, items: Sequence[tuple[str, int]]) -> None:
        self.calls.append("replace")
        self.items = dict(items)

    def upsert(self, item: tuple[str, int]) -> None:
        self.calls.append(f"upsert {item[0]}")
        self.items = {**self.items, item[0]: item[1]}

    def remove(self, item: tuple[str, int]) -> None:
        self.calls.append(f"remove {item[0]}")
        self.items = {name: size for name, size in self.items.items() if name != item[0]}


class World:
    """A fake API server, a reflector of its pods, and the sink."""

    def __init__(
        self, api: FakeApiServer, reflector: Reflector[Thing, tuple[str, int]], sink: Recorder
    ) -> None:
        self.api = api
        self.reflector = reflector
        self.sink = sink
        self.stop = threading.Event()
        self.thread = threading.Thread(target=reflector.run, args=(self.stop,), daemon=True)

    def put(self, name: str, size: object = 0) -> None:
        self.api.put(PODS, "default", name, size=size)

    def delete(self, name: str) -> None:
        self.api.delete(PODS, "default", name)

    def has(self, **items: int) -> None:
        wait_for(lambda: self.sink.items == items, lambda: f"{self.sink.items} is not {items}")

    def watches(self) -> list[str]:
        return [r.query["resourceVersion"] for r in self.api.requests if r.verb == "WATCH"]

    def lists(self) -> int:
        return sum(r.verb == "GET" and "continue" not in r.query for r in self.api.requests)

    def watching(self, since: int = 0) -> None:
        wait_for(lambda: len(self.watches()) > since and self.api.watching == 1)


def wait_for(condition: Callable[[], bool], why: Callable[[], str] = lambda: "not so") -> None:
    until = monotonic() + DEADLINE
    tick = threading.Event()
    while not condition():
        assert monotonic() < until, why()
        tick.wait(0.001)


@contextmanager
def a_world(
    *before: str, stall: float = 60, page: int = 2, faults: Sequence[Fault] = (), start: bool = True
) -> Iterator[World]:
    with (
        TemporaryDirectory() as directory,
        FakeApiServer() as api,
        closing(connect(api.kubeconfig(Path(directory)))) as connection,
    ):
        sink = Recorder()
        reflector = Reflector(
            connection,
            Resource(PODS, Thing, to_item),
            sink,
            stall=stall,
            page=page,
            backoff=Backoff(first=0.001, ceiling=0.01),
        )
        world = World(api, reflector, sink)
        api.fail("list", *faults)
        for name in before:
            world.put(name)
        if start:
            world.thread.start()
        try:
            yield world
        finally:
            world.stop.set()
            connection.close()
            if world.thread.ident:
                world.thread.join(DEADLINE)
                assert not world.thread.is_alive()


def an_error(code: int) -> Fault:
    return Fault(send=f'{{"type":"ERROR","object":{{"code":{code},"reason":"R"}}}}\n', then="end")


def test_a_list_of_many_pages_is_delivered_as_one() -> None:
    with a_world("a", "b", "c", "d", "e", page=2) as world:
        world.has(a=0, b=0, c=0, d=0, e=0)
        assert world.sink.calls == ["replace"]
        assert world.reflector.synced
        world.watching()
        assert world.watches() == ["105"]
        assert [r.query["limit"] for r in world.api.requests if r.verb == "GET"] == ["2"] * 3


def test_nothing_is_synced_before_the_first_whole_list() -> None:
    with a_world(start=False) as world:
        assert not world.reflector.synced
        assert world.reflector.listed_at is None
        assert not world.reflector.version


def test_changes_after_the_list_arrive_in_order() -> None:
    with a_world("a") as world:
        world.watching()
        world.put("b", 1)
        world.put("b", 2)
        world.delete("a")
        world.has(b=2)
        assert world.sink.calls == ["replace", "upsert b", "upsert b", "remove a"]
        assert world.reflector.events == 3
        assert world.reflector.relists == 0


@pytest.mark.parametrize("faults", [[], [Fault(status=503)] * 3, [Fault(), Fault(status=410)]])
def test_a_list_that_is_wanted_is_made_whatever_happens(faults: list[Fault]) -> None:
    """Though the watch is silent, and lists fail at first; it holds what there is from now on."""
    with a_world("a", "b", "c") as world:
        world.watching()
        listed = world.reflector.listed_at
        world.api.fail("watch", Fault(then="stall"))
        world.api.drop_watches()
        world.watching(since=1)
        world.put("d")
        world.api.fail("list", *faults)
        wanted = monotonic()
        world.reflector.list_again()
        world.has(a=0, b=0, c=0, d=0)
        wait_for(lambda: (world.reflector.listed_at or 0) >= wanted)
        assert listed is not None
        assert listed < wanted
        world.put("e")
        world.has(a=0, b=0, c=0, d=0, e=0)


def test_an_expired_continue_token_starts_the_list_again() -> None:
    with a_world("a", "b", "c", start=False, page=1) as world:
        # Compacting between the pages is what the 410 on the second list request stands for.
        world.api.fail("list", Fault(), Fault(status=410))
        world.thread.start()
        world.has(a=0, b=0, c=0)
        assert world.sink.calls == ["replace"]
        assert world.lists() == 2


@pytest.mark.parametrize("then", ["end", "drop"])
def test_a_watch_that_ends_is_resumed_where_it_was(then: str) -> None:
    with a_world("a") as world:
        world.watching()
        world.put("b")
        world.has(a=0, b=0)
        send = '{"type":"ADD' if then == "drop" else ""
        world.api.fail("watch", Fault(send=send, then="drop" if then == "drop" else "end"))
        world.api.drop_watches()
        world.watching(since=2)
        world.put("c")
        world.has(a=0, b=0, c=0)
        assert set(world.watches()[1:]) == {"102"}
        assert world.sink.calls.count("replace") == 1


def test_a_bookmark_moves_the_place_to_resume_at() -> None:
    with a_world("a") as world:
        world.watching()
        world.api.put("/api/v1/nodes", "", "other")  # moves the version, is no event of ours
        assert world.reflector.version == "101"
        world.api.bookmark()
        wait_for(lambda: world.reflector.version == "102")
        world.api.drop_watches()
        world.watching(since=1)
        assert world.watches()[:2] == ["101", "102"]
        assert world.reflector.events == 0


def test_a_place_that_is_too_old_is_listed_again_and_what_was_missed_is_gone() -> None:
    with a_world("a", "b") as world:
        world.watching()
        with world.api.changed:
            world.api.drop_watches()
            world.delete("a")
            world.put("c")
            world.api.compact()
        world.has(b=0, c=0)
        assert world.reflector.relists == 1
        assert world.sink.calls == ["replace", "replace"]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(status=410), id="410 for the watch request"),
        pytest.param(an_error(410), id="410 as an event"),
        pytest.param(an_error(500), id="another error as an event"),
        pytest.param(Fault(send="{}\n", then="end"), id="a line that is no event"),
        pytest.param(Fault(send="{[\n", then="end"), id="a line that is no JSON"),
        pytest.param(Fault(status=400), id="a version the server cannot read"),
    ],
)
def test_it_lists_again_after(fault: Fault) -> None:
    with a_world("a") as world:
        world.watching()
        world.api.fail("watch", fault)
        world.api.drop_watches()
        wait_for(lambda: world.reflector.relists == 1)
        world.put("b")
        world.has(a=0, b=0)


def test_a_storm_of_410_is_met_ever_more_slowly() -> None:
    """Each costs a list of everything: an API server that compacts without end must not be drowned by us."""
    waits: list[float] = []
    with a_world("a", "b", start=False) as world:
        world.reflector._backoff = Backoff(jitter=lambda: 1)  # noqa: SLF001  its default, without the dice
        world.api.fail("watch", *[Fault(status=410)] * 6, *[an_error(410)] * 6)
        world.reflector.run(Waits(waits, at_most=12))
        assert waits == [*(0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6), 30, 30, 30]
        assert world.lists() == 12
        assert world.sink.items == {"a": 0, "b": 0}


def test_bytes_that_are_no_text_are_listed_again() -> None:
    with a_world("a") as world:
        world.watching()
        world.api.fail("watch", Fault(send='{"type":"\udcff"}\n', then="end"))
        world.api.drop_watches()
        wait_for(lambda: world.reflector.relists == 1)


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_refused_watch_is_asked_for_again_at_the_same_place(status: int) -> None:
    with a_world("a") as world:
        world.watching()
        world.api.fail("watch", Fault(status=status))
        world.api.drop_watches()
        world.watching(since=1)
        assert world.watches() == ["101", "101"]
        assert world.reflector.relists == 0


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_refused_list_is_asked_for_again(status: int) -> None:
    with a_world("a", faults=[Fault(status=status)] * 3) as world:
        world.has(a=0)
        assert world.reflector.relists == 0


def test_a_list_that_is_no_list_is_asked_for_again() -> None:
    garbage = [Fault(status=200, body=body) for body in ("<html>", "[]", '{"items":[]}')]
    with a_world("a", faults=garbage) as world:
        world.has(a=0)


def test_a_missing_right_is_named(caplog: pytest.LogCaptureFixture) -> None:
    body = '{"code": 403, "reason": "Forbidden", "message": "User x cannot list pods"}'
    with a_world(faults=[Fault(status=403, body=body)]) as world:
        wait_for(lambda: world.reflector.synced)
    assert "/api/v1/pods: our account needs list and watch: 403 Forbidden: User x cannot" in (caplog.text)


def test_retry_after_is_honoured() -> None:
    waits: list[float] = []
    with a_world("a", start=False, faults=[Fault(status=429, retry_after=17)]) as world:
        world.reflector.run(Waits(waits, at_most=1))
    assert waits == [17]


def test_failures_are_retried_ever_more_slowly_and_a_success_forgets_them() -> None:
    backoff = Backoff(jitter=lambda: 1)
    assert [backoff.failed() for _ in range(10)] == [
        *(0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6),
        30,
    ]
    backoff.reset()
    assert backoff.failed() == 0.1
    assert backoff.slow() == 30
    assert 0.05 <= Backoff().failed() <= 0.1


def test_a_stalled_watch_is_broken_and_resumed() -> None:
    with a_world("a", start=False, stall=0.05) as world:
        world.api.fail("watch", Fault(then="stall"))
        world.thread.start()
        wait_for(lambda: len(world.watches()) > 1)
        world.put("b")
        world.has(a=0, b=0)
        assert world.reflector.relists == 0


def test_a_server_that_starts_after_us_is_waited_for(tmp_path: Path) -> None:
    with FakeApiServer() as earlier:
        kubeconfig = earlier.kubeconfig(tmp_path)
    sink, stop = Recorder(), threading.Event()
    with closing(connect(kubeconfig)) as connection:
        resource = Resource(PODS, Thing, to_item)
        backoff = Backoff(first=0.001, ceiling=0.01)
        reflector = Reflector(connection, resource, sink, backoff=backoff)
        thread = threading.Thread(target=reflector.run, args=(stop,), daemon=True)
        thread.start()
        with FakeApiServer(port=earlier.port) as api:
            api.put(PODS, "default", "a")
            wait_for(lambda: reflector.synced)
            stop.set()
            connection.close()
        thread.join(DEADLINE)
        assert not thread.is_alive()


def test_an_object_not_understood_is_skipped_counted_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with a_world(start=False) as world:
        world.put("a")
        world.put("bad", "a string")
        world.put("negative", -1)
        world.thread.start()
        world.has(a=0)
        world.watching()
        world.put("bad", "another")
        world.put("b")
        world.has(a=0, b=0)
        assert world.reflector.undecodable == 3
    warned = [r.message for r in caplog.records if "not understood" in r.message]
    assert len(warned) == 2
    assert "default/bad skipped" in warned[0]
    assert "default/negative skipped, not understood: a size below zero" in warned[1]


def test_an_object_that_becomes_understandable_is_delivered() -> None:
    with a_world("a") as world:
        world.watching()
        world.put("b", "bad")
        world.put("b", 1)
        world.has(a=0, b=1)
        world.put("b", -1)
        world.has(a=0)


@pytest.mark.parametrize("last", ["a string", -1])
def test_an_object_deleted_in_a_state_not_understood_leaves_the_sink(last: object) -> None:
    with a_world("a", "b") as world:
        world.watching()
        with world.api.changed:
            world.put("a", last)
            world.delete("a")
        world.has(b=0)


def test_unknown_events_are_ignored() -> None:
    send = '{"type":"SPLIT","object":{}}\n'
    with a_world("a", start=False) as world:
        world.api.fail("watch", Fault(send=send))
        world.thread.start()
        world.watching()
        world.put("b")
        world.has(a=0, b=0)
        assert world.reflector.events == 1


def test_one_line_is_logged_per_failure(caplog: pytest.LogCaptureFixture) -> None:
    with a_world("a", faults=[Fault(status=500)] * 4) as world:
        world.has(a=0)
    failures = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len(failures) == 4
    assert "next try in 0.0 s" in failures[0].message


class Waits(threading.Event):
    """Stops after so many waits, having slept none of them."""

    def __init__(self, waits: list[float], at_most: int) -> None:
        super().__init__()
        self.waits = waits
        self.at_most = at_most

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0)
        if len(self.waits) >= self.at_most:
            self.set()
        return self.is_set()


NAMES = st.sampled_from("abcde")
STEPS = st.one_of(
    st.tuples(st.just("put"), NAMES, st.sampled_from([0, 1, 2, -1, "bad"])),
    st.tuples(st.just("delete"), NAMES, st.just(0)),
    st.tuples(st.sampled_from(["compact", "bookmark", "drop", "settle"]), st.just(""), st.just(0)),
    st.tuples(
        st.sampled_from(["list", "watch"]),
        st.just(""),
        st.sampled_from([
            Fault(status=500), Fault(status=410), Fault(status=429, retry_after=0),
            Fault(status=403), Fault(send='{"type"', then="drop"), Fault(then="end"),
            Fault(send="{}\n", then="end"), an_error(410), an_error(500),
        ]),
    ),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_whatever_happens_the_sink_ends_equal_to_the_server(
    steps: list[tuple[str, str, object]],
) -> None:
    with a_world("a", "b", "c") as world:
        for step, name, value in steps:
            act(world, step, name, value)
        key = ("/api/v1/pods", "default")
        world.api.put(PODS, "default", "last", size=9)
        world.has(**{
            name: thing["size"]
            for (*where, name), thing in world.api.objects.items()
            if tuple(where) == key and isinstance(thing["size"], int) and thing["size"] >= 0
        })  # fmt: skip


def act(world: World, step: str, name: str, value: object) -> None:
    api = world.api
    if step == "put":
        world.put(name, value)
    elif step == "delete":
        if (PODS, "default", name) in api.objects:
            world.delete(name)
    elif isinstance(value, Fault):
        api.fail("list" if step == "list" else "watch", value)
        api.drop_watches()
    elif step == "settle":
        world.watching()
    else:
        {"compact": api.compact, "bookmark": api.bookmark, "drop": api.drop_watches}[step]()


@pytest.mark.parametrize(
    "line",
    [
        pytest.param('{"type":"ADDED","object":{"a":' + "[" * 1000 + "]" * 1000 + "}}", id="nested deeply"),
        pytest.param('{"type":"ADDED","object":{}}', id="an object without metadata"),
    ],
)
def test_a_watch_line_that_breaks_the_decoder_does_not_end_the_thread(line: str) -> None:
    with a_world("a") as world:
        world.has(a=0)
        world.api.fail("watch", Fault(send=line + "\n", then="end"))
        world.api.drop_watches()
        world.put("b", 7)
        world.has(a=0, b=7)


def test_a_bug_in_the_sink_is_logged_and_all_is_listed_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    with a_world("a") as world:
        world.has(a=0)
        world.watching()
        monkeypatch.setattr(world.sink, "upsert", broken)
        world.put("b", 7)
        world.has(a=0, b=7)
    assert "a bug; listing again" in caplog.text
