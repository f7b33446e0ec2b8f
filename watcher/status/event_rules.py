"""What a person should read beside a policy or a pod, and may act on: one notice for each cause.

Pure. A cause is
told for as long as it stands; nothing in a sentence moves meanwhile.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from policy.api import wellknown
from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.status.conditions import Condition, ConditionType
from watcher.scaleup.scaleup_status import ScaleUpStatus
from watcher.status.builder import PolicyStatus, StatusReport
from watcher.status.unit_status import obstacles

__all__ = ["About", "EventSpec", "EventType", "event_specs"]

_Passed = tuple[int, str, str]
"""A unit that gets no nodes, why in a word, and in a sentence."""
_BY_EXAMPLE = frozenset(
    {ConditionType.CONFLICTED, ConditionType.PODS_NOT_SENT, ConditionType.FOREIGN_DELETION_COSTS}
)
"""Conditions whose sentence names one pod of many."""
_PODS_TOLD = 20
"""Pods of one policy that get a notice of their own at a time; the policy's own speaks for the rest."""


class EventType(StrEnum):
    """The `type` of an Event."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class About:
    """The object that a notice is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class EventSpec:
    """`reason` is one word for programs, `note` a sentence for people.

    Notices with the same `dedupe_key` are one, though their notes name other examples.
    """

    about: About
    severity: EventType
    reason: str
    note: str
    dedupe_key: str


def event_specs(report: StatusReport) -> Iterator[EventSpec]:
    """Whatever is to be told now."""
    for key, status in report.statuses.items():
        policy = report.policies.get(key)
        passed = list(obstacles(policy, report.scaleup_status)) if policy else []
        yield from _of_policy(key, status, passed)
        if policy is not None:
            for pod in status.waiting[:_PODS_TOLD]:
                yield from _of_pod(pod, policy, report.scaleup_status, passed)


def _of_policy(key: str, status: PolicyStatus, passed: Sequence[_Passed]) -> Iterator[EventSpec]:
    namespace, _, name = key.partition("/")
    about = About(wellknown.RESOURCEPOLICY_API, "ResourcePolicy", namespace, name, status.uid)
    for condition in status.conditions:
        if _is_news(condition):
            expected = condition.type is ConditionType.WAITING_FOR_NODES
            severity = EventType.NORMAL if expected else EventType.WARNING
            reason = "NotAccepted" if condition.type is ConditionType.ACCEPTED else str(condition.type)
            yield EventSpec(about, severity, reason, condition.message, _cause(condition, passed))


def _cause(condition: Condition, passed: Sequence[_Passed]) -> str:
    if condition.type is ConditionType.NOT_GROWABLE:
        return _words(passed)
    return condition.reason if condition.type in _BY_EXAMPLE else condition.message


def _words(passed: Iterable[_Passed]) -> str:
    """Without what the autoscaler says: it names another node each time."""
    return ", ".join(f"{index}: {word}" for index, word, _ in passed)


def _is_news(condition: Condition) -> bool:
    """Accepted is good, all others are worth a look."""
    return condition.status is not (condition.type is ConditionType.ACCEPTED)


def _of_pod(
    pod: Pod, policy: ResourcePolicy, scaleup_status: ScaleUpStatus, passed: Sequence[_Passed]
) -> Iterator[EventSpec]:
    about = About("v1", "Pod", pod.namespace, pod.name, pod.uid)
    of = f"ResourcePolicy {policy.name}"
    units = range(len(policy.units))
    asked = next((unit for unit in units if pod.uid in scaleup_status.of(policy.key, unit).pods), None)
    if asked is not None:
        earlier = [each for each in passed if each[0] < asked]
        why = "".join(f"; units[{index}] is passed over: {why}" for index, _, why in earlier)
        note = f"nodes were asked for in units[{asked}] of {of}{why}"
        yield EventSpec(about, EventType.NORMAL, "WaitingForNodes", note, f"{asked}; {_words(earlier)}")
    elif passed and len(passed) == sum(unit.waits_for_nodes for unit in policy.units):
        why = "; ".join(f"units[{index}]: {why}" for index, _, why in passed)
        note = f"{of} gets no nodes for it now; {why}"
        yield EventSpec(about, EventType.WARNING, "NotGrowable", note, _words(passed))
