"""The models themselves: bindings that conflict, watches that are late, a queue that backs off, victims."""

import math
from collections.abc import Collection

import pytest

from dev.faultsim.apiserver_model import ApiServer, Conflict, Object, Resource
from dev.faultsim.scheduler_cache import PodRecorder
from dev.faultsim.scheduler_queue import Failure, Queue
from dev.faultsim.virtual_clock import Loop
from dev.faultsim.watch_model import Sink, Watch
from policy.api.objects import Node, Phase, Pod

_LAG = 0.5


def _pod(name: str = "p", *, priority: int = 0, gpus: int = 1, node: str = "") -> Pod:
    return Pod(
        uid=name,
        namespace="default",
        name=name,
        created=0.0,
        priority=priority,
        requests={"gpu": gpus},
        node_name=node,
    )


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


def test_a_silent_watch_is_given_up_in_the_end() -> None:
    """Every sixteen seconds without a byte; what came in between comes then, and so does its version."""
    loop, api = _api()
    seen = _Seen()
    watch = Watch(loop, api, Resource.PODS, seen.sink, _LAG)
    loop.run(loop.now + 2)
    watch.fall_silent(20)
    api.put_pod(_pod("a"))
    made_at = loop.now
    loop.run(made_at + 31)
    assert seen.log == ["list of 0"]
    assert (watch.behind_since, watch.version) == (made_at, "0")
    loop.run(made_at + 33)
    assert seen.log == ["list of 0", "+a"]
    assert (watch.behind_since, watch.version) == (math.inf, "1")


def test_a_bookmark_tells_of_what_happened_elsewhere() -> None:
    """So that a watch of something that never changes is not taken for one that is behind."""
    loop, api = _api()
    watch = Watch(loop, api, Resource.NODES, _Seen().sink, _LAG)
    loop.run(loop.now + 2)
    api.put_pod(_pod("a"))
    assert watch.version == "0"
    loop.run(loop.now + 10)
    assert watch.version == "1"


def _sight(gpus: int, *bound: Pod, guarded: Collection[str] = ()) -> PodRecorder:
    sight = PodRecorder(guarded)
    sight.nodes["n"] = Node(name="n", allocatable={"gpu": gpus})
    sight.bound = {pod.uid: pod for pod in bound}
    return sight


@pytest.mark.parametrize(
    ("gpus", "bound", "victims"),
    [
        pytest.param(2, (_pod("low", node="n"),), [], id="it fits: nobody has to go"),
        pytest.param(1, (_pod("low", node="n"),), ["low"], id="the only one goes"),
        pytest.param(1, (_pod("equal", priority=9, node="n"),), [], id="not one of equal priority"),
        pytest.param(
            2,
            (_pod("lower", node="n"), _pod("low", priority=1, node="n")),
            ["lower"],
            id="the more important stays",
        ),
    ],
)
def test_victims_are_as_few_and_unimportant_as_will_do(
    gpus: int, bound: tuple[Pod, ...], victims: list[str]
) -> None:
    """As SelectVictimsOnNode."""
    found = _sight(gpus, *bound).victims(_pod("high", priority=9), ())
    assert [pod.uid for pod in found.get("n", ())] == victims


def test_a_pod_that_a_node_can_never_hold_has_no_victims() -> None:
    """More than allocatable is not to be resolved by preemption; nor is what an extender refused."""
    sight = _sight(1, _pod("low", node="n"))
    assert not sight.victims(_pod("high", priority=9, gpus=2), ())
    assert not sight.victims(_pod("high", priority=9), {"n"})


def test_a_nomination_keeps_others_out_but_the_more_important() -> None:
    """And not the nominated pod itself."""
    sight = _sight(1)
    nominated = _pod("nominated", priority=5)
    sight.nominate(nominated, "n")
    assert sight.fitting(_pod("low", priority=4)) == []
    assert sight.fitting(_pod("equal", priority=5)) == []
    assert sight.fitting(_pod("high", priority=6)) == ["n"]
    assert sight.fitting(nominated) == ["n"]
    sight.nominate(nominated, "")
    assert sight.fitting(_pod("low", priority=4)) == ["n"]


def test_the_node_whose_victims_matter_least_is_taken() -> None:
    """By the budgets that are broken, then the highest priority on it, then the sum, then the number."""
    sight = PodRecorder({"guarded"})
    low, high, guarded = _pod("low"), _pod("high", priority=2), _pod("guarded")
    assert sight.least({"a": [high], "b": [low, low]}) == "b"
    assert sight.least({"a": [low, low], "b": [low]}) == "b"
    assert sight.least({"a": [guarded], "b": [high, low]}) == "b"


def test_the_guarded_stays_before_the_more_important() -> None:
    """As filterPodsWithPDBViolation has it."""
    sight = _sight(2, _pod("guarded", node="n"), _pod("low", priority=1, node="n"), guarded={"guarded"})
    assert [pod.uid for pod in sight.victims(_pod("high", priority=9), ())["n"]] == ["low"]
    assert sight.broken([_pod("guarded"), _pod("low")]) == 1


def test_a_gated_pod_is_not_tried() -> None:
    """Until the deletes of its victims are sent; the more important come first."""
    queue = Queue()
    for name, priority in (("low", 0), ("high", 9), ("gated", 10)):
        queue.add(_pod(name, priority=priority))
    queue.gated.add("gated")
    popped = [queue.pop(0.0) for _ in range(3)]
    assert [queued.pod.uid if queued else None for queued in popped] == ["high", "low", None]
    queue.gated.clear()
    assert queue.pop(0.0)


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
