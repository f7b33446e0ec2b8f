"""What else happens to pods, nodes and policies while they are counted, and what counts then (C1, C7, U5)."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy, Unit
from tests.builders import LATER, NOW, a_node, a_pod, a_policy, a_unit, recorded_in
from tests.unit.extender.fixtures import BOTH, CAPPED, CLOUD, DC, DC_1, World

CPU = {"cpu": "2"}
POLICY = a_policy(a_unit("dc", max=2, max_resources={"cpu": "8"}), a_unit("cloud"))
OTHERS = a_policy(a_unit("dc", max=2), a_unit("cloud"), selector={"app": "other"})


def a_world(*told: object) -> World:
    """`a` runs in the first unit, `other` in the second, and `stray` on a node in neither."""
    other = a_pod("other", on="cloud-1", labels={"app": "other"})
    stray = a_pod("stray", on="attic-1")
    return World(DC, CLOUD, a_node("attic-1", "attic"), POLICY, RUNS, other, stray, *told)  # type: ignore[arg-type]


RUNS = a_pod("a", on="dc-1", requests=CPU)
RECORDED = a_pod("a", on="dc-1", requests=CPU, annotations=recorded_in(POLICY, 0))


def counts(world: World, policy: ResourcePolicy = POLICY, *group: str) -> list[int]:
    return [world.used(policy, unit, *group) for unit in range(len(policy.units))]


PLACED = [
    pytest.param(
        lambda w: w.publish(a_pod("b", on="dc-1", bound_at=LATER)),
        [2, 1],
        id="C1: another scheduler binds a pod that nobody asked about",
    ),
    pytest.param(
        lambda w: w.publish(a_pod("static", on="dc-1", bound_at=None)),
        [2, 1],
        id="C1: a pod is created with its node, as a kubelet's static pod is",
    ),
    pytest.param(
        lambda w: w.publish(*(a_pod(name, on="dc-1", bound_at=LATER) for name in "bcd")),
        [4, 1],
        id="C8: more than max, past the extender: counted, and left alone",
    ),
    pytest.param(
        lambda w: w.publish(a_node("dc-1", "cloud")),
        [0, 2],
        id="U5: its node is relabelled into another unit",
    ),
    pytest.param(lambda w: w.publish(a_node("dc-1", "attic")), [0, 1], id="U5: its node leaves every unit"),
    pytest.param(
        lambda w: w.publish(RECORDED, a_node("dc-1", "cloud")),
        [1, 1],
        id="L3: so does that of a recorded pod",
    ),
    pytest.param(lambda w: w.publish(a_node("attic-1", "dc")), [2, 1], id="U5: a node comes into a unit"),
    pytest.param(lambda w: w.tell_gone(DC), [1, 1], id="U5: its node is deleted"),
    pytest.param(
        lambda w: (w.tell_gone(DC), w.publish(a_node("dc-1", "cloud"))),
        [1, 1],
        id="U5: its node is deleted, and another one has its name",
    ),
    pytest.param(
        lambda w: w.tell_gone(RUNS), [0, 1], id="C1: it is deleted at once, without an end to wait for"
    ),
    pytest.param(
        lambda w: (w.publish(renewed(RUNS)), w.tell_gone(RUNS)),
        [1, 1],
        id="C1: it is made again under its name, and the new one is seen first",
    ),
    pytest.param(
        lambda w: (w.tell_gone(RUNS), w.publish(RUNS)), [0, 1], id="C1: an event of before its end comes late"
    ),
    pytest.param(
        lambda w: w.publish(a_policy(a_unit("cloud"), a_unit("dc", max=2))),
        [1, 1],
        id="C1: units change places",
    ),
    pytest.param(
        lambda w: w.publish(a_policy(a_unit("attic"), a_unit("cloud"))),
        [1, 1],
        id="U3: its unit gets another nodeSelector, which fits another pod",
    ),
    pytest.param(lambda w: w.publish(OTHERS), [0, 1], id="M2: the selector now means others"),
    pytest.param(
        lambda w: (w.tell_gone(POLICY), w.publish(POLICY)),
        [1, 1],
        id="C1: the policy is deleted and made again",
    ),
    pytest.param(
        lambda w: w.publish(a_policy(*POLICY.units, match_label_keys=("app",))),
        [0, 0],
        id="C2: counted by a label that its pods lack",
    ),
    pytest.param(
        lambda w: w.publish(a_policy(*POLICY.units, created=LATER + 1, ignore_previous_pod=True)),
        [0, 0],
        id="C4: the policy is younger than its pods",
    ),
]


def renewed(pod: Pod) -> Pod:
    return replace(pod, uid=f"{pod.uid}-again", created=NOW)


@pytest.mark.parametrize(("happens", "expected"), PLACED)
def test_a_placed_pod(happens: Callable[[World], object], expected: list[int]) -> None:
    world = a_world()
    assert counts(world) == [1, 1]
    happens(world)
    (policy,) = world.cache.policies
    assert counts(world, policy) == expected


def test_a_group_by_a_new_key_is_counted_from_the_pods_that_run() -> None:
    """C2: an edit of matchLabelKeys."""
    world = a_world()
    grouped = a_policy(*POLICY.units, match_label_keys=("app",))
    world.publish(grouped)
    assert counts(world, grouped, "other") == [0, 1]


def test_a_pod_that_is_resized_in_place_counts_as_it_is_now() -> None:
    """O2: with what its spec requests; who was refused for that is free to be asked about again."""
    world = a_world()
    six, seven = a_pod("b", requests={"cpu": "6"}), a_pod("b", requests={"cpu": "7"})
    assert (world.ask(seven), world.ask(six)) == (1, 0)
    world.publish(replace(RUNS, requests=a_pod("x", requests={"cpu": "3"}).requests))
    assert world.ask(six) == 1
    noted = len(world.cache.changes)
    world.publish(replace(RUNS, requests=a_pod("x", requests={"cpu": "1"}).requests))
    assert (world.ask(seven), len(world.cache.changes)) == (0, max(noted, 1))


def test_nothing_is_left_of_a_namespace_that_is_deleted() -> None:
    world = a_world(a_pod("waits"))
    world.ask(a_pod("waits"))
    world.ask(a_pod("refused"), ["attic-1"])
    world.tell_gone(POLICY, *world.cache.pods(), a_pod("refused"))
    assert not world.held
    assert not world.cache.attempts
    assert not list(world.cache.placement_records)
    world.publish(POLICY)
    assert counts(world) == [0, 0]


# Pods on their way.


def test_its_successor_of_the_same_name_is_another_pod() -> None:
    """C7: deleted and made again while its binding is under way; the API server refuses that by the uid."""
    world = World(DC, CLOUD, CAPPED, a_pod("a"))
    world.ask(a_pod("a"))
    again = renewed(a_pod("a"))
    world.publish(again)
    assert world.ask(again) == 1, "nobody knows yet that the first one is gone"
    world.tell_gone(a_pod("a"))
    assert world.ask(again) == 0
    world.publish(a_pod("a", on="dc-1"))
    assert world.held == {again.uid: 0}
    assert world.used(CAPPED, 0) == 1


def test_its_slot_is_where_it_was_sent_until_it_is_seen_elsewhere() -> None:
    """U5: its node changes units meanwhile."""
    world = World(DC, CLOUD, CAPPED, a_pod("a"))
    world.ask(a_pod("a"))
    world.publish(a_node("dc-1", "cloud"))
    assert counts(world, CAPPED) == [1, 0]
    world.publish(a_pod("a", on="dc-1"))
    assert counts(world, CAPPED) == [0, 1]


def test_its_slot_outlives_its_policy() -> None:
    """C7: a policy that is replaced by deleting it."""
    world = World(DC, CLOUD, CAPPED, a_pod("a"))
    world.ask(a_pod("a"))
    world.tell_gone(CAPPED)
    assert not world.held
    world.publish(CAPPED)
    assert world.held == {"a": 0}
    assert world.ask(a_pod("b")) == 1


def test_its_slot_outlives_an_edit_that_lets_go_of_it_for_a_moment() -> None:
    """C7."""
    world = World(DC, CLOUD, CAPPED, a_pod("a"))
    world.ask(a_pod("a"))
    world.publish(a_policy(DC_1, selector={"app": "other"}))
    assert not world.held
    world.publish(CAPPED)
    assert world.held == {"a": 0}


def older(*units: Unit, keys: tuple[str, ...] = ()) -> ResourcePolicy:
    return a_policy(*units, name="older", created=1.0, match_label_keys=keys)


@pytest.mark.parametrize(
    ("winner", "held"),
    [
        pytest.param(older(a_unit("cloud"), DC_1), {"a": 1}, id="in the unit that has its nodes"),
        pytest.param(older(a_unit(), DC_1), {"a": 0}, id="in the first of several that have them"),
        pytest.param(older(a_unit("cloud")), {}, id="nowhere: it is on its way to no node of it"),
        pytest.param(older(DC_1, keys=("team",)), {}, id="nowhere: it is in no group there"),
    ],
)
def test_its_slot_goes_to_the_policy_that_takes_it_over(winner: ResourcePolicy, held: dict[str, int]) -> None:
    """M4, C7: and comes back with it."""
    world = World(DC, CLOUD, CAPPED, a_pod("a"))
    world.ask(a_pod("a"))
    world.publish(winner)
    assert world.held == held
    world.tell_gone(winner)
    assert world.held == {"a": 0}
    assert world.ask(a_pod("b"), BOTH) == 1


def late(world: World) -> None:
    world.clock.now += 600
    world.cache.expire()


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda world: world.tell_gone(a_pod("a")), id="deleted"),
        pytest.param(lambda world: world.publish(a_pod("a", on="cloud-1")), id="bound elsewhere"),
        pytest.param(lambda world: world.ask(a_pod("a")), id="asked about again while nothing governs it"),
        pytest.param(late, id="as old as a slot may get"),
    ],
)
def test_a_lost_slot_is_not_held_for_a_pod_that_is_not_on_its_way(end: Callable[[World], object]) -> None:
    world = World(DC, CLOUD, CAPPED, a_pod("a"))
    world.ask(a_pod("a"))
    world.tell_gone(CAPPED)
    end(world)
    world.publish(CAPPED)
    assert not world.held
    assert world.ask(a_pod("b")) == 0
