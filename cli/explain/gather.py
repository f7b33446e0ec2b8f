"""Everything that is read about one pod before anything is concluded.

Where no decision is remembered, one is made now, by the server's own code over what the API tells.
"""

import difflib
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cli.cluster.live import POLICIES, Session, in_namespace, read_cluster
from cli.cluster.snapshot import ClusterSnapshot, ReportedCondition, cluster_of, snapshot_time
from cli.errors import CommandError
from cli.explain.decisions_client import DecisionsAnswer, ask_at, ask_through
from cli.explain.events_and_requests import PodEvents, events_of, optional, requests_for
from cluster.kube.client import ApiError
from cluster.settings import Settings
from policy.api.objects import Pod
from policy.api.options import OnConflict
from policy.api.resourcepolicy import RejectedPolicy, ResourcePolicy
from policy.explain.builder import explain
from policy.explain.types import Explanation
from policy.scheduling.cycle import cycle
from policy.scheduling.matching import governing, is_managed, matching
from policy.scheduling.node_fit import admits, has_free
from policy.scheduling.snapshot import ClusterView, Snapshot
from watcher.provisioner.interface import Request

__all__ = ["ExplainInput", "gather_live", "gather_snapshot"]

_NOT_FOUND = 404
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainInput:
    """What is known."""

    now: float
    pod: Pod
    policies: Collection[ResourcePolicy]
    rejected: Collection[RejectedPolicy] = ()
    view: ClusterView
    decisions: Sequence[Explanation]
    """The newest first."""
    server: str = ""
    """Where they are from; empty: made now from what the API tells."""
    unavailable: str = ""
    """Why not from the server."""
    refusal: ReportedCondition | None = None
    """kube-scheduler's condition of a pod that is not placed."""
    events: PodEvents = field(default_factory=PodEvents)
    requests: Sequence[Request] | None = None
    """To the autoscaler, for this pod; None: unknown, as a snapshot does not hold them."""
    unread: Sequence[str] = field(default=())
    """What could not be read, and why."""


def gather_snapshot(cluster: ClusterSnapshot, namespace: str, name: str, settings: Settings) -> ExplainInput:
    """From a snapshot.

    Raises:
        CommandError: the pod is not in it.
    """
    now = snapshot_time(cluster)
    pod = next((p for p in cluster.pods if (p.namespace, p.name) == (namespace, name)), None)
    if pod is None:
        raise _no_such_pod(namespace, name, cluster.pods)
    return _from_api(cluster, pod, now, settings, "a snapshot has no memory of decisions")


def gather_live(
    kubeconfig: Path | None,
    context: str | None,
    namespace: str | None,
    name: str,
    server: str | None,
    settings: Settings,
) -> ExplainInput:
    """From the API server, and from ours.

    Raises:
        CommandError: the API server is not reached or refuses, or there is no such pod.
    """
    with Session(kubeconfig, context) as session:
        place = namespace or session.namespace
        near, unread = _near(session, place, name)
        (pod,) = near.pods
        own = settings.watcher.namespace
        answer = ask_at(server, place, name) if server else ask_through(session, place, name, own)
        known = [one for one in answer.explanations if one.uid == pod.uid]
        now = time.time()
        if known or governing(pod, near.policies) is None or pod.finished:
            facts = _from_server(near, pod, now, settings, answer, known)
        else:
            facts = _from_api(read_cluster(session), pod, now, settings, answer.unavailable or _ANOTHER)
        return replace(
            facts,
            events=events_of(session, pod, unread),
            requests=requests_for(session, pod, own, unread),
            refusal=near.refusals.get(pod.uid),
            unread=tuple(unread),
        )


_ANOTHER = "the server remembers only an earlier pod of that name"


def _near(session: Session, namespace: str, name: str) -> tuple[ClusterSnapshot, list[str]]:
    """The pod, its node, and the policies of its namespace."""
    unread: list[str] = []
    try:
        body = session.get(f"/api/v1/namespaces/{namespace}/pods/{name}")
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
        listed = {"Pod": session.get(f"/api/v1/namespaces/{namespace}/pods")}
        raise _no_such_pod(namespace, name, cluster_of(session.source, listed).pods) from None
    found = {"Pod": body}
    try:
        found["ResourcePolicy"] = session.get(in_namespace(POLICIES, namespace))
    except ApiError as error:  # without the CRD no policy governs anything
        if error.status != _NOT_FOUND:
            raise
    (pod,) = cluster_of(session.source, {"Pod": body}).pods
    if pod.node_name:
        node = optional(session, f"/api/v1/nodes/{pod.node_name}", unread)
        found["Node"] = node
    return cluster_of(session.source, found), unread


def _from_server(
    near: ClusterSnapshot,
    pod: Pod,
    now: float,
    settings: Settings,
    answer: DecisionsAnswer,
    known: Sequence[Explanation],
) -> ExplainInput:
    return ExplainInput(
        now=now,
        pod=pod,
        policies=near.policies,
        rejected=near.rejected,
        view=near.snapshot(settings.kinds),
        decisions=known,
        server=answer.server if known else "",
        unavailable=answer.unavailable,
    )


def _from_api(
    cluster: ClusterSnapshot, pod: Pod, now: float, settings: Settings, unavailable: str
) -> ExplainInput:
    """As if kube-scheduler asked about the pod now."""
    view = replace(cluster.snapshot(settings.kinds), remembers_since=now)
    decisions = () if pod.finished else _decided_now(cluster, view, pod, now, settings)
    return ExplainInput(
        now=now,
        pod=pod,
        policies=cluster.policies,
        rejected=cluster.rejected,
        view=view,
        decisions=decisions,
        unavailable=unavailable,
        refusal=cluster.refusals.get(pod.uid),
    )


def _decided_now(
    cluster: ClusterSnapshot, view: Snapshot, pod: Pod, now: float, settings: Settings
) -> Sequence[Explanation]:
    """One scheduling cycle on the snapshot; nothing if no policy governs the pod, or nobody asks about it."""
    matched = matching(pod, cluster.policies)
    if not matched or not is_managed(pod, settings.watcher.managed_resources):
        return ()
    result = cycle(
        pod,
        _nodes_with_room(cluster, pod),
        matched[0],
        view,
        now,
        in_conflict=settings.on_conflict is OnConflict.REJECT and len(matched) > 1,
        outside_units=settings.outside_units,
    )
    return (explain(result.record),)


def _nodes_with_room(cluster: ClusterSnapshot, pod: Pod) -> list[str]:
    """The nodes that kube-scheduler would ask about, as far as `node_fit` tells."""
    others: defaultdict[str, list[Pod]] = defaultdict(list)
    for other in cluster.pods:
        if other.node_name and not other.finished and other.uid != pod.uid:
            others[other.node_name].append(other)
    return [
        node.name for node in cluster.nodes if admits(node, pod) and has_free(node, others[node.name], pod)
    ]


def _no_such_pod(namespace: str, name: str, pods: Sequence[Pod]) -> CommandError:
    there = sorted(pod.name for pod in pods if pod.namespace == namespace)
    alike = [other for other in there if other.startswith(name)]
    alike = alike or difflib.get_close_matches(name, there, _NAMED) or there
    more = f" and {len(there) - _NAMED} more" if alike is there and len(there) > _NAMED else ""
    names = f"there are {', '.join(alike[:_NAMED])}{more}" if there else "there is none at all"
    return CommandError(
        f"no pod {name} in namespace {namespace} ({names}); name one, or another -n NAMESPACE"
    )
