"""Bindings that may be under way unseen (C7), and slots that follow an edited policy."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.api.objects import Effect, Node, Taint
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling import preempt
from policy.scheduling.accounting import Usage, total
from policy.scheduling.filter import FilterDecision, confirm
from policy.scheduling.inflight_bindings import (
    InflightBinding,
    InflightBindings,
    PessimisticView,
    find_inflight_bindings,
    has_room,
)
from policy.scheduling.preempt import PreemptDecision
from policy.scheduling.refusals import Reason
from policy.scheduling.snapshot import Snapshot
from tests.builders import a_node, a_pod, a_policy, a_reservation, a_snapshot, a_unit

GPU = "nvidia.com/gpu"
POLICY = a_policy(a_unit("dc"), a_unit("cloud"))
DC = a_node("dc-1", "dc", allocatable={GPU: "1"})
DOOMED = Taint("ToBeDeletedByClusterAutoscaler", "", Effect.NO_SCHEDULE)
CLOUD = a_node("cloud-1", "cloud", allocatable={GPU: "4"})
WORLD = a_snapshot(POLICY, nodes=[DC, CLOUD])


def view_of(world: Snapshot, *names: str) -> PessimisticView:
    found = find_inflight_bindings(POLICY, [a_pod(name, requests={GPU: "1"}) for name in names], world)
    return PessimisticView(world, InflightBindings(found))


@pytest.mark.parametrize(
    ("gpus", "units"),
    [
        pytest.param("1", {0, 1}, id="C7: it may be on its way to either"),
        pytest.param("2", {1}, id="C7: only where a node has room for it"),
        pytest.param("8", None, id="C7: it fits nowhere, so it is not on its way"),
    ],
)
def test_a_pod_is_in_doubt_where_a_node_has_room(gpus: str, units: set[int] | None) -> None:
    found = find_inflight_bindings(POLICY, [a_pod("p", requests={GPU: gpus})], WORLD)
    assert [set(doubt.units) for doubt in found] == ([units] if units else [])


def test_pods_of_one_shape_share_the_answer_and_one_without_its_label_is_not_counted() -> None:
    grouped = a_policy(a_unit("dc"), match_label_keys=["app"])
    pods = [a_pod("a", labels={"app": "x"}), a_pod("b", labels={"app": "x"}), a_pod("c")]
    assert [doubt.pod.uid for doubt in find_inflight_bindings(grouped, pods, WORLD)] == ["a", "b"]


def test_room_is_what_a_node_has_left() -> None:
    pod = a_pod("p", requests={GPU: "1"})
    assert has_room(pod, POLICY, 0, WORLD)
    taken = a_pod("taken", on="dc-1", requests={GPU: "1"})
    assert not has_room(pod, POLICY, 0, a_snapshot(POLICY, nodes=[DC, CLOUD], pods=[taken]))


@pytest.mark.parametrize(
    ("node", "room"),
    [
        pytest.param(
            replace(DC, ready=False), True, id="C7: it may be on its way to a node that is down now"
        ),
        pytest.param(replace(DC, unschedulable=True), True, id="C7: or cordoned"),
        pytest.param(replace(DC, taints=(DOOMED,)), True, id="C7: or about to be removed"),
        pytest.param(replace(DC, allocatable={}), False, id="C7: not to one that cannot hold it"),
    ],
)
def test_room_is_there_whoever_is_let_in(node: Node, *, room: bool) -> None:
    world = a_snapshot(POLICY, nodes=[node])
    assert has_room(a_pod("p", requests={GPU: "1"}), POLICY, 0, world) is room


def test_a_pod_has_no_room_on_nodes_that_it_does_not_select() -> None:
    assert not has_room(a_pod("p", node_selector={"pool": "cloud"}), POLICY, 0, WORLD)


def test_a_unit_that_lost_a_node_is_in_doubt_without_room() -> None:
    """C7: a binding under way may be to that node."""
    pod = a_pod("p", requests={GPU: "2"})
    assert [doubt.units for doubt in find_inflight_bindings(POLICY, [pod], WORLD, shrank=[0])] == [{0, 1}]


def test_a_doubtful_pod_counts_in_each_unit_but_not_for_itself() -> None:
    view = view_of(WORLD, "a", "b")
    assert view.usage(POLICY, 0, ()).pods == 2
    assert view.usage(POLICY, 1, (), excluding="a") == Usage(1, {GPU: 10**9})
    assert view.usage(POLICY, 0, ("other",)).pods == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sets(st.sampled_from([0, 1, 2])), st.booleans())))
def test_what_doubts_come_to_is_their_sum(steps: list[tuple[str, set[int], bool]]) -> None:
    kept = InflightBindings()
    known: dict[str, InflightBinding] = {}
    for number, (name, units, put) in enumerate(steps):
        pod = a_pod(name, requests={GPU: str(number)})
        if put:
            known[name] = InflightBinding(pod, POLICY.key, (), frozenset(units))
            kept.put(known[name])
        else:
            assert kept.drop(name) == known.pop(name, None)
    assert {doubt.pod.uid: doubt for doubt in kept} == known
    assert (len(kept), kept.of(POLICY.key)) == (len(known), len(known))
    for unit, but in product(range(3), ["", *"abc"]):
        expected = total(d.pod.requests for u, d in known.items() if unit in d.units and u != but)
        found = kept.usage(POLICY, unit, (), but)
        assert found.pods == expected.pods
        assert found.requests.get(GPU, 0) == expected.requests.get(GPU, 0)


def test_all_else_is_as_the_view_behind_it_has_it() -> None:
    leaving = a_pod("leaving", on="dc-1", terminating=True)
    world = a_snapshot(POLICY, nodes=[DC, CLOUD], pods=[leaving])
    view = view_of(world, "a")
    pod = a_pod("seen", unscheduled_since=5.0)
    assert view.nodes == world.nodes
    assert view.leaving == world.leaving
    assert view.nodes_in(POLICY, 1) == {"cloud-1"}
    assert view.first_units(POLICY) == {"dc-1": 0, "cloud-1": 1}
    assert view.terminating(POLICY, 0)
    assert view.emptied_at(POLICY, 0) == world.emptied_at(POLICY, 0)
    assert list(view.pods_on("dc-1")) == [leaving]
    assert view.share(POLICY, "leaving") == world.share(POLICY, "leaving")
    assert view.history("a") == world.history("a")
    assert view.unscheduled_since(pod) == world.unscheduled_since(pod)
    assert list(view.unknown(["dc-1", "new"])) == ["new"]


def edited(**fields: Any) -> ResourcePolicy:  # noqa: ANN401  a policy's fields
    return a_policy(a_unit("cloud"), a_unit("dc"), **fields)


@pytest.mark.parametrize(
    ("policy", "unit"),
    [
        pytest.param(edited(), 1, id="C7: units were reordered"),
        pytest.param(a_policy(a_unit("else"), a_unit("cloud")), 0, id="C7: its unit was rewritten"),
        pytest.param(edited(match_label_keys=["app"]), None, id="C7: it has no group any more"),
    ],
)
def test_a_slot_follows_its_unit_when_the_policy_is_edited(policy: ResourcePolicy, unit: int | None) -> None:
    carried = a_reservation(a_pod("p"), POLICY, 0).carried_over(POLICY, policy)
    assert (carried.unit if carried else None) == unit


@pytest.mark.parametrize(
    ("seen", "pessimistic", "held_in"),
    [
        pytest.param(0, 0, None, id="C7: the same unit whether or not they are bound"),
        pytest.param(None, None, None, id="C7: refused in either case"),
        pytest.param(0, 1, 0, id="C7: they may have its slot, and it would overflow"),
        pytest.param(1, None, 1, id="C7: they may have its slot, and it would be refused"),
        pytest.param(None, 1, 1, id="C7: it may be waiting for a slot that is gone"),
    ],
)
def test_an_answer_that_hangs_on_bindings_unseen_is_held_back(
    seen: int | None, pessimistic: int | None, held_in: int | None
) -> None:
    by_the_view = FilterDecision(nodes=["dc-1"], unit=seen)
    decision = confirm(["dc-1"], POLICY, by_the_view, FilterDecision(unit=pessimistic))
    if held_in is None:
        assert decision is by_the_view
        return
    assert not decision.nodes
    assert decision.waits is not None
    assert (decision.waits.reason, decision.waits.unit) == (Reason.WAITING_FOR_BINDINGS, held_in)


@pytest.mark.parametrize(
    ("seen", "pessimistic", "nodes"),
    [
        pytest.param((0, "ab"), (0, "ab"), "ab", id="P2: the same nodes whether or not they are bound"),
        pytest.param((0, "ab"), (0, "b"), "b", id="P2: only where it helps in either case"),
        pytest.param((None, ""), (None, ""), "", id="P2: no node in either case"),
        pytest.param((0, "a"), (0, "b"), None, id="P2: others of the unit would die, whom a budget protects"),
        pytest.param((0, "a"), (1, "b"), None, id="P2: they may have its slot, and others would die"),
        pytest.param((0, "a"), (None, ""), None, id="P2: they may have its slot, and it would be refused"),
        pytest.param((None, ""), (1, "b"), None, id="P2: it may be waiting for a slot that is gone"),
    ],
)
def test_victims_that_hang_on_bindings_unseen_stay(
    seen: tuple[int | None, str], pessimistic: tuple[int | None, str], nodes: str | None
) -> None:
    by_the_view, doubting = (PreemptDecision(unit, nodes=tuple(names)) for unit, names in (seen, pessimistic))
    choice = preempt.confirm(by_the_view, doubting)
    assert (None if choice is None else "".join(choice.nodes)) == nodes
