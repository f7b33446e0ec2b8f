"""What `kubectl get nodes,pods,resourcepolicies -A -o yaml|json` prints, as values.

JSON is decoded typed, which skips what no rule reads: much faster than YAML.
"""

import codecs
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import yaml

from cli.errors import CommandError
from cluster.kube.decode import NodeObject, PodObject, node_of, pod_of
from policy.api.objects import Node, Pod
from policy.api.options import NodeKinds
from policy.api.resourcepolicy import InvalidPolicyError, RejectedPolicy, ResourcePolicy
from policy.scheduling.snapshot import Snapshot

__all__ = ["ClusterSnapshot", "ReportedCondition", "cluster_in", "cluster_of", "snapshot_time", "whole"]

_COMMAND = "kubectl get nodes,pods,resourcepolicies -A -o yaml"


@dataclass(frozen=True, slots=True)
class ReportedCondition:
    """What a program said about a pod: a condition or an event."""

    at: float | None
    reason: str
    message: str


@dataclass(slots=True)
class ClusterSnapshot:
    """A cluster at one moment."""

    nodes: list[Node] = field(default_factory=list)
    pods: list[Pod] = field(default_factory=list)
    policies: list[ResourcePolicy] = field(default_factory=list)
    manifests: list[Mapping[str, Any]] = field(default_factory=list)
    """Of the policies, those included that cannot be used."""
    rejected: list[RejectedPolicy] = field(default_factory=list)
    """Those (M6)."""
    owners: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By the pod's uid: kind and name of its controller."""
    refusals: dict[str, ReportedCondition] = field(default_factory=dict)
    """By the pod's uid: what kube-scheduler says of a pod that it did not place."""

    def snapshot(self, kinds: NodeKinds) -> Snapshot:
        """As decisions see it."""
        nodes, pods = {n.name: n for n in self.nodes}, {p.uid: p for p in self.pods}
        return Snapshot(nodes, pods, tuple(self.policies), kinds=kinds)


class _Loader(yaml.CSafeLoader):
    """Timestamps stay text, as in JSON."""

    yaml_implicit_resolvers = {  # noqa: RUF012  as PyYAML declares it
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


class _Kind(msgspec.Struct, gc=False):
    kind: str = ""
    items: list[msgspec.Raw] | None = None


class _Owner(msgspec.Struct, gc=False):
    kind: str = ""
    name: str = ""
    controller: bool = False


class _Owned(msgspec.Struct, gc=False, rename="camel"):
    owner_references: list[_Owner] | None = None


class _Condition(msgspec.Struct, gc=False, rename="camel"):
    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class _Status(msgspec.Struct, gc=False):
    conditions: list[_Condition] | None = None


class _Besides(msgspec.Struct, gc=False):
    """What no decision of the extender reads of a pod."""

    metadata: _Owned
    status: _Status = msgspec.field(default_factory=_Status)


def snapshot_time(cluster: ClusterSnapshot) -> float:
    """The time of a snapshot: just after the last thing that happened in it."""
    times = [pod.created for pod in cluster.pods]
    times += [at for pod in cluster.pods for at in (pod.bound_at, pod.unscheduled_since) if at]
    return max([*times, *(policy.created for policy in cluster.policies)], default=0.0) + 1


def cluster_in(source: str, text: bytes) -> ClusterSnapshot:
    """The cluster in a file.

    Raises:
        CommandError: it is not what `_COMMAND` prints.
    """
    text = text.removeprefix(codecs.BOM_UTF8)
    try:
        if text.lstrip()[:1] == b"{":
            return _from_json(source, text)
        documents = list(yaml.load_all(text, _Loader))
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise CommandError(f"{source}: no YAML: {reason}; write what `{_COMMAND}` prints") from None
    except RecursionError:
        raise CommandError(f"{source}: nested too deeply; write what `{_COMMAND}` prints") from None
    items: list[Any] = []
    for document in documents:
        listed = document.get("items") if isinstance(document, dict) else None
        items += listed if isinstance(listed, list) else [document]
    return _filled(source, (i for i in items if isinstance(i, dict)))


def cluster_of(source: str, lists: Mapping[str, bytes]) -> ClusterSnapshot:
    """The cluster in JSON by kind, as the API server sends it: the items of its lists do not tell it."""
    return _decoded(source, lists)


def _from_json(source: str, text: bytes) -> ClusterSnapshot:
    return whole(source, _decoded(source, {"": text}))


def _decoded(source: str, texts: Mapping[str, bytes]) -> ClusterSnapshot:
    cluster = ClusterSnapshot()
    for known, text in texts.items():
        try:
            listed = msgspec.json.decode(text, type=_Kind)
            for item in listed.items if listed.items is not None else [msgspec.Raw(text)]:
                kind = known or msgspec.json.decode(item, type=_Kind).kind
                _take(cluster, kind, item)
        except (msgspec.DecodeError, ValueError) as error:
            raise CommandError(f"{source}: {error}; write what `{_COMMAND}` prints") from None
    return cluster


def _take(cluster: ClusterSnapshot, kind: str, item: msgspec.Raw) -> None:
    if kind == "Node":
        cluster.nodes.append(node_of(msgspec.json.decode(item, type=NodeObject)))
    elif kind == "Pod":
        besides = msgspec.json.decode(item, type=_Besides)
        _take_pod(cluster, msgspec.json.decode(item, type=PodObject), besides)
    elif kind == "ResourcePolicy":
        _take_policy(cluster, msgspec.json.decode(item))


def _filled(source: str, items: Iterable[dict[str, Any]]) -> ClusterSnapshot:
    cluster = ClusterSnapshot()
    for item in items:
        kind = item.get("kind")
        try:
            if kind == "Node":
                cluster.nodes.append(node_of(msgspec.convert(item, NodeObject)))
            elif kind == "Pod":
                besides = msgspec.convert(item, _Besides)
                _take_pod(cluster, msgspec.convert(item, PodObject), besides)
            elif kind == "ResourcePolicy":
                _take_policy(cluster, item)
        except ValueError as error:
            raise CommandError(
                f"{source}: {kind} {_name(item)}: {error}; write what `{_COMMAND}` prints"
            ) from None
    return whole(source, cluster)


def _name(item: Mapping[str, Any]) -> object:
    metadata = item.get("metadata")
    return metadata.get("name") if isinstance(metadata, Mapping) else None


def whole(source: str, cluster: ClusterSnapshot) -> ClusterSnapshot:
    """The cluster, if it is one.

    Raises:
        CommandError: it has no node.
    """
    if not cluster.nodes:
        raise CommandError(f"{source}: holds no Node; write what `{_COMMAND}` prints")
    return cluster


def _take_pod(cluster: ClusterSnapshot, written: PodObject, besides: _Besides) -> None:
    pod = pod_of(written)
    cluster.pods.append(pod)
    for owner in besides.metadata.owner_references or ():
        if owner.controller:
            cluster.owners[pod.uid] = owner.kind, owner.name
    for condition in besides.status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            since = condition.last_transition_time
            at = since.timestamp() if since else None
            cluster.refusals[pod.uid] = ReportedCondition(at, condition.reason, condition.message)


def _take_policy(cluster: ClusterSnapshot, manifest: Mapping[str, Any]) -> None:
    cluster.manifests.append(manifest)
    try:
        cluster.policies.append(ResourcePolicy.from_manifest(manifest))
    except InvalidPolicyError as error:  # it governs no pod (M6), and lint says why
        metadata = manifest.get("metadata") or {}
        named = metadata if isinstance(metadata, Mapping) else {}
        key = f"{named.get('namespace') or 'default'}/{named.get('name') or ''}"
        cluster.rejected.append(RejectedPolicy(key, 0, error.errors))
