"""The models themselves: bindings that conflict, watches that are late, a queue that backs off."""

import pytest

from faults.apiserver import ApiServer, Conflict, Object, Resource
from faults.loop import Loop
from faults.queue import Failure, Queue
from faults.watch import Sink, Watch
from policy.objects import Phase, Pod

_LAG = 0.5


def _pod(name: str = "p") -> Pod:
    return Pod(uid=name, namespace="default", name=name, created=0.0)


def _api() -> tuple[Loop, ApiServer]:
    loop = Loop()
    return loop, ApiServer(loop)


def test_a_pod_is_bound_once() -> None:
    """The binding subresource refuses a second node, and a pod that is gone or leaving."""
    _, api = _api()
    api.put_pod(_pod())
    api.bind("p", "n1")
    with pytest.raises(Conflict):
        api.bind("p", "n2")
    with pytest.raises(Conflict):
        api.bind("gone", "n1")
    api.put_pod(_pod("leaving"))
    api.terminate("leaving")
    with pytest.raises(Conflict):
        api.bind("leaving", "n1")
    assert api.pods["p"].node_name == "n1"


def test_conditions_and_ends_need_the_right_state() -> None:
    """A late condition does not reach a bound pod; only a bound pod finishes."""
    _, api = _api()
    api.put_pod(_pod())
    api.finish("p", Phase.SUCCEEDED)
    assert not api.pods["p"].finished
    api.refuse("p", "no room", unschedulable=True)
    assert api.pods["p"].unschedulable
    api.bind("p", "n1")
    version = api.version
    api.refuse("p", "no room", unschedulable=True)
    assert api.version == version
    assert not api.pods["p"].unschedulable


def test_callbacks_come_in_order() -> None:
    """By time, then by who asked first; what is past happens at once."""
    loop = Loop()
    seen: list[str] = []
    loop.after(2, lambda: seen.append("late"))
    loop.after(1, lambda: seen.append("first"))
    loop.after(1, lambda: seen.append("second"))
    loop.at(0, lambda: seen.append("past"))
    loop.run(loop.now + 5)
    assert seen == ["past", "first", "second", "late"]


class _Seen:
    """A sink that writes down what arrives."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.sink = Sink(
            lambda items: self.log.append(f"list of {len(items)}"),
            lambda item: self.log.append(f"+{_name(item)}"),
            lambda item: self.log.append(f"-{_name(item)}"),
        )


def _name(item: Object) -> str:
    return item.name


def _current(watch: Watch) -> bool:
    return watch.current


def test_a_watch_is_late_and_in_order() -> None:
    """Nothing before the lag is over, and never one change before another."""
    loop, api = _api()
    seen = _Seen()
    watch = Watch(loop, api, Resource.PODS, seen.sink, _LAG)
    loop.run(loop.now + 2)
    assert seen.log == ["list of 0"]
    assert _current(watch)
    api.put_pod(_pod("a"))
    watch.hold(3)
    api.remove_pod("a")
    loop.run(loop.now + 2)
    assert seen.log == ["list of 0"]
    assert not _current(watch)
    loop.run(loop.now + 2)
    assert seen.log == ["list of 0", "+a", "-a"]


def test_a_broken_watch_misses_what_a_list_does_not_show() -> None:
    """A pod that lived in between is never heard of."""
    loop, api = _api()
    seen = _Seen()
    watch = Watch(loop, api, Resource.PODS, seen.sink, _LAG)
    loop.run(loop.now + 2)
    watch.list_again(5)
    api.put_pod(_pod("a"))
    api.remove_pod("a")
    api.put_pod(_pod("b"))
    loop.run(loop.now + 10)
    assert seen.log == ["list of 0", "list of 1"]


def test_refused_pods_wait_for_an_event_and_errors_for_time() -> None:
    """An extender's refusal moves on any event, an in-tree one on room, an error by itself."""
    queue = Queue()
    for name in ("extender", "tree", "error"):
        queue.add(_pod(name))
    failures = {
        "extender": Failure("full", extender=True),
        "tree": Failure("room"),
        "error": Failure("x", error=True),
    }
    for _ in failures:
        queued = queue.pop(0.0)
        assert queued is not None
        queue.failed(queued, failures[queued.pod.uid], 0.0)
    assert queue.stuck.keys() == {"extender", "tree"}
    assert queue.next_ready() == 1.0

    queue.event(0.5, room=False)
    assert queue.stuck.keys() == {"tree"}
    popped = queue.pop(0.5)
    assert popped is not None
    assert popped.pod.uid == "extender", "popped early, as nothing is active; the error is not"
    assert queue.pop(0.5) is None
    queue.event(2.0, room=True)
    assert not queue.stuck


def test_an_event_during_an_attempt_is_not_lost() -> None:
    """The pod backs off instead of getting stuck."""
    queue = Queue()
    queue.add(_pod())
    queued = queue.pop(0.0)
    assert queued is not None
    queue.event(0.0, room=False)
    queue.failed(queued, Failure("room"), 0.0)
    assert not queue.stuck
    assert queue.next_ready() == 1.0


def test_what_is_stuck_is_flushed_after_five_minutes() -> None:
    """The last resort of the scheduler."""
    queue = Queue()
    queue.add(_pod())
    queued = queue.pop(0.0)
    assert queued is not None
    queue.failed(queued, Failure("room"), 0.0)
    queue.flush(299.0)
    assert queue.stuck
    queue.flush(301.0)
    assert not queue.stuck
