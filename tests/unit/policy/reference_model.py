"""The rules a second time, straight from the specification: plain loops over pods and nodes, no cleverness.

Reuses the value types and nothing that decides. Left out: preemption (P1 to P3) and nominated nodes.
"""

from policy.api.objects import Node, Phase, Pod
from policy.api.options import OutsideUnits
from policy.api.resourcepolicy import WAIT_LABEL, NextUnits, ResourceKind, ResourcePolicy, Strategy, Unit
from tests.builders import NOW
from tests.unit.policy.random_clusters import World

__all__ = ["answer"]

DOOMED = ("ToBeDeletedByClusterAutoscaler", "DeletionCandidateOfClusterAutoscaler")


def answer(world: World) -> tuple[object, set[str]]:
    """The unit (or "outside", "wait", "refuse") and the nodes that filter should answer."""
    policy = world.policy
    if any(key not in world.asking.labels for key in policy.match_label_keys):  # C2
        return "refuse", set()
    timers_run = 0.0
    for i, unit in enumerate(policy.units):  # O1, O8
        room = [node for node in world.nodes if node.name in world.room and node_in_unit(node, unit)]
        full = exhausted(world, i)
        if room and not full:
            return i, best_of(room)
        waits = waits_in(world, i, full)
        if waits == "always" or (waits == "by timer" and not timer_over(world, i, timers_run)):
            return "wait", set()
        if waits == "by timer":
            timers_run += policy.when_try_next_units.timeout
    outside = outside_units(world)
    return ("outside", outside) if outside else ("refuse", set())


def exhausted(world: World, index: int) -> bool:
    """O2."""
    unit = world.policy.units[index]
    n, used = count(world, index)
    if unit.max is not None and n >= unit.max:
        return True
    for resource, limit in unit.max_resources.items():
        if used.get(resource, 0) + world.asking.requests.get(resource, 0) > limit:
            return True
    return False


def waits_in(world: World, index: int, full: object) -> str:
    """What keeps the pod from going on, given that the unit is full or has no room."""
    unit = world.policy.units[index]
    has_cap = unit.max is not None or bool(unit.max_resources)
    mode = world.policy.when_try_next_units.policy
    if mode is NextUnits.EXCEED_MAX and has_cap and not full:  # O4
        return "always"
    if mode is NextUnits.TIMEOUT_OR_EXCEED_MAX and not full and (has_cap or waits_for_nodes(unit)):  # O5
        return "by timer"
    if mode is NextUnits.LACK_RESOURCE_AND_NO_TERMINATING and terminating_in(world, index):  # O6
        return "always"
    if mode is NextUnits.TIMEOUT:  # O7
        return "by timer"
    return "never"  # O3


def timer_over(world: World, index: int, timers_run: float) -> bool:
    start = world.history.refused_since.get(index)
    told = world.asking.unscheduled_since
    if start is None and told is not None and told < world.remembers_since:
        start = told + timers_run  # O9
    return start is not None and NOW - start >= world.policy.when_try_next_units.timeout


def outside_units(world: World) -> set[str]:
    """U6."""
    if world.policy.strategy is Strategy.REQUIRED or world.outside is OutsideUnits.NEVER:
        return set()
    return {
        node.name
        for node in world.nodes
        if node.name in world.room and not any(node_in_unit(node, unit) for unit in world.policy.units)
    }


def node_in_unit(node: Node, unit: Unit) -> bool:
    virtual = node.labels.get("type") == "virtual-kubelet"  # U2
    right_kind = virtual == (unit.resource in (ResourceKind.ECI, ResourceKind.ACS))
    return right_kind and all(
        node.labels.get(key) == value for key, value in unit.node_selector.items()
    )  # U3


def best_of(nodes: list[Node]) -> set[str]:
    staying = {node.name for node in nodes if not any(taint.key in DOOMED for taint in node.taints)}
    return staying or {node.name for node in nodes}  # U7


def waits_for_nodes(unit: Unit) -> bool:
    return unit.resource is ResourceKind.ELASTIC or unit.pod_labels.get(WAIT_LABEL) == "true"  # U4


def governed(pod: Pod, world: World) -> bool:
    winner: ResourcePolicy | None = None
    for policy in (world.policy, *world.rivals):
        selected = policy.namespace == pod.namespace  # M1
        for key, value in policy.selector.items():  # M2
            selected = selected and pod.labels.get(key) == value
        if selected and (winner is None or (policy.created, policy.name) < (winner.created, winner.name)):
            winner = policy  # M4
    return winner is not None and winner.name == world.policy.name


def unit_of(pod: Pod, world: World) -> int | None:
    """Where a placed pod belongs: its record (L3), else U5."""
    recorded = world.placed.get(pod.uid)
    if recorded is not None:
        return recorded
    here = [node for node in world.nodes if node.name == pod.node_name]
    mine = [i for i, unit in enumerate(world.policy.units) if here and node_in_unit(here[0], unit)]
    for i in mine:
        if carries_marks(pod, world.policy.units[i]):
            return i
    return mine[0] if mine else None


def carries_marks(pod: Pod, unit: Unit) -> bool:
    """C6; the wait label is a directive."""
    labels = all(pod.labels.get(key) == unit.pod_labels[key] for key in unit.pod_labels if key != WAIT_LABEL)
    return labels and all(pod.annotations.get(key) == value for key, value in unit.pod_annotations.items())


def counted(pod: Pod, world: World, index: int) -> bool:
    if not governed(pod, world) or unit_of(pod, world) != index:  # C1
        return False
    if pod.phase in (Phase.SUCCEEDED, Phase.FAILED):  # C5
        return False
    if pod.terminating and world.policy.ignore_terminating_pod:  # C3
        return False
    before = (pod.created if pod.bound_at is None else pod.bound_at) < world.policy.created
    if before and world.policy.ignore_previous_pod:  # C4
        return False
    recorded = pod.uid in world.placed
    return recorded or not before or carries_marks(pod, world.policy.units[index])  # C6


def count(world: World, index: int) -> tuple[int, dict[str, int]]:
    """The n and used of rule O2, for the asking pod's group (C2)."""
    found = [pod for pod in world.pods if counted(pod, world, index)]
    found += [r.pod for r in world.reservations if r.unit == index and governed(r.pod, world)]  # C1
    n, used = 0, dict[str, int]()
    for pod in found:
        if any(pod.labels.get(key) != world.asking.labels[key] for key in world.policy.match_label_keys):
            continue
        n += 1
        for resource, amount in pod.requests.items():
            used[resource] = used.get(resource, 0) + amount
    return n, used


def terminating_in(world: World, index: int) -> bool:
    return any(
        pod.terminating
        and pod.phase not in (Phase.SUCCEEDED, Phase.FAILED)
        and governed(pod, world)
        and unit_of(pod, world) == index
        for pod in world.pods
    )
