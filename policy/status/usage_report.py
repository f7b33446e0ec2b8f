"""Where the pods of one policy are, for people: per unit, and by the time they were placed (L5, U1).

Of the past it shows only pods that still exist.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from policy.api.objects import Pod
from policy.api.quantity import format_quantity
from policy.api.resourcepolicy import ResourcePolicy
from policy.api.selectors import spelled
from policy.scheduling.accounting import Group
from policy.scheduling.snapshot import ClusterView

__all__ = ["CapUsage", "Period", "UnitUsage", "UsageReport", "usage_report"]

_PERIODS = (("last 10m", 600.0), ("last hour", 3600.0), ("last day", 86_400.0), ("before", float("inf")))


@dataclass(frozen=True, slots=True)
class CapUsage:
    """How much of a cap the group with most of it has."""

    what: str
    """`pods`, or a resource."""
    used: str
    limit: str


@dataclass(frozen=True, slots=True)
class UnitUsage:
    """One unit."""

    unit: int
    resource: str
    selector: str
    waits_for_nodes: bool
    nodes: int
    ready: int
    pods: int
    counted: int
    """Those that count against its caps (C3 to C6)."""
    caps: tuple[CapUsage, ...]


@dataclass(frozen=True, slots=True)
class Period:
    """Pods that were placed in a span of time and are there still: how many in each unit."""

    name: str
    pods: int
    units: tuple[int, ...]
    outside: int


@dataclass(frozen=True, slots=True)
class UsageReport:
    """One policy."""

    policy: str
    groups: int
    """How many groups have a counted pod (C2)."""
    units: tuple[UnitUsage, ...]
    outside: int
    pending: tuple[str, ...]
    """Names, the oldest first."""
    spill: float | None
    """The share of placed pods that are not in units[0]; None: none is placed."""
    periods: tuple[Period, ...]


Place = tuple[Pod, int | None]


def usage_report(policy: ResourcePolicy, pods: Iterable[Pod], view: ClusterView, now: float) -> UsageReport:
    """Count the unfinished of the pods, all of which the policy governs."""
    own = [pod for pod in pods if not pod.finished]
    placed = [(pod, _unit(pod, policy, view)) for pod in own if pod.node_name]
    pending = sorted((pod for pod in own if not pod.node_name), key=lambda pod: (pod.created, pod.name))
    shares = [share for pod in own if pod.node_name and (share := view.share(policy, pod.uid))]
    counted = Counter((share.unit, share.group) for share in shares if share.counted)
    landed = Counter(unit for _, unit in placed)
    return UsageReport(
        policy=policy.key,
        groups=len({group for _, group in counted}),
        units=tuple(_units(policy, view, landed, counted)),
        outside=landed[None],
        pending=tuple(pod.name for pod in pending),
        spill=(len(placed) - landed[0]) / len(placed) if placed else None,
        periods=tuple(_periods(policy, placed, now)),
    )


def _unit(pod: Pod, policy: ResourcePolicy, view: ClusterView) -> int | None:
    share = view.share(policy, pod.uid)
    return None if share is None else share.unit


def _units(
    policy: ResourcePolicy,
    view: ClusterView,
    landed: Counter[int | None],
    counted: Counter[tuple[int, Group | None]],
) -> Iterator[UnitUsage]:
    for index, unit in enumerate(policy.units):
        names = view.nodes_in(policy, index)
        groups = [group for unit_of, group in counted if unit_of == index]
        yield UnitUsage(
            unit=index,
            resource=unit.resource,
            selector=spelled(unit.node_selector),
            waits_for_nodes=unit.waits_for_nodes,
            nodes=len(names),
            ready=sum(view.nodes[name].ready and not view.nodes[name].unschedulable for name in names),
            pods=landed[index],
            counted=sum(number for (unit_of, _), number in counted.items() if unit_of == index),
            caps=tuple(_caps(policy, index, groups, view)),
        )


def _caps(
    policy: ResourcePolicy, index: int, groups: Sequence[Group | None], view: ClusterView
) -> Iterator[CapUsage]:
    unit = policy.units[index]
    used = [view.usage(policy, index, group) for group in groups if group is not None]
    if unit.max is not None:
        most = max((usage.pods for usage in used), default=0)
        yield CapUsage("pods", str(most), str(unit.max))
    for name, limit in unit.max_resources.items():
        amount = max((usage.requests.get(name, 0) for usage in used), default=0)
        yield CapUsage(name, format_quantity(amount), format_quantity(limit))


def _periods(policy: ResourcePolicy, placed: Sequence[Place], now: float) -> Iterator[Period]:
    """Each pod in one period, by the time of its placement; pods that no scheduler placed are left out."""
    dated = [(now - pod.bound_at, unit) for pod, unit in placed if pod.bound_at is not None]
    youngest = float("-inf")
    for name, oldest in _PERIODS:
        units = Counter(unit for age, unit in dated if youngest < age <= oldest)
        by_unit = tuple(units[index] for index in range(len(policy.units)))
        yield Period(name, sum(units.values()), by_unit, units[None])
        youngest = oldest
