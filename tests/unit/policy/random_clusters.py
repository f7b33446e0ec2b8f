"""Random small worlds: a policy with up to four units, a few nodes, and pods that may be placed anywhere.

Names and values come from tiny sets, so that selectors match, caps are met and units overlap often. A world
knows through which unit each recorded pod was placed: `naive` needs it, as the record is our own invention.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from policy.api.objects import Effect, Node, Phase, Pod, Taint
from policy.api.options import OutsideUnits
from policy.api.resourcepolicy import (
    WAIT_LABEL,
    NextUnits,
    PreemptPolicy,
    ResourceKind,
    ResourcePolicy,
    Strategy,
    Unit,
)
from policy.scheduling.pod_history import NO_HISTORY, PodHistory
from policy.scheduling.snapshot import Reservation, Snapshot
from tests.builders import (
    NOW,
    POLICY_CREATED,
    a_node,
    a_pod,
    a_policy,
    a_reservation,
    a_snapshot,
    a_unit,
    recorded_in,
)

__all__ = ["World", "policies", "worlds"]

POOLS = ("a", "b")
NODE_NAMES = ("n1", "n2", "n3", "n4", "n5")
MARK = {"mark": "x"}
TIMES = (POLICY_CREATED - 10, POLICY_CREATED, POLICY_CREATED + 10)
GPU = "nvidia.com/gpu"
STARTS = (NOW - 1000, NOW - 900, NOW - 100)


@dataclass(frozen=True)
class World:
    """A cluster, a pod that asks, and what the scheduler would send for it."""

    policy: ResourcePolicy
    rivals: tuple[ResourcePolicy, ...]
    nodes: tuple[Node, ...]
    pods: tuple[Pod, ...]
    asking: Pod
    room: tuple[str, ...]
    placed: Mapping[str, int]
    """The unit of each recorded pod, by uid."""
    reservations: tuple[Reservation, ...]
    history: PodHistory
    remembers_since: float
    outside: OutsideUnits
    victims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Candidates of a preempt call, as far as the nodes have pods of lower priority."""

    @property
    def snapshot(self) -> Snapshot:
        return a_snapshot(
            self.policy,
            *self.rivals,
            nodes=self.nodes,
            pods=[*self.pods, self.asking],
            reservations=self.reservations,
            histories={self.asking.uid: self.history},
            remembers_since=self.remembers_since,
        )


def any_of(**values: Sequence[str]) -> st.SearchStrategy[dict[str, str]]:
    """Every combination of these values, each key also left out; one choice, which is cheap to draw."""
    choices = itertools.product(*(("", *found) for found in values.values()))
    named = (zip(values, choice, strict=True) for choice in choices)
    return st.sampled_from([{key: value for key, value in pairs if value} for pairs in named])


maybe = st.booleans()
requests = any_of(cpu=["1", "2", "500m"], **{GPU: ["1", "2"]})
limits = any_of(cpu=["0", "1", "3"], **{GPU: ["1", "3"]})
labels = any_of(rev=["1", "2", "11"], zone=["1", "2"], mark=["x", "y"], app=["web", "db"])


def rarely(usual: object, *others: object) -> st.SearchStrategy[Any]:
    """Mostly the first: what is special would otherwise crowd out what is common."""
    return st.sampled_from([usual] * 3 + list(others))


# Made once: a strategy made anew for each draw costs more than the draw.
pools = st.sampled_from([*POOLS, ""])
kinds = rarely(ResourceKind.ECS, ResourceKind.ELASTIC, ResourceKind.ECI)
maxima = st.sampled_from([None, None, 0, 1, 2, 3])
capped_resources = st.just(dict[str, str]()) | limits
pod_labels = rarely({}, MARK, {WAIT_LABEL: "true"}, {WAIT_LABEL: "true", **MARK})
marks = rarely({}, MARK)
creations = rarely(POLICY_CREATED, POLICY_CREATED + 5)
modes = st.sampled_from(NextUnits)
selectors = rarely({}, {"app": "web"})
strategies = st.sampled_from(Strategy)
preempt_policies = rarely(PreemptPolicy.AFTER_ALL_UNITS, PreemptPolicy.BEFORE_NEXT_UNIT)
label_keys = rarely((), ("rev",), ("rev", "zone"))
virtual_labels = rarely({}, {"type": "virtual-kubelet"})
dooms = rarely((), (Taint("ToBeDeletedByClusterAutoscaler", "", Effect.NO_SCHEDULE),))
places = st.sampled_from(NODE_NAMES)
namespaces = rarely("default", "other")
times = st.sampled_from(TIMES)
maybe_times = st.none() | st.sampled_from(TIMES)
phases = rarely(Phase.RUNNING, Phase.SUCCEEDED, Phase.FAILED)
priorities = st.sampled_from([0, 1, 2])
asking_priorities = rarely(2, 1, 0)
maybe_starts = st.none() | st.sampled_from(STARTS)
memories = st.sampled_from([0.0, NOW - 50])
outsides = st.sampled_from(OutsideUnits)
sizes = st.sampled_from([3, 4, 5, 2, 1, 0])
group_labels = rarely({"rev": "1", "zone": "1"}, {"rev": "1"})
ones_and_twos = st.sampled_from(["1", "2"])
company = rarely("alone", "contested")
mostly = st.sampled_from([True, True, True, False])
seldom = st.sampled_from([False, False, False, True])


@st.composite
def units(draw: st.DrawFn) -> Unit:
    return a_unit(
        draw(pools),
        resource=draw(kinds),
        max=draw(maxima),
        max_resources=draw(capped_resources),
        pod_labels=draw(pod_labels),
        pod_annotations=draw(marks),
    )


@st.composite
def policies(draw: st.DrawFn, name: str = "policy") -> ResourcePolicy:
    return a_policy(
        *draw(st.lists(units(), min_size=1, max_size=4)),
        name=name,
        created=draw(creations),
        mode=draw(modes),
        selector=draw(selectors),
        strategy=draw(strategies),
        preempt_policy=draw(preempt_policies),
        ignore_previous_pod=draw(maybe),
        ignore_terminating_pod=draw(maybe),
        match_label_keys=draw(label_keys),
    )


@st.composite
def nodes(draw: st.DrawFn, name: str) -> Node:
    virtual = draw(virtual_labels)
    doomed = draw(dooms)
    pool = draw(pools)
    return a_node(name, pool, labels=virtual, taints=doomed, allocatable={"cpu": "4", "nvidia.com/gpu": "4"})


@st.composite
def bound_pods(draw: st.DrawFn, name: str, policy: ResourcePolicy) -> tuple[Pod, int | None]:
    unit = draw(st.none() | st.integers(0, len(policy.units) - 1))
    record = {} if unit is None else recorded_in(policy, unit)
    pod = a_pod(
        name,
        on=draw(places),
        labels=draw(labels),
        annotations={**record, **draw(marks)},
        requests=draw(requests),
        namespace=draw(namespaces),
        created=draw(times),
        bound_at=draw(maybe_times),
        phase=draw(phases),
        terminating=draw(seldom),
        priority=draw(priorities),
    )
    return pod, unit


@st.composite
def worlds(draw: st.DrawFn, *, crowded: bool = False) -> World:
    """Crowded: with many pods below the asking one."""
    policy = draw(policies())
    rivals = (draw(policies("rival")),) if draw(company) == "contested" else ()
    found = NODE_NAMES[: draw(sizes)]
    cluster = tuple(draw(nodes(name)) for name in found)
    others = [draw(bound_pods(f"p{i}", policy)) for i in range(draw(st.integers(3 if crowded else 0, 6)))]
    asking = a_pod(
        labels={**draw(group_labels), **draw(labels), **policy.selector},
        requests=draw(requests),
        priority=3 if crowded else draw(asking_priorities),
        unscheduled_since=draw(maybe_starts),
    )
    return World(
        policy=policy,
        rivals=rivals,
        nodes=cluster,
        pods=tuple(pod for pod, _ in others),
        asking=asking,
        room=tuple(name for name in found if draw(mostly)),
        placed={pod.uid: unit for pod, unit in others if unit is not None},
        reservations=tuple(draw(reservations(policy))),
        history=draw(histories(policy)),
        remembers_since=draw(memories),
        outside=draw(outsides),
        victims=draw(preemptions([pod for pod, _ in others], asking, found)),
    )


@st.composite
def reservations(draw: st.DrawFn, policy: ResourcePolicy) -> list[Reservation]:
    held = []
    for i in range(draw(st.integers(0, 2))):
        keys = {key: draw(ones_and_twos) for key in policy.match_label_keys}
        pod = a_pod(f"r{i}", labels={**keys, **policy.selector}, requests=draw(requests))
        held.append(a_reservation(pod, policy, draw(st.integers(0, len(policy.units) - 1))))
    return held


@st.composite
def histories(draw: st.DrawFn, policy: ResourcePolicy) -> PodHistory:
    timed = draw(st.dictionaries(st.integers(0, len(policy.units) - 1), st.sampled_from(STARTS)))
    tried = draw(st.frozensets(st.integers(0, len(policy.units) - 1)))
    return PodHistory(refused_since=timed, preempted_in_vain=tried) if timed or tried else NO_HISTORY


@st.composite
def preemptions(
    draw: st.DrawFn, pods: list[Pod], asking: Pod, found: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    candidates = {}
    for name in found:
        lower = [
            p.uid for p in pods if p.node_name == name and p.priority < asking.priority and not p.finished
        ]
        if lower:
            candidates[name] = tuple(uid for uid in lower if draw(mostly))
    return candidates
