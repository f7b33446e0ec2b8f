"""What holds in every world, found or refuted by Hypothesis.

Worlds come from `worlds`; `HYPOTHESIS_PROFILE=thorough` looks at thousands of them.
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import TypeVar

from hypothesis import event, example, given
from hypothesis import strategies as st

from policy.api.options import NodeKinds, OutsideUnits
from policy.api.resourcepolicy import PreemptPolicy, ResourcePolicy
from policy.scheduling import filter as filtering
from policy.scheduling import preempt
from policy.scheduling.accounting import group_of
from policy.scheduling.filter import FilterDecision
from policy.scheduling.matching import in_unit, units_of
from policy.scheduling.pod_history import NO_HISTORY, Nomination, PodHistory
from policy.scheduling.prioritize import scores
from policy.scheduling.refusals import Reason, Refusal
from policy.scheduling.unit_selection import limit_reached
from tests.builders import NOW, a_pod, a_policy, a_reservation
from tests.unit.policy import reference_model as naive
from tests.unit.policy.cases import outcome
from tests.unit.policy.random_clusters import NODE_NAMES, World, policies, requests, worlds

T = TypeVar("T")
KINDS = NodeKinds()
AFTER_ALL = {"preempt_policy": PreemptPolicy.AFTER_ALL_UNITS}
NOWHERE = World(
    policy=a_policy(),
    rivals=(),
    nodes=(),
    pods=(),
    asking=a_pod(),
    room=(),
    placed={},
    reservations=(),
    history=NO_HISTORY,
    remembers_since=0.0,
    outside=OutsideUnits.NEVER,
)
"""Somebody asks about no node at all, as kube-scheduler never does."""


def decide(world: World) -> FilterDecision:
    return filtering.decide(world.asking, world.room, world.policy, world.snapshot, NOW, world.outside)


def in_any_order(decision: FilterDecision) -> FilterDecision:
    """The nodes are in the order of the question; everything else is compared as it is."""
    refused = decision.refused
    if refused is not None:
        units = dict(zip(refused.nodes, refused.units, strict=True))
        names = sorted(units)
        refused = replace(refused, nodes=names, units=[units[name] for name in names])
    return replace(decision, nodes=sorted(decision.nodes), refused=refused)


def amended(policy: ResourcePolicy, **fields: object) -> ResourcePolicy:
    return policy.model_copy(update=fields)


@given(worlds())
@example(NOWHERE)
@example(replace(NOWHERE, policy=a_policy(match_label_keys=["rev"])))
def test_the_answer_is_part_of_one_unit_or_a_reason_for_every_node(world: World) -> None:
    decision = decide(world)
    assert set(decision.nodes) <= set(world.room)
    assert len(set(decision.nodes)) == len(decision.nodes)
    if decision.nodes:
        assert decision.refused is None
        units = [units_of(node, world.policy, KINDS) for node in world.nodes if node.name in decision.nodes]
        assert all(decision.unit in found if decision.unit is not None else not found for found in units)
    else:
        assert decision.unit is None
        assert decision.refused is not None
        assert sorted(decision.refused.nodes) == sorted(world.room)
        # Who asks about no node at all is told why not, too.
        assert set(decision.refused.reasons) == (set(decision.refused.units) or {None})
    event(f"answers {outcome(decision)}")


@given(worlds())
def test_no_later_unit_is_used_while_an_earlier_one_is_open_and_has_room(world: World) -> None:
    decision, snapshot = decide(world), world.snapshot
    if not decision.nodes:
        return
    group = group_of(world.asking.labels, world.policy)
    last = len(world.policy.units) if decision.unit is None else decision.unit
    for earlier in range(last):
        usage = snapshot.usage(world.policy, earlier, group)
        closed = limit_reached(world.policy, earlier, usage, world.asking.requests)
        members = [node for node in world.nodes if in_unit(node, world.policy.units[earlier], KINDS)]
        assert closed or not {node.name for node in members} & set(world.room)


arrivals = st.lists(
    st.tuples(st.sampled_from(["1", "2"]), st.sampled_from(["1", "2"]), requests), min_size=1, max_size=8
)


@given(worlds(), arrivals)
def test_no_burst_goes_past_a_cap(world: World, pods: list[tuple[str, str, dict[str, str]]]) -> None:
    """C7: each pod is decided with the reservations of those before it."""
    world = replace(world, rivals=())
    policy, snapshot = world.policy, world.snapshot
    for i, (rev, zone, written) in enumerate(pods):
        labels = {**policy.selector, "rev": rev, "zone": zone}
        pod = a_pod(f"burst-{i}", labels=labels, requests=written)
        decision = filtering.decide(pod, world.room, policy, snapshot, NOW, world.outside)
        if decision.unit is None:
            continue
        held = {**snapshot.reservations, pod.uid: a_reservation(pod, policy, decision.unit)}
        snapshot = replace(snapshot, reservations=held)
        unit = policy.units[decision.unit]
        usage = snapshot.usage(policy, decision.unit, decision.group)
        assert unit.max is None or usage.pods <= unit.max
        assert all(usage.requests.get(name, 0) <= limit for name, limit in unit.max_resources.items())


@given(worlds(), st.sampled_from([1, 5]))
def test_a_higher_cap_never_takes_a_units_node_away(world: World, more: int) -> None:
    """Nor does one removed."""
    before = decide(world)
    units = world.policy.units
    for index, unit in enumerate(units):
        if before.unit != index or unit.max is None:
            continue
        for cap in (None, unit.max + more):
            raised = unit.model_copy(update={"max": cap})
            amendment = amended(world.policy, units=(*units[:index], raised, *units[index + 1 :]))
            after = decide(replace(world, policy=amendment))
            assert (after.unit, after.nodes) == (before.unit, before.nodes)


@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_is_irrelevant(world: World, random: Random) -> None:
    """Of candidates, labels, pods, nodes and policies."""

    def shuffled(things: Sequence[T]) -> tuple[T, ...]:
        return tuple(random.sample(things, len(things)))

    labels = dict(shuffled(tuple(world.asking.labels.items())))
    other = replace(
        world,
        room=shuffled(world.room),
        nodes=shuffled(world.nodes),
        pods=shuffled(world.pods),
        asking=replace(world.asking, labels=labels),
    )
    view = other.snapshot
    view = replace(view, policies=shuffled(tuple(view.policies)))
    decision = filtering.decide(other.asking, other.room, other.policy, view, NOW, other.outside)
    assert in_any_order(decision) == in_any_order(decide(world))


@given(worlds())
def test_a_naive_reading_of_the_rules_agrees(world: World) -> None:
    """All modes, caps, groups, timers and terminating pods."""
    world = replace(world, policy=amended(world.policy, **AFTER_ALL))
    decision = decide(world)
    if decision.nodes:
        got: tuple[object, set[str]] = (
            "outside" if decision.unit is None else decision.unit,
            set(decision.nodes),
        )
    else:
        missing = decision.waits is not None and decision.waits.reason is Reason.LABEL_MISSING
        got = ("wait" if decision.waits and not missing else "refuse", set())
    assert got == naive.answer(world)
    event(str(got[0]))


@given(worlds())
def test_scores_never_reverse_the_order_of_units(world: World) -> None:
    by_score = scores(world.room, world.policy, world.snapshot)
    scored = {name: score for score, names in by_score.items() for name in names}
    assert sorted(name for names in by_score.values() for name in names) == sorted(world.room)
    nowhere = len(world.policy.units)
    ranks = {
        node.name: min(units_of(node, world.policy, KINDS), default=nowhere)
        for node in world.nodes
        if node.name in world.room
    }
    for one, rank in ranks.items():
        for other, later in ranks.items():
            if rank < later:
                assert scored[one] > scored[other]


@given(worlds(crowded=True), st.frozensets(st.sampled_from(NODE_NAMES)))
def test_what_preempt_answers_filter_accepts_once_the_victims_are_gone(
    world: World, protected: frozenset[str]
) -> None:
    """P2, on each node alone: the scheduler picks any of them."""
    choice = preempt.decide(world.asking, world.victims, world.policy, world.snapshot, NOW, protected)
    event(f"preempts in unit {choice.unit}")
    if choice.unit is None:
        assert not choice.nodes
        return
    for node in choice.nodes:
        assert node in world.snapshot.nodes_in(world.policy, choice.unit)
        gone = set(world.victims[node])
        promised = Nomination(choice.unit, frozenset(choice.nodes), NOW)
        later = replace(
            world,
            pods=tuple(pod for pod in world.pods if pod.uid not in gone),
            asking=replace(world.asking, nominated_node=node),
            room=(node,),
            history=replace(world.history, nomination=promised),
        )
        decision = decide(later)
        assert (decision.unit, list(decision.nodes)) == (choice.unit, [node])


refusals = st.builds(
    Refusal, st.sampled_from(Reason), policies(), unit=st.integers(0, 3), named=st.just("nvidia.com/gpu")
)


@given(st.lists(st.none() | refusals, max_size=6))
def test_a_history_keeps_the_first_start_of_each_timer(refused: list[Refusal | None]) -> None:
    history, first = PodHistory(), dict[int, float]()
    for hour, waits in enumerate(refused):
        history = history.after(waits, float(hour))
        if waits is not None and waits.reason is Reason.WAITING_FOR_TIMEOUT:
            first.setdefault(waits.unit, float(hour))
        assert history.refused_since == first
        alone = waits is not None and waits.reason is Reason.EARLIER_UNIT_FIRST
        assert history.nomination_refused == alone
