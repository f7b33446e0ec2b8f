"""The labels, annotations and deletion cost that placed pods should have (L1, L2).

A pod's unit is the one in which it is counted (U5, L3).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from policy.api import wellknown
from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.podmetadata.deletion_cost import correction, cost_of
from policy.scheduling.accounting import recorded_unit, was_bound_before
from policy.scheduling.snapshot import ClusterView

__all__ = [
    "RECORDED_WITHIN",
    "MetadataChange",
    "SkippedLabel",
    "allowed",
    "lacks_record",
    "metadata_changes",
    "unit_of_pod",
]

RECORDED_WITHIN = 10.0
"""Seconds that the server has to write a pod's record (L3): then the pod's node decides (U5)."""

_NEVER = frozenset(
    {
        wellknown.COMPUTE_CLASS,
        wellknown.COMPUTE_QOS,
        "controller-revision-hash",
        "pod-template-hash",
    }
)
"""Labels on which platforms and controllers rely in every pod."""


@dataclass(frozen=True, slots=True)
class MetadataChange:
    """What one pod's metadata lacks; None removes a key."""

    pod: Pod
    policy: ResourcePolicy | None = None
    unit: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str | None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.labels or self.annotations)


@dataclass(frozen=True, slots=True, order=True)
class SkippedLabel:
    """A label of a unit that the pods of a policy do not get (L1)."""

    policy: str
    """Its key."""
    unit: int
    key: str
    why: str
    """What follows "because"."""


def metadata_changes(
    pods: Iterable[Pod],
    governing: Callable[[Pod], ResourcePolicy | None],
    view: ClusterView,
    may_be_recorded: Callable[[Pod], bool],
) -> Iterator[MetadataChange]:
    """For each pod that is not as its policy, or having none, wants it.

    `may_be_recorded` says whether a pod was bound so lately that its record (L3) may be on its way.
    """
    for pod in pods:
        if not pod.node_name or pod.finished or pod.terminating:
            continue
        policy = governing(pod)
        if policy is None:
            change = MetadataChange(
                pod,
                annotations=correction(pod.annotations, 0)
                if wellknown.DELETION_COST_WRITTEN in pod.annotations
                else {},
            )
        elif lacks_record(pod, policy, view) and may_be_recorded(pod):
            continue
        else:
            change = _change(pod, policy, view)
        if change:
            yield change


def _change(pod: Pod, policy: ResourcePolicy, view: ClusterView) -> MetadataChange:
    place = unit_of_pod(pod, policy, view)
    if place is None:
        return MetadataChange(pod)
    costs = correction(pod.annotations, cost_of(place))
    if place == len(policy.units) or not _was_placed_by(policy, pod):
        return MetadataChange(pod, policy, annotations=costs)
    labels, annotations = policy.units[place].marks
    lacking = _lacking(annotations, pod.annotations)
    return MetadataChange(pod, policy, place, _lacking(labels, pod.labels), {**costs, **lacking})


def _was_placed_by(policy: ResourcePolicy, pod: Pod) -> bool:
    """Pods that only happen to be there get no labels: by these they would begin to count (C6)."""
    recorded = recorded_unit(pod.annotations.get(wellknown.UNIT, ""), policy) is not None
    return recorded or not was_bound_before(pod, policy)


def _lacking(wanted: Mapping[str, str], there: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in wanted.items() if there.get(key) != value}


def unit_of_pod(pod: Pod, policy: ResourcePolicy, view: ClusterView) -> int | None:
    """The unit of a placed pod; after the last one if its node is in none; None if that cannot be told."""
    share = view.share(policy, pod.uid)
    if share is not None:
        return share.unit
    return len(policy.units) if pod.node_name in view.nodes else None


def lacks_record(pod: Pod, policy: ResourcePolicy, view: ClusterView) -> bool:
    """Whether only a record tells the unit of a placed pod, and it has none (L3)."""
    if wellknown.UNIT in pod.annotations:
        return False
    units = [i for i in range(len(policy.units)) if pod.node_name in view.nodes_in(policy, i)]
    return len(units) > 1 or any(any(policy.units[i].marks) for i in units)


def allowed(
    change: MetadataChange, selected: Collection[str] | None
) -> tuple[MetadataChange, tuple[SkippedLabel, ...]]:
    """A change without the labels that would take the pod from whoever selects it, and why each is left out.

    `selected` are the keys that the pod's controller selects by; None if that cannot be read.
    """
    if change.policy is None or not change.labels:
        return change, ()
    reasons = {key: _why_not(key, change.pod, change.policy, selected) for key in change.labels}
    policy = change.policy.key
    refused = tuple(SkippedLabel(policy, change.unit, key, why) for key, why in reasons.items() if why)
    labels = {key: value for key, value in change.labels.items() if not reasons[key]}
    return replace(change, labels=labels), refused


def _why_not(key: str, pod: Pod, policy: ResourcePolicy, selected: Collection[str] | None) -> str:
    if key in _NEVER:
        return "it is a label that platforms and controllers rely on"
    if key in _selected_by(policy):
        return "the policy itself selects or groups pods by it"
    if selected is None:
        # A pod carries whatever its controller selects by: a label that it lacks is none of these.
        unknown = "the pods carry another value, and what their controller selects by is not known"
        return unknown if key in pod.labels else ""
    return "the workload of the pods selects by it" if key in selected else ""


def _selected_by(policy: ResourcePolicy) -> AbstractSet[str]:
    terms = (term.key for term in policy.match_expressions)
    return {*policy.selector, *terms, *policy.match_label_keys}
