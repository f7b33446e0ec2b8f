"""The conditions of a policy as a whole, and their messages (M4, M6, M8, L2)."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from policy.api import wellknown
from policy.api.objects import Pod
from policy.api.options import OnConflict
from policy.api.resourcepolicy import RejectedPolicy, ResourcePolicy
from policy.podmetadata.deletion_cost import is_foreign
from policy.podmetadata.desired_metadata import SkippedLabel
from policy.scheduling.matching import is_managed, matching

__all__ = ["Condition", "ConditionType", "about_pods", "accepted", "labels_refused", "rejected"]


class ConditionType(StrEnum):
    """The `type` of a condition."""

    ACCEPTED = "Accepted"
    CONFLICTED = "Conflicted"
    PODS_NOT_SENT = "PodsNotSent"
    WAITING_FOR_NODES = "WaitingForNodes"
    NOT_GROWABLE = "NotGrowable"
    GPU_LOST = "GpuLost"
    FOREIGN_DELETION_COSTS = "ForeignDeletionCosts"
    LABELS_REFUSED = "LabelsRefused"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, without the times that the API adds."""

    type: ConditionType
    status: bool
    reason: str
    message: str


def accepted() -> Condition:
    """For a policy that can be used."""
    return Condition(ConditionType.ACCEPTED, status=True, reason="Valid", message="in force")


def rejected(policy: RejectedPolicy, *, in_force: bool) -> Condition:
    """M6: every fault at once, and what holds meanwhile."""
    meanwhile = "its last valid form stays in force" if in_force else "it governs no pod"
    message = f"{meanwhile}; " + "; ".join(policy.errors)
    return Condition(ConditionType.ACCEPTED, status=False, reason="Invalid", message=message)


def about_pods(
    policies: Collection[ResourcePolicy],
    pods: Iterable[Pod],
    managed_resources: Collection[str],
    on_conflict: OnConflict,
) -> Mapping[str, tuple[Condition, ...]]:
    """Conflicted, PodsNotSent and ForeignDeletionCosts for each policy, by key.

    Each names the first pod by name, to be stable.
    """
    overlaps: dict[str, tuple[str, str]] = {}
    not_sent: dict[str, str] = {}
    foreign: dict[str, str] = {}
    for pod in sorted(pods, key=lambda pod: (pod.namespace, pod.name)):
        found = [] if pod.finished else matching(pod, policies)
        if not found:
            continue
        winner = found[0]
        for loser in found[1:]:
            overlaps.setdefault(loser.key, (winner.name, pod.name))
        if not is_managed(pod, managed_resources):
            not_sent.setdefault(winner.key, pod.name)
        elif is_foreign(pod.annotations):
            foreign.setdefault(winner.key, pod.name)
    return {
        policy.key: (
            _conflicted(overlaps.get(policy.key), on_conflict),
            _pods_not_sent(not_sent.get(policy.key), managed_resources),
            _foreign_costs(foreign.get(policy.key)),
        )
        for policy in policies
    }


def labels_refused(found: Iterable[SkippedLabel]) -> Condition:
    """What one policy's status says about labels that are not written."""
    kind = ConditionType.LABELS_REFUSED
    sentences = [f"units[{each.unit}].podLabels: {each.key}: {each.why}" for each in sorted(found)]
    if not sentences:
        return Condition(kind, status=False, reason="NoneRefused", message="every label of a unit is written")
    message = "not written: " + "; ".join(sentences)
    return Condition(kind, status=True, reason="KeyInUse", message=message)


def _conflicted(overlap: tuple[str, str] | None, on_conflict: OnConflict) -> Condition:
    kind = ConditionType.CONFLICTED
    if overlap is None:
        return Condition(kind, status=False, reason="NoOverlap", message="no older policy matches its pods")
    winner, pod = overlap
    both = f"ResourcePolicy {winner}, which is older, matches pods of this one too, for example {pod}"
    if on_conflict is OnConflict.REJECT:
        return Condition(kind, status=True, reason="RejectedPolicy", message=f"{both}; such pods are refused")
    return Condition(kind, status=True, reason="OlderPolicyGoverns", message=f"{both}, and governs them")


def _pods_not_sent(pod: str | None, managed_resources: Collection[str]) -> Condition:
    kind = ConditionType.PODS_NOT_SENT
    if pod is None:
        return Condition(kind, status=False, reason="AllSent", message="kube-scheduler asks about its pods")
    resources = ", ".join(sorted(managed_resources))
    message = (
        f"kube-scheduler does not ask about pods that request none of {resources}, for example {pod}; "
        "see managedResources in config/kube-scheduler.yaml"
    )
    return Condition(kind, status=True, reason="NotManaged", message=message)


def _foreign_costs(pod: str | None) -> Condition:
    kind = ConditionType.FOREIGN_DELETION_COSTS
    if pod is None:
        return Condition(
            kind, status=False, reason="NoneForeign", message="no pod has a cost that is not ours"
        )
    message = (
        f"{wellknown.POD_DELETION_COST} was set by somebody else on some pods, "
        f"for example {pod}, and is left alone: "
        "scale-in takes these pods by that value and not by their unit"
    )
    return Condition(kind, status=True, reason="LeftAlone", message=message)
