"""Why a pod is where it is, put together: the answer of `resourcepolicy explain` as plain values.

`policy.explain.builder` says what each unit was to the pod, `policy.explain.pod_summary` what the pod is to
policies.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from cli.cluster.snapshot import ReportedCondition
from cli.explain.gather import ExplainInput
from cluster.settings import Settings
from policy.api import wellknown
from policy.api.resourcepolicy import ResourcePolicy
from policy.explain.pod_summary import PodStage, PodSummary, summarize_pod
from policy.explain.types import Explanation
from policy.scheduling.accounting import recorded_unit
from policy.scheduling.decision_record import Verb
from watcher.provisioner.interface import Request, RequestPhase

__all__ = ["ExplainReport", "NodeRequestReport", "explain_report"]

_UNPLACED = (PodStage.PENDING, PodStage.NOT_TRIED)


@dataclass(frozen=True, slots=True)
class NodeRequestReport:
    """A request to the autoscaler that names the pod."""

    request: str
    at: float
    unit: int | None
    pods: int
    answer: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainReport:
    """Everything that is told."""

    namespace: str
    pod: str
    uid: str
    asked_at: float
    phase: PodStage
    node: str
    since: float | None
    """In this phase."""
    policy: str
    """`namespace/name`; empty: none governs it."""
    unit: int | None
    notes: tuple[str, ...]
    decisions: tuple[Explanation, ...]
    """The newest first."""
    conclusion: str
    """Of the newest."""
    source: str
    """Where they are from: the server's address, or empty for the API alone."""
    source_note: str
    scheduler: tuple[ReportedCondition, ...]
    autoscaler: tuple[NodeRequestReport, ...]
    autoscaler_notes: tuple[str, ...]
    again: str
    """When it is tried again; empty if it need not be."""
    retry_at: float | None
    unread: tuple[str, ...]


def explain_report(facts: ExplainInput, settings: Settings) -> ExplainReport:
    """Conclude."""
    pod = facts.pod
    # What kube-scheduler did ask about it does ask about (M8).
    managed = () if facts.server else settings.watcher.managed_resources
    stands = summarize_pod(pod, facts.policies, facts.rejected, facts.view, managed, settings.on_conflict)
    newest = facts.decisions[0] if facts.decisions else None
    again, retry_at = _again(facts, stands, newest)
    return ExplainReport(
        namespace=pod.namespace,
        pod=pod.name,
        uid=pod.uid,
        asked_at=facts.now,
        phase=stands.phase,
        node=pod.node_name,
        since=pod.bound_at if pod.node_name else pod.unscheduled_since,
        policy=stands.governor.key if stands.governor else "",
        unit=stands.unit,
        notes=stands.sentences,
        decisions=tuple(facts.decisions),
        conclusion=_conclusion(facts, stands, newest),
        source=facts.server,
        source_note=_source_note(facts, stands) if facts.decisions else "",
        scheduler=tuple(_scheduler(facts)),
        autoscaler=tuple(_purchase(request, stands.governor) for request in facts.requests or ()),
        autoscaler_notes=tuple(_autoscaler_notes(facts, stands)),
        again=again,
        retry_at=retry_at,
        unread=tuple(facts.unread),
    )


def _source_note(facts: ExplainInput, stands: PodSummary) -> str:
    if facts.server:
        return ""
    what = "This is what it would be told now, from the API alone"
    if stands.phase in (PodStage.PLACED, PodStage.TERMINATING):
        what = "How it was decided is not known: this is what it would be told now, from the API alone"
    return f"{what}: {facts.unavailable}." if facts.unavailable else f"{what}."


def _conclusion(facts: ExplainInput, stands: PodSummary, newest: Explanation | None) -> str:
    if newest is None:
        return ""
    if facts.server:
        return f"{_by_another(stands, newest)}{newest.why}{_unbound(stands, newest)}"
    if newest.unit is None:
        return newest.why
    now = f"It would be sent to units[{newest.unit}], the first that may take it."
    if stands.unit is None or newest.unit >= stands.unit:
        return now
    return f"{now} That was not so when it was placed, or it was placed without the policy; it stays (L4)."


def _by_another(stands: PodSummary, newest: Explanation) -> str:
    if stands.governor is not None and stands.governor.key == newest.policy:
        return ""
    return f"ResourcePolicy {newest.policy} governed it then. "


def _unbound(stands: PodSummary, newest: Explanation) -> str:
    if newest.verb is Verb.FILTER and newest.kept and stands.phase in _UNPLACED:
        return " It is not bound all the same: kube-scheduler says why, or is about to bind it."
    return ""


def _scheduler(facts: ExplainInput) -> Iterator[ReportedCondition]:
    """The condition, and the event if it says something else."""
    condition, event = facts.refusal, facts.events.scheduler
    if condition is not None:
        yield condition
    if event is not None and (condition is None or event.message != condition.message):
        yield event


def _again(facts: ExplainInput, stands: PodSummary, newest: Explanation | None) -> tuple[str, float | None]:
    if stands.phase not in _UNPLACED:
        return "", None
    if newest is not None and newest.kept and not facts.server:
        return "at kube-scheduler's next try: as far as the API tells, there is room for it", None
    if newest is None or not newest.again:
        return "when kube-scheduler sees nodes or pods change", None
    ahead = newest.retry_at is not None and newest.retry_at > facts.now
    return newest.again, newest.retry_at if ahead else None


def _purchase(request: Request, governor: ResourcePolicy | None) -> NodeRequestReport:
    return NodeRequestReport(
        request.name,
        request.made_at,
        recorded_unit(request.record, governor) if governor else None,
        len(request.pods),
        request.phase,
        _ANSWERS[request.phase] + (f" ({request.message})" if request.message else ""),
    )


_ANSWERS = {
    RequestPhase.UNSENT: "it was cut off before it was sent, and is sent again",
    RequestPhase.PLACEHOLDERS_PENDING: (
        "a placeholder stands for the pod, and the autoscaler has not reacted yet"
    ),
    RequestPhase.SENT: "no answer yet",
    RequestPhase.ACCEPTED: "accepted, not answered yet",
    RequestPhase.SCALED_UP: "its group grew; the nodes are on their way",
    RequestPhase.PROVISIONED: "provisioned: the nodes are there, or on their way",
    RequestPhase.FAILED: "failed",
}


def _autoscaler_notes(facts: ExplainInput, stands: PodSummary) -> Iterator[str]:
    pod = facts.pod
    if stands.phase is not PodStage.PENDING or stands.governor is None:
        return
    if wellknown.HELD in pod.annotations:
        yield "Held: cluster-autoscaler leaves it to the policy, and does not act on it by itself."
    elif wellknown.POD_SCALE_UP_DELAY in pod.annotations:
        key = wellknown.POD_SCALE_UP_DELAY
        yield f"Its own annotation {key} keeps cluster-autoscaler from it for {pod.annotations[key]}."
    if facts.events.watcher is not None:
        yield f"{facts.events.watcher.message}."
    if facts.requests or facts.requests is None or facts.events.watcher is not None:
        return
    if any(unit.waits_for_nodes for unit in stands.governor.units):
        yield "No request for nodes names it."
    else:
        yield "No unit of its policy waits for nodes (U4): none are asked for."
