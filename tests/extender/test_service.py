"""What a call is answered and what it leaves behind: the real policy and cache, a clock of ours.

Owns the stories of several calls and events about the same pods. Must not know: the wire, HTTP, or the rules
of one decision, which are tests/policy's.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Barrier, Event

import pytest

from cluster.cache import Cache
from extender.service import Extender, NotReady
from policy.filter import Decision
from policy.objects import Node, Phase, Pod
from policy.options import Kinds, OnConflict, OutsideUnits, ScoredNodes
from policy.reasons import Reason
from policy.resourcepolicy import NextUnits, PreemptPolicy, Rejected, ResourcePolicy, Strategy, Unit
from tests.builders import NOW, a_node, a_pod, a_policy, a_unit, recorded_in

GPU = "nvidia.com/gpu"
ROOM = {"pods": "110", GPU: "1"}
DC = a_node("dc-1", "dc", allocatable=ROOM)
CLOUD = a_node("cloud-1", "cloud", allocatable=ROOM)
BOTH = ("dc-1", "cloud-1")
DC_1 = a_unit("dc", max=1)
ANYWHERE = a_unit("cloud")
CAPPED = a_policy(DC_1, ANYWHERE)

Outcome = int | Reason | str | None


class Clock:
    """Unix seconds that pass when told; `read` says that someone has asked."""

    def __init__(self) -> None:
        self.now = NOW
        self.read = Event()

    def __call__(self) -> float:
        self.read.set()
        return self.now


class World:
    """A synced extender; what is `told` comes from the informers."""

    def __init__(
        self,
        *told: Node | Pod | ResourcePolicy,
        synced: bool = True,
        on_conflict: OnConflict = OnConflict.OLDEST,
        outside_units: OutsideUnits = OutsideUnits.NEVER,
        scored_nodes: ScoredNodes = ScoredNodes.ALL,
        unknown_node_seconds: float = 0.0,
        settle_seconds: float = 0.0,
    ) -> None:
        self.clock = Clock()
        self.ready = synced
        self.cache = Cache(self.clock, Kinds(), reservation_seconds=600.0, remembers_since=0.0)
        self.extender = Extender(
            self.cache,
            self.clock,
            lambda: "" if self.ready else "the cache has not synced yet",
            on_conflict=on_conflict,
            outside_units=outside_units,
            scored_nodes=scored_nodes,
            unknown_node_seconds=unknown_node_seconds,
            settle_seconds=settle_seconds,
        )
        self.tell(*told)

    def tell(self, *things: Node | Pod | ResourcePolicy | Rejected) -> None:
        with self.cache.lock:
            for thing in things:
                match thing:
                    case Node():
                        self.cache.upsert_node(thing)
                    case Pod():
                        self.cache.upsert_pod(thing)
                    case _:
                        self.cache.upsert_policy(thing)

    def tell_gone(self, *things: Node | Pod | ResourcePolicy) -> None:
        with self.cache.lock:
            for thing in things:
                match thing:
                    case Node():
                        self.cache.remove_node(thing.name)
                    case Pod():
                        self.cache.remove_pod(thing)
                    case ResourcePolicy():
                        self.cache.remove_policy(thing.key)

    def decide(self, pod: Pod, names: Sequence[str] = BOTH) -> Decision:
        filtered = self.extender.filter(pod, names)
        assert filtered is not None
        return filtered.decision

    def ask(self, pod: Pod, names: Sequence[str] = BOTH) -> Outcome:
        """The unit that the pod was sent to, else what it waits for, else why the first node was refused."""
        filtered = self.extender.filter(pod, names)
        if filtered is None:
            return "untouched"
        decision = filtered.decision
        if decision.nodes:
            return "outside" if decision.unit is None else decision.unit
        assert decision.refused is not None
        return (decision.waits or decision.refused.first).reason

    @property
    def held(self) -> dict[str, int]:
        """The unit of each slot held for a pod that is not bound."""
        return {uid: reservation.unit for uid, reservation in self.cache.reservations().items()}

    def used(self, policy: ResourcePolicy, unit: int, *group: str) -> int:
        return self.cache.usage(policy, unit, group).pods


def standard(*more: Node | Pod | ResourcePolicy, policy: ResourcePolicy = CAPPED) -> World:
    return World(DC, CLOUD, policy, *more)


def bound(pod: str, on: str, **fields: object) -> Pod:
    build: Callable[..., Pod] = a_pod
    return build(pod, on=on, **fields)


# How many nodes are given away to be scored.


@pytest.mark.parametrize(
    ("setting", "numbers"),
    [
        pytest.param(ScoredNodes.ALL, [300, 300, 300], id="all"),
        pytest.param(ScoredNodes.SAMPLED, [188, 188, 188], id="47 % of 400, of one unit"),
    ],
)
def test_as_many_nodes_are_scored_as_the_setting_says(setting: ScoredNodes, numbers: list[int]) -> None:
    """Others for each pod; what is refused, and a pod that no policy governs, is as it was."""
    owned = [a_node(f"dc-{i}", "dc") for i in range(300)]
    rented = [a_node(f"cloud-{i}", "cloud") for i in range(100)]
    world = World(*owned, *rented, a_policy(a_unit("dc"), ANYWHERE), scored_nodes=setting)
    names = [node.name for node in (*owned, *rented)]
    answers = [world.decide(a_pod(uid), names).nodes for uid in ("a", "b", "c")]
    assert [len(nodes) for nodes in answers] == numbers
    assert set().union(*answers) == {node.name for node in owned}
    assert world.extender.filter(a_pod("d", namespace="other"), names) is None


# What a call leaves behind.


def test_a_slot_is_held_for_a_pod_that_was_sent_to_a_unit() -> None:
    world = standard()
    assert world.ask(a_pod("a")) == 0
    assert world.held == {"a": 0}
    assert world.ask(a_pod("b")) == 1, "the only slot of units[0] is held"


def test_a_pod_does_not_stand_in_its_own_way() -> None:
    world = standard()
    assert [world.ask(a_pod("a")) for _ in range(3)] == [0, 0, 0]


def test_the_next_call_replaces_the_slot() -> None:
    world = standard()
    world.ask(a_pod("a"))
    assert world.ask(a_pod("a"), ["cloud-1"]) == 1
    assert world.held == {"a": 1}
    assert world.ask(a_pod("b")) == 0


def test_a_refused_call_forgets_the_slot() -> None:
    world = standard(a_node("attic-1"))
    world.ask(a_pod("a"))
    assert world.ask(a_pod("a"), ["attic-1"]) == Reason.OUTSIDE_UNITS
    assert world.held == {}
    assert world.ask(a_pod("b")) == 0


def test_a_place_outside_every_unit_holds_no_slot() -> None:
    prefer = a_policy(DC_1, strategy=Strategy.PREFER)
    world = World(DC, a_node("attic-1"), prefer, outside_units=OutsideUnits.LAST)
    world.ask(a_pod("a"), ["dc-1"])
    assert world.ask(a_pod("a"), ["attic-1"]) == "outside"
    assert world.held == {}


def test_slots_are_held_by_group() -> None:
    """C2: ("a", "bc") and ("ab", "c") are two groups."""
    policy = a_policy(DC_1, ANYWHERE, match_label_keys=("x", "y"))
    world = standard(policy=policy)
    assert world.ask(a_pod("1", labels={"x": "a", "y": "bc"})) == 0
    assert world.ask(a_pod("2", labels={"x": "ab", "y": "c"})) == 0
    assert world.ask(a_pod("3", labels={"x": "a", "y": "bc"})) == 1


def test_held_requests_count_against_max_resources() -> None:
    policy = a_policy(a_unit("dc", max_resources={GPU: "3"}), ANYWHERE)
    world = standard(policy=policy)
    two = {GPU: "2"}
    assert world.ask(a_pod("a", requests=two)) == 0
    assert world.ask(a_pod("b", requests=two)) == 1
    assert world.ask(a_pod("c", requests={GPU: "1"})) == 0


def test_a_pod_without_a_policy_is_untouched() -> None:
    """M5: every verb, and nothing is remembered about it."""
    world = World(DC, a_policy(namespace="elsewhere"))
    pod = a_pod("a")
    assert world.extender.filter(pod, ["dc-1", "never-heard-of"]) is None
    assert world.extender.prioritize(pod, ["dc-1"]) is None
    assert world.extender.preempt(pod, {"dc-1": ["v"]}) is None
    assert world.held == {}
    assert not world.cache.attempts


def test_prioritize_leaves_nothing_behind() -> None:
    world = standard()
    assert world.extender.prioritize(a_pod("a"), BOTH) == {10: {"dc-1"}, 9: {"cloud-1"}}
    assert world.held == {}
    assert not world.cache.attempts


# How a slot ends.


def test_a_bound_pod_counts_where_its_slot_was() -> None:
    """U5: also where its node lies in several units."""
    policy = a_policy(a_unit("dc", max=1), a_unit("dc", max=1), ANYWHERE)
    world = standard(policy=policy)
    assert [world.ask(a_pod(name)) for name in "ab"] == [0, 1]
    world.tell(bound("b", "dc-1"), bound("a", "dc-1"))
    assert world.held == {}
    assert [world.used(policy, unit) for unit in range(3)] == [1, 1, 0]
    world.tell_gone(bound("a", "dc-1"))
    assert world.ask(a_pod("c")) == 0
    assert world.ask(a_pod("d")) == 2, "units[1] still counts b"


def test_a_pod_that_went_elsewhere_than_it_was_sent_counts_there() -> None:
    """A second scheduler, or a node that left the unit: a slot does not record a place it never had."""
    world = standard()
    world.ask(a_pod("a"))
    world.tell(bound("a", "cloud-1"))
    assert [world.used(CAPPED, unit) for unit in (0, 1)] == [0, 1]


def test_the_record_on_the_pod_outlives_what_the_cache_remembers() -> None:
    """L3: the same after a restart, when only the annotation tells."""
    policy = a_policy(a_unit("dc", max=1), a_unit("dc", max=1))
    world = standard(bound("b", "dc-1", annotations=recorded_in(policy, 1)), policy=policy)
    assert [world.used(policy, unit) for unit in (0, 1)] == [0, 1]


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda world: world.tell_gone(a_pod("a")), id="deleted before it was bound"),
        pytest.param(lambda world: world.tell_gone(bound("a", "dc-1")), id="deleted after a binding unseen"),
        pytest.param(lambda world: world.tell(a_pod("a", phase=Phase.FAILED)), id="failed without a node"),
        pytest.param(
            lambda world: world.tell(bound("a", "dc-1", phase=Phase.SUCCEEDED)),
            id="bound and succeeded at once",
        ),
        pytest.param(
            lambda world: world.tell(bound("a", "dc-1"), bound("a", "dc-1", phase=Phase.FAILED)),
            id="bound, then failed",
        ),
        pytest.param(
            lambda world: world.tell(bound("a", "dc-1"), bound("a", "dc-1", terminating=True)),
            id="bound, then terminating, which does not count by default",
        ),
    ],
)
def test_a_slot_is_free_again_once_the_pod_is(end: Callable[[World], None]) -> None:
    world = standard(a_pod("a"))
    world.ask(a_pod("a"))
    end(world)
    assert world.held == {}
    assert world.ask(a_pod("b")) == 0


def test_a_terminating_pod_keeps_its_slot_where_the_policy_says_so() -> None:
    """C3."""
    policy = a_policy(DC_1, ANYWHERE, ignore_terminating_pod=False)
    world = standard(bound("a", "dc-1", terminating=True), policy=policy)
    assert world.ask(a_pod("b")) == 1


def test_a_list_without_the_pod_frees_its_slot() -> None:
    world = standard(a_pod("a"), a_pod("b"))
    world.ask(a_pod("a"))
    with world.cache.lock:
        world.cache.replace_pods([a_pod("b")])
    assert world.ask(a_pod("b")) == 0


def test_a_list_older_than_the_pod_does_not_free_its_slot() -> None:
    """E11: the scheduler asks about a pod that no list or watch has brought yet."""
    world = standard()
    world.ask(a_pod("a"))
    with world.cache.lock:
        world.cache.replace_pods([a_pod("b")])
    assert world.ask(a_pod("b")) == 1


def test_a_dead_uid_is_not_brought_back() -> None:
    """Neither by a late call nor by a late event."""
    world = standard(a_pod("a"))
    world.tell_gone(a_pod("a"))
    world.ask(a_pod("a"))
    world.extender.preempt(a_pod("a"), {"dc-1": ["v"]})
    world.tell(bound("a", "dc-1"))
    assert world.held == {}
    assert not world.cache.attempts
    assert not world.cache.pods()
    assert world.used(CAPPED, 0) == 0


def test_a_pod_of_the_same_name_is_another_pod() -> None:
    """A StatefulSet's: its predecessor's death does not reach it."""
    world = standard(a_pod("a"))
    world.tell_gone(a_pod("a"))
    successor = Pod(uid="a-again", namespace="default", name="a", created=NOW)
    assert world.ask(successor) == 0
    assert world.held == {"a-again": 0}


def test_a_bound_pod_gets_no_second_slot() -> None:
    """An attempt whose call comes after the binding of an earlier one was seen."""
    world = standard(bound("a", "dc-1"))
    assert world.ask(a_pod("a")) == 0
    assert world.held == {}
    assert world.used(CAPPED, 0) == 1


def test_a_finished_pod_gets_no_slot() -> None:
    """Its last call came before its end and is answered after it."""
    world = standard(a_pod("a", phase=Phase.FAILED))
    assert world.ask(a_pod("a")) == 0
    assert world.held == {}
    assert world.ask(a_pod("b")) == 0


def test_a_pod_whose_node_is_gone_counts_where_it_was() -> None:
    """U5: placed by us or not, until it is gone too."""
    world = standard(a_pod("a"), bound("b", "cloud-1"))
    world.ask(a_pod("a"))
    world.tell(bound("a", "dc-1"))
    world.tell_gone(DC, CLOUD)
    assert [world.used(CAPPED, unit) for unit in (0, 1)] == [1, 1]
    world.tell_gone(bound("a", "dc-1"), bound("b", "cloud-1"))
    assert [world.used(CAPPED, unit) for unit in (0, 1)] == [0, 0]


def test_a_pod_whose_node_is_gone_before_its_binding_is_seen_counts_where_it_was_sent() -> None:
    """U5, C7: the API server binds to a node that it does not have."""
    world = standard()
    assert world.ask(a_pod("a"), ["dc-1"]) == 0
    world.tell_gone(DC)
    world.tell(bound("a", "dc-1"))
    world.tell(a_node("dc-2", "dc"))
    assert world.ask(a_pod("b"), ["dc-2", "cloud-1"]) == 1
    world.tell_gone(bound("a", "dc-1"))
    assert world.ask(a_pod("c"), ["dc-2", "cloud-1"]) == 0


def test_a_slot_that_a_nomination_holds_delays_no_others_end() -> None:
    world = standard(a_pod("a", nominated_node="cloud-1"), a_pod("b"))
    world.ask(a_pod("a"), ["cloud-1"])
    world.ask(a_pod("a"), ["cloud-1"])
    world.ask(a_pod("b"))
    world.clock.now += 600
    assert world.ask(a_pod("c")) == 0
    assert world.held == {"a": 1, "c": 0}


def test_a_slot_expires_when_nobody_speaks_of_it_any_more() -> None:
    world = standard(a_pod("a"))
    world.ask(a_pod("a"))
    world.clock.now += 599
    assert world.ask(a_pod("b")) == 1
    world.clock.now += 1
    assert world.ask(a_pod("b")) == 0


def test_a_slot_that_was_asked_for_again_is_young_again() -> None:
    world = standard(a_pod("a"))
    world.ask(a_pod("a"))
    world.clock.now += 400
    world.ask(a_pod("a"))
    world.clock.now += 400
    assert world.ask(a_pod("b")) == 1


def test_a_nomination_holds_the_slot_for_as_long_as_it_lasts() -> None:
    """E7."""
    world = standard(a_pod("a", nominated_node="dc-1"))
    world.ask(a_pod("a"))
    for _ in range(3):
        world.clock.now += 601
        assert world.ask(a_pod("b")) == 1
    world.tell(a_pod("a"))
    world.clock.now += 601
    assert world.ask(a_pod("b")) == 0


# The policy changes meanwhile.


@pytest.mark.parametrize(
    ("edited", "held"),
    [
        pytest.param(a_policy(ANYWHERE, DC_1), {"a": 1}, id="units reordered: the slot follows its unit"),
        pytest.param(a_policy(a_unit("new"), DC_1, ANYWHERE), {"a": 1}, id="a unit put before it"),
        pytest.param(a_policy(a_unit("dc", max=5), ANYWHERE), {"a": 0}, id="its cap raised"),
        pytest.param(a_policy(a_unit("dc", max=0), ANYWHERE), {"a": 0}, id="its cap lowered below it"),
        pytest.param(a_policy(DC_1, ANYWHERE, selector={"app": "x"}), {}, id="the pod no longer selected"),
        pytest.param(a_policy(ANYWHERE), {"a": 0}, id="its unit removed: its place is the safe guess"),
        pytest.param(
            a_policy(a_unit("dc", max=1, pod_labels={"app": "a"}), ANYWHERE),
            {"a": 0},
            id="its unit rewritten",
        ),
        pytest.param(
            a_policy(DC_1, ANYWHERE, match_label_keys=("team",)),
            {},
            id="counted by a label that the pod lacks",
        ),
    ],
)
def test_a_slot_held_under_the_former_text(edited: ResourcePolicy, held: dict[str, int]) -> None:
    world = standard(a_pod("a"))
    world.ask(a_pod("a"))
    world.tell(edited)
    assert world.held == held
    for unit in range(len(edited.units)):
        assert world.used(edited, unit) == list(held.values()).count(unit)


def test_a_slot_moves_to_the_group_that_the_new_text_makes() -> None:
    """C2, C7: matchLabelKeys are written while a slot is held."""
    world = standard()
    assert world.ask(a_pod("a", labels={"team": "red"})) == 0
    world.tell(a_policy(DC_1, ANYWHERE, match_label_keys=("team",)))
    assert world.ask(a_pod("b", labels={"team": "red"})) == 1
    assert world.ask(a_pod("c", labels={"team": "blue"})) == 0


def test_a_late_event_does_not_take_the_slot() -> None:
    """E11, C7: the pod changed its labels; the scheduler knew first, the watch still shows it as it was."""
    old, new = a_pod("a", labels={"v": "1"}), a_pod("a", labels={"v": "2"})
    one = a_policy(DC_1, ANYWHERE, name="one", selector={"v": "1"})
    two = a_policy(DC_1, ANYWHERE, name="two", selector={"v": "2"})
    world = World(DC, CLOUD, one, two, old)
    assert world.ask(new) == 0
    world.tell(old, new)
    assert world.ask(a_pod("b", labels={"v": "2"})) == 1
    assert world.ask(a_pod("c", labels={"v": "1"})) == 0


def test_a_bound_pod_follows_its_unit_when_units_are_reordered() -> None:
    """L4: it is counted where it was placed, not where its node now comes first."""
    before = a_policy(a_unit("dc", max=1), a_unit("dc", max=5, pod_labels={"second": "yes"}))
    after = a_policy(*reversed(before.units))
    world = standard(policy=before)
    world.ask(a_pod("a"))
    world.tell(bound("a", "dc-1"), after)
    assert [world.used(after, unit) for unit in (0, 1)] == [0, 1]


def test_a_rejected_edit_leaves_the_last_valid_text_in_force() -> None:
    """M6."""
    world = standard()
    world.ask(a_pod("a"))
    world.tell(Rejected(CAPPED.key, 2, ("spec.units: is empty",)))
    assert world.ask(a_pod("b")) == 1
    assert world.held == {"a": 0, "b": 1}
    assert [rejected.generation for rejected in world.cache.policies.rejected()] == [2]
    world.tell(CAPPED)
    assert not world.cache.policies.rejected()


def test_a_rejected_policy_that_was_made_again_leaves_nothing_of_the_former_in_force() -> None:
    """M6: an edit leaves the last valid text; that it was another object only a list may tell."""
    world = standard(policy=CAPPED.model_copy(update={"uid": "former"}))
    for uid, outcome in (("former", 0), ("later", "untouched")):
        with world.cache.lock:
            world.cache.replace_policies([Rejected(CAPPED.key, 2, ("spec.units: is empty",), uid)])
        assert world.ask(a_pod("a")) == outcome


def test_a_rejected_new_policy_governs_nothing() -> None:
    """M6."""
    world = World(DC)
    world.tell(Rejected("default/policy", 1, ("spec.units: is empty",)))
    assert world.ask(a_pod("a")) == "untouched"


def test_a_deleted_policy_leaves_no_slot_behind_for_a_pod_that_is_asked_about_again() -> None:
    world = standard()
    world.ask(a_pod("a"))
    world.tell_gone(CAPPED)
    assert world.held == {}
    assert world.ask(a_pod("a")) == "untouched"
    world.tell(CAPPED)
    assert world.ask(a_pod("b")) == 0


def test_an_older_policy_takes_over() -> None:
    """M4: pods and slots are the winner's business from now on."""
    world = standard(bound("a", "dc-1"), a_pod("b"))
    world.ask(a_pod("b"), ["cloud-1"])
    older = a_policy(DC_1, ANYWHERE, name="older", created=1.0)
    world.tell(older)
    assert world.held == {"b": 1}
    assert [world.used(CAPPED, unit) for unit in (0, 1)] == [0, 0]
    assert world.used(older, 0) == 1
    world.tell_gone(older)
    assert world.used(CAPPED, 0) == 1


@pytest.mark.parametrize(
    ("on_conflict", "expected"),
    [(OnConflict.OLDEST, 0), (OnConflict.REJECT, Reason.CONFLICT)],
    ids=["the oldest governs", "the pod is refused"],
)
def test_two_policies_for_one_pod(on_conflict: OnConflict, expected: Outcome) -> None:
    """M4."""
    younger = a_policy(ANYWHERE, name="younger", created=1500.0)
    world = World(DC, CLOUD, CAPPED, younger, on_conflict=on_conflict)
    assert world.ask(a_pod("a")) == expected
    assert world.held == ({"a": 0} if expected == 0 else {})


def test_a_conflict_that_arises_frees_the_slot_with_the_next_call() -> None:
    world = World(DC, CLOUD, CAPPED, on_conflict=OnConflict.REJECT)
    world.ask(a_pod("a"))
    world.tell(a_policy(ANYWHERE, name="younger", created=1500.0))
    assert world.ask(a_pod("a")) == Reason.CONFLICT
    assert world.held == {}


# Threads.


@contextmanager
def switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def at_once(calls: Iterable[Callable[[], Outcome]]) -> list[Outcome]:
    calls = list(calls)
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Outcome]) -> Outcome:
        barrier.wait(10)
        return call()

    with switching_often(), ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.parametrize("places", [0, 1, 5])
def test_threads_never_share_a_last_slot(places: int) -> None:
    policy = a_policy(a_unit("dc", max=places), ANYWHERE)
    for _ in range(5):
        world = standard(policy=policy)
        pods = [a_pod(f"pod-{number}") for number in range(20)]
        outcomes = at_once(partial(world.ask, pod) for pod in pods)
        assert outcomes.count(0) == places
        assert outcomes.count(1) == 20 - places
        assert world.used(policy, 0) == places


def test_threads_that_ask_about_one_pod_hold_one_slot() -> None:
    world = standard()
    assert set(at_once(partial(world.ask, a_pod("a")) for _ in range(20))) == {0}
    assert world.held == {"a": 0}
    assert world.used(CAPPED, 0) == 1


def test_calls_and_events_at_once_leave_a_true_count() -> None:
    policy = a_policy(a_unit("dc", max=10), ANYWHERE)
    world = standard(policy=policy)

    def live(number: int) -> Outcome:
        pod = a_pod(f"pod-{number}")
        world.tell(pod)
        outcome = world.ask(pod)
        world.tell(bound(pod.name, BOTH[int(str(outcome))]))
        if number % 2:
            world.tell_gone(pod)
        return outcome

    outcomes = at_once(partial(live, number) for number in range(20))
    assert outcomes.count(0) >= 10
    assert world.held == {}
    alive = [outcome for number, outcome in enumerate(outcomes) if not number % 2]
    assert world.used(policy, 0) == alive.count(0) <= 10
    assert world.used(policy, 1) == alive.count(1)


# When the scheduler is ahead.


def test_nothing_is_answered_before_the_cache_has_synced() -> None:
    world = World(DC, CAPPED, synced=False)
    with pytest.raises(NotReady, match="synced"):
        world.extender.filter(a_pod(), ["dc-1"])
    with pytest.raises(NotReady, match="synced"):
        world.extender.prioritize(a_pod(), ["dc-1"])
    with pytest.raises(NotReady, match="synced"):
        world.extender.preempt(a_pod(), {"dc-1": ["v"]})
    assert world.held == {}


def test_a_call_waits_for_a_node_that_it_does_not_know() -> None:
    world = World(CLOUD, CAPPED, unknown_node_seconds=60.0)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(world.ask, a_pod("a"))
        assert world.clock.read.wait(10)
        world.tell(DC)  # takes the lock, which is free only while the call waits
        assert answer.result(10) == 0


def test_others_are_answered_while_one_call_waits() -> None:
    world = World(CLOUD, CAPPED, unknown_node_seconds=60.0)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(world.ask, a_pod("a"))
        assert world.clock.read.wait(10)
        assert world.ask(a_pod("b"), ["cloud-1"]) == 1
        world.tell(DC)
        assert answer.result(10) == 0


def test_a_waiting_call_sees_that_its_policy_is_gone() -> None:
    world = World(CLOUD, CAPPED, unknown_node_seconds=60.0)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(world.ask, a_pod("a"))
        assert world.clock.read.wait(10)
        world.tell_gone(CAPPED)
        assert answer.result(10) == "untouched"


def test_a_node_that_does_not_come_is_an_error_and_not_a_refusal() -> None:
    world = World(CLOUD, CAPPED, unknown_node_seconds=0.01)
    with pytest.raises(NotReady, match=r"node\(s\) not seen yet by the extender"):
        world.ask(a_pod("a"))
    assert world.held == {}
    assert not world.cache.attempts


def test_an_unknown_node_delays_no_pod_that_an_earlier_unit_takes() -> None:
    world = standard()
    assert world.ask(a_pod("a"), ["dc-1", "not-seen-yet"]) == 0


def test_a_departed_node_is_not_waited_for() -> None:
    """The scheduler is behind: it still names a node whose deletion we saw."""
    world = standard()
    world.tell_gone(DC)
    assert world.ask(a_pod("a")) == 1
    assert world.ask(a_pod("a"), ["dc-1"]) == Reason.OUTSIDE_UNITS


def test_a_node_that_returns_under_its_name_is_known() -> None:
    world = standard()
    world.tell_gone(DC)
    world.tell(DC)
    assert world.ask(a_pod("a")) == 0


# Nominations and preemption.

VICTIM = a_pod("victim", on="dc-1", requests={GPU: "1"})
URGENT = a_pod("urgent", requests={GPU: "1"}, priority=1000)
NOMINATED = a_pod("urgent", requests={GPU: "1"}, priority=1000, nominated_node="dc-1")
VICTIMS = {"cloud-1": ["another"], "dc-1": ["victim"]}


def test_a_preempt_answer_holds_a_slot() -> None:
    """P2, P3: in the first unit that helps, though it is full by its victim."""
    world = standard(VICTIM)
    preempted = world.extender.preempt(URGENT, VICTIMS)
    assert preempted is not None
    assert list(preempted.choice.nodes) == ["dc-1"]
    assert world.held == {"urgent": 0}
    world.tell_gone(VICTIM)
    assert world.ask(a_pod("b")) == 1, "the victim's slot is the preemptor's"


def test_the_slot_survives_a_refusal_while_the_victims_leave() -> None:
    world = standard(VICTIM, policy=a_policy(DC_1))
    world.extender.preempt(URGENT, VICTIMS)
    assert world.ask(NOMINATED, ["cloud-1"]) == Reason.OUTSIDE_UNITS
    assert world.held == {"urgent": 0}
    world.tell(NOMINATED)
    world.clock.now += 3600
    assert world.ask(NOMINATED, ["cloud-1"]) == Reason.OUTSIDE_UNITS
    assert world.held == {"urgent": 0}, "the nomination is ours, however long the victims take"


def test_the_slot_goes_with_the_nomination() -> None:
    """The scheduler gave the preemption up: a while after the answer nothing names the node."""
    world = standard(VICTIM, policy=a_policy(DC_1))
    world.extender.preempt(URGENT, VICTIMS)
    world.clock.now += 9
    world.ask(URGENT, ["cloud-1"])
    assert world.held == {"urgent": 0}, "the nomination may still be on its way"
    world.clock.now += 1
    world.ask(URGENT, ["cloud-1"])
    assert world.held == {}


def test_a_preemption_that_helps_no_unit_holds_nothing() -> None:
    world = standard(bound("bystander", "dc-1"), policy=a_policy(DC_1))
    preempted = world.extender.preempt(URGENT, {"dc-1": ["of-another-policy"]})
    assert preempted is not None
    assert not preempted.choice.nodes
    assert world.held == {}
    assert not world.cache.attempts


def test_nobody_leaves_for_a_pod_that_is_gone() -> None:
    """E7: the scheduler's watch may be behind ours."""
    world = standard(VICTIM)
    world.tell(URGENT)
    world.tell_gone(URGENT)
    preempted = world.extender.preempt(URGENT, VICTIMS)
    assert preempted is not None
    assert not preempted.choice.nodes
    assert world.held == {}


def test_nobody_leaves_for_a_pod_that_two_policies_match() -> None:
    """M4, P2: by the setting filter refuses it everywhere, so the victims would die in vain."""
    younger = a_policy(ANYWHERE, name="younger", created=1500.0)
    world = World(DC, CLOUD, CAPPED, younger, VICTIM, on_conflict=OnConflict.REJECT)
    preempted = world.extender.preempt(URGENT, VICTIMS)
    assert preempted is not None
    assert not preempted.choice.nodes
    assert world.held == {}


def test_our_own_nomination_is_honoured() -> None:
    """O1: the fast path shows one node alone, of a later unit; it was promised."""
    world = standard(bound("other", "cloud-1", requests={GPU: "1"}))
    assert world.ask(a_pod("first"), ["dc-1"]) == 0
    urgent = a_pod("urgent", requests={GPU: "1"}, priority=1000, nominated_node="cloud-1")
    preempted = world.extender.preempt(URGENT, {"cloud-1": ["other"]})
    assert preempted is not None
    assert list(preempted.choice.nodes) == ["cloud-1"]
    world.tell_gone(a_pod("first"))
    assert world.ask(urgent, ["cloud-1"]) == 1


def test_anothers_nomination_waits_for_the_full_list() -> None:
    """O1: refused alone, unresolvably; the full list comes next, in the same cycle."""
    world = standard()
    nominated = a_pod("a", nominated_node="cloud-1")
    assert world.ask(nominated, ["cloud-1"]) == Reason.EARLIER_UNIT_FIRST
    assert world.ask(nominated, BOTH) == 0
    assert world.ask(nominated, ["cloud-1"]) == Reason.EARLIER_UNIT_FIRST


def test_the_nominated_node_alone_twice_is_the_full_list() -> None:
    world = standard()
    nominated = a_pod("a", nominated_node="cloud-1")
    assert world.ask(nominated, ["cloud-1"]) == Reason.EARLIER_UNIT_FIRST
    assert world.ask(nominated, ["cloud-1"]) == 1


def test_a_nomination_into_the_first_open_unit_needs_no_second_call() -> None:
    world = standard(bound("other", "dc-1"))
    assert world.ask(a_pod("a", nominated_node="cloud-1"), ["cloud-1"]) == 1


BEFORE_NEXT = a_policy(
    a_unit("dc"), ANYWHERE, preempt_policy=PreemptPolicy.BEFORE_NEXT_UNIT, strategy=Strategy.REQUIRED
)


def test_before_the_next_unit_preemption_gets_one_chance() -> None:
    """P1: the first call is refused, so that the scheduler may preempt; the second overflows."""
    world = standard(VICTIM, policy=BEFORE_NEXT)
    assert world.ask(URGENT, ["cloud-1"]) == Reason.WAITING_FOR_PREEMPTION
    assert world.held == {}
    assert world.ask(URGENT, ["cloud-1"]) == 1


def test_before_the_next_unit_the_promise_is_waited_for() -> None:
    """P1: the pod is kept from the next unit while the victims leave, then gets what it was promised."""
    world = standard(VICTIM, policy=BEFORE_NEXT)
    assert world.ask(URGENT, ["cloud-1"]) == Reason.WAITING_FOR_PREEMPTION
    world.extender.preempt(URGENT, VICTIMS)
    assert [world.ask(NOMINATED, ["cloud-1"]) for _ in range(3)] == [Reason.WAITING_FOR_PREEMPTION] * 3
    world.tell_gone(VICTIM)
    assert world.ask(NOMINATED, ["dc-1"]) == 0


def test_before_the_next_unit_nobody_leaves_where_there_may_be_room() -> None:
    """P1: the scheduler finds no way in the first unit; the next has room, and a victim on another node."""
    busy = bound("busy", "cloud-2", requests={GPU: "1"})
    world = standard(VICTIM, a_node("cloud-2", "cloud", allocatable=ROOM), busy, policy=BEFORE_NEXT)
    assert world.ask(URGENT, ["cloud-1"]) == Reason.WAITING_FOR_PREEMPTION
    preempted = world.extender.preempt(URGENT, {"cloud-2": ["busy"]})
    assert preempted is not None
    assert not preempted.choice.nodes
    assert world.ask(URGENT, ["cloud-1"]) == 1


def test_a_chance_that_was_had_keeps_nobody_from_later_victims() -> None:
    """P1: no node has room any more, so that filter is not called again."""
    world = standard(VICTIM, policy=BEFORE_NEXT)
    assert world.ask(URGENT, ["cloud-1"]) == Reason.WAITING_FOR_PREEMPTION
    world.tell(bound("busy", "cloud-1", requests={GPU: "1"}))
    chosen = [world.extender.preempt(URGENT, {"cloud-1": ["busy"]}) for _ in range(2)]
    assert [list(one.choice.nodes) for one in chosen if one] == [[], ["cloud-1"]]


# Timers.


def test_a_timer_runs_from_the_first_refusal_to_the_next_unit() -> None:
    """One timer per pod and unit, which other pods' refusals and a second refusal do not restart."""
    policy = a_policy(a_unit("dc", max=5), ANYWHERE, mode=NextUnits.TIMEOUT_OR_EXCEED_MAX, timeout="10s")
    world = standard(policy=policy)
    assert world.decide(a_pod("a"), ["cloud-1"]).retry_at == NOW + 10
    world.clock.now += 6
    assert world.decide(a_pod("a"), ["cloud-1"]).retry_at == NOW + 10
    assert world.ask(a_pod("b"), ["cloud-1"]) == Reason.WAITING_FOR_TIMEOUT
    world.clock.now += 4
    assert world.ask(a_pod("a"), ["cloud-1"]) == 1
    assert world.ask(a_pod("b"), ["cloud-1"]) == Reason.WAITING_FOR_TIMEOUT


def test_the_timer_of_a_pod_that_can_only_preempt_runs_too() -> None:
    """O5, P1: no node has room, so that filter is never called; the wait ends all the same."""
    policy = a_policy(a_unit("dc", max=5), ANYWHERE, mode=NextUnits.TIMEOUT_OR_EXCEED_MAX, timeout="10s")
    world = standard(bound("equal", "dc-1", priority=1000), bound("lower", "cloud-1"), policy=policy)
    for waited, nodes in ((0, []), (6, []), (10, ["cloud-1"])):
        world.clock.now = NOW + waited
        preempted = world.extender.preempt(URGENT, {"cloud-1": ["lower"]})
        assert preempted is not None
        assert list(preempted.choice.nodes) == nodes


def test_a_timer_goes_with_its_unit() -> None:
    """O5, L4: a unit that is written before it begins to wait now, and another policy's units do, too."""

    def timed(*units: Unit, **fields: object) -> ResourcePolicy:
        mode = NextUnits.TIMEOUT_OR_EXCEED_MAX
        return a_policy(*units, mode=mode, timeout="10s", **fields)  # type: ignore[arg-type]

    dc = a_unit("dc", max=5)
    world = standard(policy=timed(dc, ANYWHERE))
    assert world.decide(a_pod("a"), ["cloud-1"]).retry_at == NOW + 10
    world.clock.now += 9
    world.tell(timed(a_unit("attic", max=5), dc, ANYWHERE))
    assert world.decide(a_pod("a"), ["cloud-1"]).retry_at == NOW + 19
    world.clock.now += 1
    world.tell(timed(dc, ANYWHERE))
    assert world.ask(a_pod("a"), ["cloud-1"]) == 1
    world.tell(timed(dc, ANYWHERE, name="older", created=1.0))
    assert world.decide(a_pod("a"), ["cloud-1"]).retry_at == NOW + 20


def test_an_attempt_is_remembered_until_the_pod_is_bound_or_gone() -> None:
    world = standard(a_pod("a"), a_pod("b"))
    for name in "ab":
        world.ask(a_pod(name))
    assert {attempt.pod.uid for attempt in world.cache.attempts} == {"a", "b"}
    world.tell(bound("a", "dc-1"))
    world.tell_gone(a_pod("b"))
    assert not world.cache.attempts
