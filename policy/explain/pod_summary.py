"""How a pod relates to the policies of its namespace, and where it is now (M1 to M8, L6, C3 to C6, U5).

For a pod that no policy governs, the summary names the label that does not match.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from policy.api.objects import Pod
from policy.api.options import OnConflict
from policy.api.resourcepolicy import RejectedPolicy, ResourcePolicy
from policy.scheduling.accounting import PodUsage
from policy.scheduling.matching import is_managed, matching, opted_out
from policy.scheduling.snapshot import ClusterView

__all__ = ["PodStage", "PodSummary", "summarize_pod"]

_NAMED = 3


class PodStage(StrEnum):
    """How far the pod is, as a person says it."""

    FINISHED = "finished"
    TERMINATING = "terminating"
    PLACED = "placed"
    GATED = "gated"
    NOT_TRIED = "not tried"
    """kube-scheduler has not said anything about it yet."""
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class PodSummary:
    """All of it."""

    phase: PodStage
    governor: ResourcePolicy | None
    unit: int | None
    """In which it is counted, or would be if it counted; None: in none."""
    sentences: tuple[str, ...]


def summarize_pod(
    pod: Pod,
    policies: Collection[ResourcePolicy],
    rejected: Iterable[RejectedPolicy],
    view: ClusterView,
    managed_resources: Collection[str],
    on_conflict: OnConflict,
) -> PodSummary:
    """What there is to say before any decision."""
    found = matching(pod, policies)
    governor = found[0] if found else None
    phase = _phase(pod)
    share = view.share(governor, pod.uid) if governor and pod.node_name else None
    message = list(_placed(pod, governor, share, view)) if pod.node_name or pod.finished else []
    if governor is None:
        message += _ungoverned(pod, [p for p in policies if p.namespace == pod.namespace])
    else:
        message += _governed(pod, found, managed_resources, on_conflict)
    message += _rejected(pod, rejected)
    return PodSummary(phase, governor, share.unit if share else None, tuple(message))


def _phase(pod: Pod) -> PodStage:
    if pod.finished:
        return PodStage.FINISHED
    if pod.terminating:
        return PodStage.TERMINATING
    if pod.node_name:
        return PodStage.PLACED
    if pod.gated:
        return PodStage.GATED
    return PodStage.NOT_TRIED if pod.unscheduled_since is None else PodStage.PENDING


def _ungoverned(pod: Pod, neighbours: Collection[ResourcePolicy]) -> Iterator[str]:
    alone = "kube-scheduler places it by its own rules (M5)"
    if not neighbours:
        yield f"No ResourcePolicy is in namespace {pod.namespace}: {alone}."
        return
    if opted_out(pod):
        yield f"Its label or annotation alibabacloud.com/eci or burst-resource opts out (L6): {alone}."
        return
    yield f"No ResourcePolicy selects it: {alone}."
    for policy in sorted(neighbours, key=lambda policy: policy.name)[:_NAMED]:
        yield f"ResourcePolicy {policy.name} does not: {_difference(pod, policy)}."
    if len(neighbours) > _NAMED:
        yield f"{len(neighbours) - _NAMED} more do not either."


def _difference(pod: Pod, policy: ResourcePolicy) -> str:
    """The first thing that the policy asks for and the pod has not."""
    for key, value in policy.selector.items():
        if pod.labels.get(key) != value:
            has = f"has {key}={pod.labels[key]}" if key in pod.labels else f"has no label {key}"
            return f"it selects {key}={value}, and the pod {has}"
    term = next(term for term in policy.match_expressions if not term.matches(pod.labels))
    values = f" ({', '.join(sorted(term.values))})" if term.values else ""
    return f"its matchExpressions ask for {term.key} {term.operator}{values}"


def _governed(
    pod: Pod, found: list[ResourcePolicy], managed_resources: Collection[str], on_conflict: OnConflict
) -> Iterator[str]:
    governor, *others = found
    if others:
        names = ", ".join(policy.name for policy in others)
        what = "so it is refused" if on_conflict is OnConflict.REJECT else f"{governor.name} is the oldest"
        yield f"ResourcePolicy {names} matches it as well; {what} (M4)."
    if not is_managed(pod, managed_resources):
        resources = ", ".join(sorted(managed_resources))
        yield (
            f"It requests none of {resources}: kube-scheduler does not ask about such pods, unless its "
            "managedResources are changed (M8)."
        )


def _placed(
    pod: Pod, governor: ResourcePolicy | None, share: PodUsage | None, view: ClusterView
) -> Iterator[str]:
    if pod.finished:
        yield f"It has finished ({pod.phase}): it holds no room and counts nowhere (C5)."
        return
    if governor is None:
        return
    if pod.bound_at is None:
        yield "It was created with its node: no scheduler, and so no policy, had a say."
    elif pod.bound_at < governor.created:
        yield f"It was placed before ResourcePolicy {governor.name} was created, which had no say."
    if share is None and pod.node_name in view.nodes:
        yield f"Its node is in no unit of ResourcePolicy {governor.name}: it counts nowhere (U6)."
    elif share is not None and not share.counted:
        yield _not_counted(pod, governor, share)


def _not_counted(pod: Pod, governor: ResourcePolicy, share: PodUsage) -> str:
    place = f"units[{share.unit}]"
    if pod.terminating and governor.ignore_terminating_pod:
        return f"It is terminating: it does not count in {place} any more (C3)."
    if governor.ignore_previous_pod:
        return f"It does not count in {place}: ignorePreviousPod leaves such pods out (C4)."
    return f"It does not count in {place}: it lacks the podLabels or podAnnotations of the unit (C6)."


def _rejected(pod: Pod, rejected: Iterable[RejectedPolicy]) -> Iterator[str]:
    for policy in rejected:
        namespace, _, name = policy.key.partition("/")
        if namespace == pod.namespace:
            yield f"ResourcePolicy {name} cannot be used (M6): {policy.errors[0]}."
