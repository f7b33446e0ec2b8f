"""Objects that make pods, and a pod as they make it.

Kinds that are not listed here (custom resources) are seen through their pods in a snapshot only.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from cli.errors import CommandError
from cluster.kube.decode import PodObject, pod_of
from policy.api.objects import Pod
from policy.lint.documents import Document, Path, Workload

__all__ = ["pod_from", "workloads_in"]

_IN_SPEC: Path = ("spec", "template")
_TEMPLATES: Mapping[str, Path] = {
    "Deployment": _IN_SPEC,
    "ReplicaSet": _IN_SPEC,
    "StatefulSet": _IN_SPEC,
    "DaemonSet": _IN_SPEC,
    "ReplicationController": _IN_SPEC,
    "Job": _IN_SPEC,
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "Pod": (),
}
_JOB = ("batch.kubernetes.io/job-name", "batch.kubernetes.io/controller-uid", "job-name", "controller-uid")
_INDEXED = ("batch.kubernetes.io/job-completion-index",)
_ADDED: Mapping[str, tuple[str, ...]] = {
    "Deployment": ("pod-template-hash",),
    "StatefulSet": (
        "controller-revision-hash",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
    ),
    "DaemonSet": ("controller-revision-hash", "pod-template-generation"),
    "Job": _JOB,
    "CronJob": _JOB,
}
_CONTAINERS = ("initContainers", "containers")
_LONG_AGO = datetime.fromtimestamp(0, UTC)


def workloads_in(documents: Iterator[Document] | list[Document]) -> Iterator[Workload]:
    """Those documents that make pods.

    Raises:
        CommandError: a template that the API server would refuse as well.
    """
    for document in documents:
        template = _TEMPLATES.get(document.kind)
        if template is None or not isinstance(document.at(*template), Mapping):
            continue
        added = _ADDED.get(document.kind, ())
        if document.at("spec", "completionMode") == "Indexed":
            added += _INDEXED
        yield Workload(document, template, _pod(document, template), frozenset(added))


def _pod(document: Document, template: Path) -> Pod:
    content = document.at(*template)
    name, namespace = document.at("metadata", "name"), document.at("metadata", "namespace")
    try:
        return pod_from(content, str(name or document.kind.lower()), str(namespace or "default"))
    except ValueError as error:
        place = document.place(*template)
        where = f"{place.source}:{place.position.line}:{place.position.column}"
        raise CommandError(
            f"{where}: {document.kind} {name}: {error}; write it as the API server takes it"
        ) from None


def pod_from(template: Mapping[str, Any], name: str, namespace: str) -> Pod:
    """The pod that a template makes.

    Raises:
        ValueError: it is no pod template.
    """
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    if not isinstance(metadata, Mapping):
        raise ValueError("metadata is no mapping")  # noqa: TRY004  a fault of the text, not of the program
    identity = {"name": name, "namespace": namespace, "uid": name, "creationTimestamp": _LONG_AGO}
    known = {key: value for key, value in metadata.items() if key != "deletionTimestamp"}
    manifest = {"metadata": {**known, **identity}, "spec": _requesting(spec)}
    return pod_of(msgspec.convert(manifest, PodObject))


def _requesting(spec: object) -> object:
    """The spec with a request for every limit, which the API server adds to pods and not to templates."""
    if not isinstance(spec, Mapping):
        return spec
    listed = {key: spec[key] for key in _CONTAINERS if isinstance(spec.get(key), list)}
    return {**spec, **{key: [_completed(one) for one in ones] for key, ones in listed.items()}}


def _completed(container: Any) -> Any:  # noqa: ANN401  whatever is written there
    resources = container.get("resources") if isinstance(container, Mapping) else None
    if not isinstance(resources, Mapping):
        return container
    limits, requests = resources.get("limits"), resources.get("requests") or {}
    if not isinstance(limits, Mapping) or not isinstance(requests, Mapping):
        return container
    return {**container, "resources": {**resources, "requests": {**limits, **requests}}}
