"""From the events of a simulation to its result for each policy.

Scale-in is that of a ReplicaSet: pods without a node first, then by deletion cost, which falls with the unit
(L2), then the youngest.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import groupby

from policy.api.objects import Pod
from policy.api.quantity import format_quantity
from policy.api.resourcepolicy import ResourcePolicy, Unit
from policy.api.selectors import spelled
from policy.simulation.result import (
    ArrivalStep,
    NodePurchase,
    Overflow,
    PendingPods,
    ScaleDownStep,
    SimulationResult,
    UnitCount,
)
from policy.simulation.simulated_cluster import SimulatedCluster
from policy.simulation.simulator import SimulatedAttempt, Simulation

__all__ = ["conclude", "counts"]


def counts(simulated: SimulatedCluster, policy: ResourcePolicy) -> Counter[int | None]:
    """How many pods each unit holds (C1)."""
    shares = (simulated.view.share(policy, pod.uid) for pod in simulated.pods())
    return Counter(share.unit for share in shares if share is not None and share.counted)


def conclude(
    simulation: Simulation,
    policy: ResourcePolicy,
    before: Counter[int | None],
    scaled: Mapping[str, str],
    excess: Mapping[str, int],
    notes: tuple[str, ...],
) -> SimulationResult:
    """The answers about one policy.

    `before` is what `counts` told before the play, `scaled` the workload of each of its pods, `excess` how
    many of each workload are too many.
    """
    attempts = [a for a in simulation.attempts if a.policy is not None and a.policy.key == policy.key]
    waiting = {pod.uid for pod in simulation.wanted.waiting}
    order = _scale_in(simulation, policy, attempts, scaled)
    return SimulationResult(
        policy=policy.key,
        arrived=len(attempts),
        waiting_before=sum(attempt.pod.uid in waiting for attempt in attempts),
        outside=sum(bool(a.node) and a.unit is None for a in attempts),
        units=tuple(_units(simulation, policy, before)),
        spills=tuple(_spills(simulation, attempts)),
        pending=tuple(_pending(simulation, attempts)),
        purchases=tuple(_purchases(simulation, policy)),
        removals=tuple(ScaleDownStep(place, len(list(same))) for place, same in groupby(p for p, _ in order)),
        removed=tuple(_removed([pod for _, pod in order], scaled, excess)),
        steps=tuple(_steps(simulation, policy, attempts)),
        lasted=simulation.lasted,
        notes=(*notes, *_unplayed(simulation, policy)),
    )


def _unplayed(simulation: Simulation, policy: ResourcePolicy) -> Iterator[str]:
    for key, unit in sorted(simulation.unplayed):
        if key == policy.key:
            yield f"preemption comes first in units[{unit}] (P1), and is not played: pods went on without"


def _removed(order: list[Pod], scaled: Mapping[str, str], excess: Mapping[str, int]) -> Iterator[str]:
    """The names of those that go, workload by workload."""
    for workload, number in excess.items():
        own = [pod.name for pod in order if scaled[pod.uid] == workload]
        yield from own[:number]


def _units(
    simulation: Simulation, policy: ResourcePolicy, before: Counter[int | None]
) -> Iterator[UnitCount]:
    after = counts(simulation.simulated, policy)
    for index, unit in enumerate(policy.units):
        yield UnitCount(
            unit=index,
            resource=unit.resource,
            selector=spelled(unit.node_selector),
            cap=_cap(unit),
            waits_for_nodes=unit.waits_for_nodes,
            nodes=len(simulation.simulated.view.nodes_in(policy, index)),
            before=before[index],
            after=after[index],
        )


def _cap(unit: Unit) -> str:
    caps = [f"max {unit.max}"] if unit.max is not None else []
    caps += [f"{name} {format_quantity(limit)}" for name, limit in unit.max_resources.items()]
    return ", ".join(caps)


def _spills(simulation: Simulation, attempts: list[SimulatedAttempt]) -> Iterator[Overflow]:
    numbers = {attempt.pod.uid: number for number, attempt in enumerate(attempts, 1)}
    for attempt in simulation.placed:
        if attempt.pod.uid in numbers and attempt.passed and attempt.unit is not None:
            yield Overflow(attempt.unit, numbers[attempt.pod.uid], attempt.at, attempt.passed)


def _pending(simulation: Simulation, attempts: list[SimulatedAttempt]) -> Iterator[PendingPods]:
    alike: defaultdict[object, list[SimulatedAttempt]] = defaultdict(list)
    for attempt in attempts:
        if not attempt.node:
            alike[attempt.demand, attempt.refusals].append(attempt)
    for some in alike.values():
        first = some[0]
        why = list(first.refusals)
        counts = simulation.room.why_not(first.demand, first.pod)
        why += [f"{count} {reason}" for reason, count in sorted(counts.items())]
        yield PendingPods(len(some), first.pod.name, tuple(why or ("there is no node",)))


def _purchases(simulation: Simulation, policy: ResourcePolicy) -> Iterator[NodePurchase]:
    for order in simulation.orders:
        if order.policy.key == policy.key:
            yield NodePurchase(order.at, order.unit, len(order.seekers), len(order.nodes), order.like)


def _steps(
    simulation: Simulation, policy: ResourcePolicy, attempts: list[SimulatedAttempt]
) -> Iterator[ArrivalStep]:
    for attempt in attempts:
        at_once = bool(attempt.node) and not attempt.at
        yield ArrivalStep(0.0, arrives=True, placed=at_once, unit=attempt.unit if at_once else None)
    for attempt in simulation.placed:
        if attempt.at and attempt.policy is not None and attempt.policy.key == policy.key:
            yield ArrivalStep(attempt.at, arrives=False, placed=True, unit=attempt.unit)


def _scale_in(
    simulation: Simulation,
    policy: ResourcePolicy,
    attempts: list[SimulatedAttempt],
    scaled: Mapping[str, str],
) -> list[tuple[str, Pod]]:
    """Each pod that scale-in may take and its place, the first to go first."""
    units = {attempt.pod.uid: attempt.unit for attempt in attempts if attempt.pod.uid in scaled}
    known = {attempt.pod.uid: attempt.pod for attempt in attempts}
    known |= {pod.uid: pod for pod in simulation.simulated.pods() if pod.uid in scaled}
    for uid in known.keys() & scaled.keys() - units.keys():
        share = simulation.simulated.view.share(policy, uid)
        if simulation.simulated.governing(known[uid]) == policy:
            units[uid] = share.unit if share else None
    pods = [known[uid] for uid in units]

    def rank(pod: Pod) -> tuple[bool, int, float, str]:
        unit = units[pod.uid]
        return bool(pod.node_name), -(len(policy.units) if unit is None else unit), -pod.created, pod.name

    return [(_place(pod, units[pod.uid]), pod) for pod in sorted(pods, key=rank)]


def _place(pod: Pod, unit: int | None) -> str:
    if not pod.node_name:
        return "pending"
    return "outside every unit" if unit is None else f"units[{unit}]"
