"""Who counts where: the unit a placed pod is counted in, and whether it counts at all (C1 to C6, U5, L3)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy, Unit
from policy.api.selectors import carries

__all__ = [
    "Group",
    "MissingLabelError",
    "PodUsage",
    "Usage",
    "group_of",
    "needs_record",
    "pod_usage_of",
    "record_of",
    "recorded_unit",
    "total",
    "was_bound_before",
]

Group = tuple[str, ...]


class MissingLabelError(LookupError):
    """A pod lacks a label that `matchLabelKeys` names (C2)."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def group_of(labels: Mapping[str, str], policy: ResourcePolicy) -> Group:
    """The values of `matchLabelKeys`, as a tuple: ("a", "bc") and ("ab", "c") are two groups (C2).

    Raises:
        MissingLabelError: naming the first key that the labels lack.
    """
    try:
        return tuple(labels[key] for key in policy.match_label_keys)
    except KeyError as missing:
        raise MissingLabelError(missing.args[0]) from None


@dataclass(frozen=True, slots=True)
class PodUsage:
    """One pod's part in its unit. An uncounted pod still matters: it may be terminating (O6)."""

    unit: int
    group: Group | None
    requests: Mapping[str, int]
    counted: bool
    terminating: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """What a group uses of a unit: n and used of rule O2."""

    pods: int = 0
    requests: Mapping[str, int] = field(default_factory=dict)

    def plus(self, other: "Usage") -> "Usage":
        """Both together."""
        names = self.requests.keys() | other.requests.keys()
        sums = {name: self.requests.get(name, 0) + other.requests.get(name, 0) for name in names}
        return Usage(self.pods + other.pods, sums)

    def without(self, other: "Usage") -> "Usage":
        """What is left when `other` goes (P3)."""
        names = self.requests.keys()
        rest = {name: self.requests[name] - other.requests.get(name, 0) for name in names}
        return Usage(self.pods - other.pods, rest)


def total(requests: Iterable[Mapping[str, int]]) -> Usage:
    """The usage of pods with these requests."""
    pods, sums = 0, dict[str, int]()
    for amounts in requests:
        pods += 1
        for name, amount in amounts.items():
            sums[name] = sums.get(name, 0) + amount
    return Usage(pods, sums)


def record_of(policy: ResourcePolicy, unit: int) -> str:
    """The value of the annotation `wellknown.UNIT` for a pod placed through this unit (L3)."""
    return f"{policy.name}/{unit}/{policy.units[unit].fingerprint}"


def needs_record(unit: Unit, node_units: Sequence[int]) -> bool:
    """Whether a pod placed through the unit must say so, as its node alone does not tell (L3, U5, C6).

    The write costs the API server more than the pod's decision: it is not made for nothing.
    """
    return len(node_units) > 1 or any(unit.marks)


def recorded_unit(record: str, policy: ResourcePolicy) -> int | None:
    """The unit that a record means today: by what the unit is, its old place only breaking ties (L3)."""
    name, _, place = record.partition("/")
    index, _, fingerprint = place.partition("/")
    if name != policy.name:
        return None
    same = [str(i) for i, unit in enumerate(policy.units) if unit.fingerprint == fingerprint]
    return int(index if index in same else same[0]) if same else None


def pod_usage_of(pod: Pod, policy: ResourcePolicy, node_units: Sequence[int], record: str) -> PodUsage | None:
    """The share of a pod that is bound to a node in `node_units`; None if it has none in this policy.

    A finished pod has none (C5), nor has a pod outside every unit. `record` is empty if there is none. The
    caller has made sure that the policy governs the pod.
    """
    if pod.finished:
        return None
    recorded = recorded_unit(record, policy)
    index = recorded if recorded is not None else _unit_by_node(pod, policy, node_units)
    if index is None:
        return None
    return PodUsage(
        unit=index,
        group=_group_or_none(pod, policy),
        requests=pod.requests,
        counted=_counts(pod, policy, policy.units[index], recorded=recorded is not None),
        terminating=pod.terminating,
    )


def _unit_by_node(pod: Pod, policy: ResourcePolicy, node_units: Sequence[int]) -> int | None:
    """U5: the first unit of its node whose marks the pod carries, else the first of its node."""
    marked = (i for i in node_units if _marked(pod, policy.units[i]))
    return next(marked, node_units[0] if node_units else None)


def _marked(pod: Pod, unit: Unit) -> bool:
    labels, annotations = unit.marks
    return carries(pod.labels, labels) and carries(pod.annotations, annotations)


def was_bound_before(pod: Pod, policy: ResourcePolicy) -> bool:
    """Whether the pod got its node before the policy was there."""
    return (pod.created if pod.bound_at is None else pod.bound_at) < policy.created


def _counts(pod: Pod, policy: ResourcePolicy, unit: Unit, *, recorded: bool) -> bool:
    bound_before = was_bound_before(pod, policy)
    if pod.terminating and policy.ignore_terminating_pod:  # C3
        return False
    if bound_before and policy.ignore_previous_pod:  # C4
        return False
    return recorded or not bound_before or _marked(pod, unit)  # C6


def _group_or_none(pod: Pod, policy: ResourcePolicy) -> Group | None:
    try:
        return group_of(pod.labels, policy)
    except MissingLabelError:
        return None
