"""Random small worlds: a policy with up to four units, a few nodes, and pods that may be placed anywhere.

Names and values come from tiny sets, so that selectors match, caps are met and units overlap often. A world
knows through which unit each recorded pod was placed: `naive` needs it, as the record is our own invention.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from policy.history import NO_HISTORY, History
from policy.objects import Effect, Node, Phase, Pod, Taint
from policy.options import OutsideUnits
from policy.resourcepolicy import (
    WAIT_LABEL,
    NextUnits,
    PreemptPolicy,
    ResourceKind,
    ResourcePolicy,
    Strategy,
    Unit,
)
from policy.snapshot import Reservation, Snapshot
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
    history: History
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


maybe = st.booleans()
requests = st.fixed_dictionaries(
    {}, optional={"cpu": st.sampled_from(["1", "2", "500m"]), "nvidia.com/gpu": st.sampled_from(["1", "2"])}
)
labels = st.fixed_dictionaries(
    {},
    optional={
        "rev": st.sampled_from(["1", "2", "11"]),
        "zone": st.sampled_from(["1", "2"]),
        "mark": st.sampled_from(["x", "y"]),
        "app": st.sampled_from(["web", "db"]),
    },
)


def rarely(usual: object, *others: object) -> st.SearchStrategy[Any]:
    """Mostly the first: what is special would otherwise crowd out what is common."""
    return st.sampled_from([usual] * 3 + list(others))


limits = st.fixed_dictionaries(
    {}, optional={"cpu": st.sampled_from(["0", "1", "3"]), "nvidia.com/gpu": st.sampled_from(["1", "3"])}
)


@st.composite
def units(draw: st.DrawFn) -> Unit:
    return a_unit(
        draw(st.sampled_from([*POOLS, ""])),
        resource=draw(rarely(ResourceKind.ECS, ResourceKind.ELASTIC, ResourceKind.ECI)),
        max=draw(st.sampled_from([None, None, 0, 1, 2, 3])),
        max_resources=draw(st.just({}) | limits),
        pod_labels=draw(rarely({}, MARK, {WAIT_LABEL: "true"}, {WAIT_LABEL: "true", **MARK})),
        pod_annotations=draw(rarely({}, MARK)),
    )


@st.composite
def policies(draw: st.DrawFn, name: str = "policy") -> ResourcePolicy:
    return a_policy(
        *draw(st.lists(units(), min_size=1, max_size=4)),
        name=name,
        created=draw(rarely(POLICY_CREATED, POLICY_CREATED + 5)),
        mode=draw(st.sampled_from(NextUnits)),
        selector=draw(rarely({}, {"app": "web"})),
        strategy=draw(st.sampled_from(Strategy)),
        preempt_policy=draw(rarely(PreemptPolicy.AFTER_ALL_UNITS, PreemptPolicy.BEFORE_NEXT_UNIT)),
        ignore_previous_pod=draw(maybe),
        ignore_terminating_pod=draw(maybe),
        match_label_keys=draw(rarely((), ("rev",), ("rev", "zone"))),
    )


@st.composite
def nodes(draw: st.DrawFn, name: str) -> Node:
    virtual = draw(rarely({}, {"type": "virtual-kubelet"}))
    doomed = draw(rarely((), (Taint("ToBeDeletedByClusterAutoscaler", "", Effect.NO_SCHEDULE),)))
    pool = draw(st.sampled_from([*POOLS, ""]))
    return a_node(name, pool, labels=virtual, taints=doomed, allocatable={"cpu": "4", "nvidia.com/gpu": "4"})


@st.composite
def bound_pods(draw: st.DrawFn, name: str, policy: ResourcePolicy) -> tuple[Pod, int | None]:
    unit = draw(st.none() | st.integers(0, len(policy.units) - 1))
    record = {} if unit is None else recorded_in(policy, unit)
    pod = a_pod(
        name,
        on=draw(st.sampled_from(NODE_NAMES)),
        labels=draw(labels),
        annotations={**record, **draw(rarely({}, MARK))},
        requests=draw(requests),
        namespace=draw(rarely("default", "other")),
        created=draw(st.sampled_from(TIMES)),
        bound_at=draw(st.none() | st.sampled_from(TIMES)),
        phase=draw(rarely(Phase.RUNNING, Phase.SUCCEEDED, Phase.FAILED)),
        terminating=draw(rarely(False, True)),  # noqa: FBT003  the values, not an argument's meaning
        priority=draw(st.sampled_from([0, 1, 2])),
    )
    return pod, unit


@st.composite
def worlds(draw: st.DrawFn, *, crowded: bool = False) -> World:
    """Crowded: with many pods below the asking one."""
    policy = draw(policies())
    rivals = (draw(policies("rival")),) if draw(rarely("alone", "contested")) == "contested" else ()
    found = NODE_NAMES[: draw(st.sampled_from([3, 4, 5, 2, 1, 0]))]
    cluster = tuple(draw(nodes(name)) for name in found)
    others = [draw(bound_pods(f"p{i}", policy)) for i in range(draw(st.integers(3 if crowded else 0, 6)))]
    asking = a_pod(
        labels={**draw(rarely({"rev": "1", "zone": "1"}, {"rev": "1"})), **draw(labels), **policy.selector},
        requests=draw(requests),
        priority=3 if crowded else draw(rarely(2, 1, 0)),
        unscheduled_since=draw(st.none() | st.sampled_from(STARTS)),
    )
    return World(
        policy=policy,
        rivals=rivals,
        nodes=cluster,
        pods=tuple(pod for pod, _ in others),
        asking=asking,
        room=tuple(name for name in found if draw(rarely(True, False))),  # noqa: FBT003
        placed={pod.uid: unit for pod, unit in others if unit is not None},
        reservations=tuple(draw(reservations(policy))),
        history=draw(histories(policy)),
        remembers_since=draw(st.sampled_from([0.0, NOW - 50])),
        outside=draw(st.sampled_from(OutsideUnits)),
        victims=draw(preemptions([pod for pod, _ in others], asking, found)),
    )


@st.composite
def reservations(draw: st.DrawFn, policy: ResourcePolicy) -> list[Reservation]:
    held = []
    for i in range(draw(st.integers(0, 2))):
        keys = {key: draw(st.sampled_from(["1", "2"])) for key in policy.match_label_keys}
        pod = a_pod(f"r{i}", labels={**keys, **policy.selector}, requests=draw(requests))
        held.append(a_reservation(pod, policy, draw(st.integers(0, len(policy.units) - 1))))
    return held


@st.composite
def histories(draw: st.DrawFn, policy: ResourcePolicy) -> History:
    timed = draw(st.dictionaries(st.integers(0, len(policy.units) - 1), st.sampled_from(STARTS)))
    tried = draw(st.frozensets(st.integers(0, len(policy.units) - 1)))
    return History(refused_since=timed, preempted_in_vain=tried) if timed or tried else NO_HISTORY


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
            candidates[name] = tuple(uid for uid in lower if draw(rarely(True, False)))  # noqa: FBT003
    return candidates
