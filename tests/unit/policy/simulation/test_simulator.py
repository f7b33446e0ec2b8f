"""The simulator against its definition: the same pods, placed one by one the slow and plain way.

Random worlds of pools that do not overlap, so that which node of a unit is taken cannot matter; the plain way
counts anew from a Snapshot and sums anew what is free on each node.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.cluster.offline_extender import OfflineExtender
from cluster.settings import Settings, WatcherSettings
from policy.api import wellknown
from policy.api.objects import Effect, Node, Phase, Pod, Taint
from policy.api.resourcepolicy import WAIT_LABEL, NextUnits, ResourcePolicy
from policy.scheduling.accounting import record_of
from policy.scheduling.filter import decide
from policy.scheduling.matching import governing
from policy.scheduling.node_fit import admits, has_free
from policy.scheduling.snapshot import Snapshot
from policy.simulation.node_capacity import NodeCapacity, PodShape
from policy.simulation.simulator import Scenario, Simulation
from policy.simulation.summary import conclude
from tests.builders import NOW, a_node, a_pod, a_policy, a_unit

POOLS = ("a", "b", "c")
ALL_SENT = Settings(watcher=WatcherSettings(managed_resources=()))
NEVER_WAITS = (NextUnits.LACK_RESOURCE_OR_EXCEED_MAX, NextUnits.EXCEED_MAX)


@dataclass(frozen=True)
class World:
    """A policy, empty nodes, and equal pods that arrive."""

    policy: ResourcePolicy
    nodes: Sequence[Node]
    pods: Sequence[Pod]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    caps: st.SearchStrategy[dict[str, Any]] = st.one_of(
        st.just({}), st.integers(0, 4).map(lambda n: {"max": n}), st.just({"maxResources": {"gpu": 3}})
    )
    units = [a_unit(pool, **draw(caps)) for pool in draw(st.permutations(POOLS))]
    mode = draw(st.sampled_from(NEVER_WAITS))
    keys = draw(st.sampled_from([[], ["rev"]]))
    policy = a_policy(*units, mode=mode, match_label_keys=keys)
    nodes = [
        a_node(
            f"{pool}{number}",
            pool,
            allocatable={"gpu": str(draw(st.integers(0, 3))), "cpu": "8"},
            unschedulable=draw(st.integers(0, 9)) == 0,
            taints=(Taint("t", "", Effect.NO_SCHEDULE),) * (draw(st.integers(0, 9)) == 0),
        )
        for pool in POOLS
        for number in range(draw(st.integers(0, 3)))
    ]
    revisions = draw(st.lists(st.sampled_from(["1", "2"]), max_size=10))
    pods = [
        a_pod(f"p{number}", requests={"gpu": "1"}, labels={"rev": revision}, created=NOW)
        for number, revision in enumerate(revisions)
    ]
    return World(policy, nodes, pods)


def plainly(world: World) -> dict[str, int | None]:
    """The unit of each pod, by filter over a snapshot that is counted anew for each."""
    placed: dict[str, Pod] = {}
    units: dict[str, int | None] = {}
    for pod in world.pods:
        snapshot = Snapshot({n.name: n for n in world.nodes}, placed, (world.policy,))
        room = [n.name for n in world.nodes if admits(n, pod) and has_free(n, snapshot.pods_on(n.name), pod)]
        decision = decide(pod, room, world.policy, snapshot, NOW) if room else None
        if decision is None or not decision.nodes or decision.unit is None:
            continue
        record = {wellknown.UNIT: record_of(world.policy, decision.unit)}
        bound = replace(pod, node_name=decision.nodes[0], phase=Phase.RUNNING, bound_at=NOW)
        placed[pod.uid] = replace(bound, annotations=record)
        units[pod.uid] = decision.unit
    return units


@given(worlds())
def test_the_play_places_pods_as_one_call_of_filter_after_the_other(world: World) -> None:
    simulated = OfflineExtender(world.nodes, (), (world.policy,), ALL_SENT, NOW)
    play = Simulation(simulated, Scenario(world.pods))
    play.run()
    assert {a.pod.uid: a.unit for a in play.placed} == plainly(world)


@given(worlds())
def test_no_node_is_filled_above_what_it_has(world: World) -> None:
    simulated = OfflineExtender(world.nodes, (), (world.policy,), ALL_SENT, NOW)
    play = Simulation(simulated, Scenario(world.pods))
    play.run()
    for node in world.nodes:
        others = [pod for pod in simulated.pods() if pod.node_name == node.name]
        assert all(has_free(node, [other for other in others if other is not pod], pod) for pod in others)
        assert not others or admits(node, others[0])


@given(worlds(), st.data())
def test_free_room_is_what_is_left_of_it(world: World, data: st.DataObject) -> None:
    """Room, kept current pod by pod, agrees with fit, which sums anew."""
    room, there = NodeCapacity(), list[Pod]()
    for node in world.nodes:
        room.add_node(node)
    for pod in world.pods:
        demand = PodShape.of(pod)
        names = [node.name for node in world.nodes]
        best = room.best(demand, pod, "all", lambda: names)  # noqa: B023  called at once
        fitting = {
            n.name
            for n in world.nodes
            if admits(n, pod) and has_free(n, [p for p in there if p.node_name == n.name], pod)
        }
        assert (best in fitting) if fitting else best is None
        if best is None:
            continue
        there.append(replace(pod, node_name=best))
        room.take(best, demand)
        if data.draw(st.integers(0, 4)) == 0:
            gone = there.pop(data.draw(st.integers(0, len(there) - 1)))
            room.give(gone.node_name, PodShape.of(gone))


def test_the_stage_governs_as_match_does() -> None:
    older, newer = a_policy(name="older"), a_policy(name="newer", created=NOW)
    simulated = OfflineExtender((), (), (newer, older), ALL_SENT, NOW)
    assert simulated.governing(a_pod()) == governing(a_pod(), (newer, older)) == older


def test_a_full_node_takes_no_more_pods_than_it_says() -> None:
    room, pod = NodeCapacity(), a_pod()
    room.add_node(a_node("n", allocatable={"pods": "1"}))
    room.take("n", PodShape.of(pod))
    assert room.best(PodShape.of(pod), pod, "all", lambda: ["n"]) is None
    assert room.why_not(PodShape.of(pod), pod) == {"Too many pods": 1}


def test_the_emptiest_node_is_taken_and_one_that_leaves_last() -> None:
    """As kube-scheduler's LeastAllocated, and U7."""
    leaving = Taint("DeletionCandidateOfClusterAutoscaler", "", Effect.PREFER_NO_SCHEDULE)
    room, pod = NodeCapacity(), a_pod(requests={"cpu": "1"})
    room.add_node(a_node("leaving", allocatable={"cpu": "9"}, taints=(leaving,)))
    room.add_node(a_node("full", allocatable={"cpu": "4"}))
    room.add_node(a_node("empty", allocatable={"cpu": "4"}))
    demand = PodShape.of(pod)
    room.take("full", demand)
    taken = []
    for _ in range(8):
        name = room.best(demand, pod, "all", lambda: room.nodes)
        assert name is not None
        room.take(name, demand)
        taken.append(name)
    assert taken == ["empty", "empty", "full", "empty", "full", "empty", "full", "leaving"]


@pytest.mark.parametrize(
    ("labels", "taken"),
    [
        pytest.param(({}, {}, {}), "aaa", id="without labels: the emptiest"),
        pytest.param(({"app": "x"}, {"app": "y"}, {"app": "z"}), "aaa", id="of three kinds: the emptiest"),
        pytest.param(({"app": "x"}, {"app": "x"}, {"app": "x"}), "aba", id="of one: apart"),
        pytest.param(
            tuple({"app": "x", "apps.kubernetes.io/pod-index": index} for index in "012"),
            "aba",
            id="of a StatefulSet, whose pods have numbers",
        ),
    ],
)
def test_pods_of_one_workload_are_put_apart(labels: tuple[dict[str, str], ...], taken: str) -> None:
    """As kube-scheduler's default spreading by host: before the emptiest node."""
    room, found = NodeCapacity(), ""
    for name, cpu in (("a", "100"), ("b", "4")):
        room.add_node(a_node(name, allocatable={"cpu": cpu}))
    for own in labels:
        pod = a_pod(labels=own, requests={"cpu": "1"})
        demand = PodShape.of(pod)
        best = room.best(demand, pod, "all", lambda: room.nodes)
        assert best is not None
        room.take(best, demand)
        found += best
    assert found == taken


def test_what_is_on_a_node_that_is_gone_takes_no_room() -> None:
    room, demand = NodeCapacity(), PodShape.of(a_pod())
    room.take("gone", demand)
    room.give("gone", demand)
    assert room.why_not(demand, a_pod()) == {}


def test_the_best_node_of_its_unit_is_taken_not_that_of_a_full_one() -> None:
    """U5: the node in both units is what the first has best, and the second has a better one."""
    both = a_node("both", "a", labels={"zone": "1"}, allocatable={"cpu": "2", "pods": "9"})
    emptier = a_node("emptier", "a", allocatable={"cpu": "8", "pods": "9"})
    policy = a_policy(a_unit(nodeSelector={"zone": "1"}, max=0), a_unit("a"))
    pod = a_pod(requests={"cpu": "1"}, created=NOW)
    play = Simulation(OfflineExtender([both, emptier], (), (policy,), ALL_SENT, NOW), Scenario([pod]))
    play.run()
    assert [(attempt.node, attempt.unit) for attempt in play.placed] == [("emptier", 1)]


def test_other_policies_pods_are_no_part_of_an_answer() -> None:
    """Pods that no policy governs, and those of another, are placed and not told."""
    mine = a_policy(a_unit("a"), name="mine", selector={"app": "mine"}, mode=NextUnits.TIMEOUT, timeout="1m")
    other = a_policy(
        a_unit("b", podLabels={WAIT_LABEL: "true"}), a_unit("a"), name="other", selector={"app": "other"},
        mode=NextUnits.TIMEOUT_OR_EXCEED_MAX, timeout="1m",
    )  # fmt: skip
    nodes = [a_node(name, "a", allocatable={"pods": "2"}) for name in ("a1", "a2")]
    apps = ("mine", "other", "none", "other")
    pods = [a_pod(f"{n}", labels={"app": app}, created=NOW) for n, app in enumerate(apps)]
    play = Simulation(OfflineExtender(nodes, (), (mine, other), ALL_SENT, NOW), Scenario(pods))
    play.run()
    outcome = conclude(play, mine, Counter(), {}, {}, ())
    assert (outcome.arrived, [unit.after for unit in outcome.units], len(outcome.steps)) == (1, [1], 1)
    outcome = conclude(play, other, Counter(), {}, {}, ())
    assert (outcome.arrived, [unit.after for unit in outcome.units]) == (2, [0, 2])
    assert [step.at for step in outcome.steps] == [0.0, 0.0, 60.0, 60.0]
    assert len(play.placed) == 4
