"""Taking back what our programs asked of the autoscaler and wrote on pods (A10).

Requests go first: with
the holds gone the autoscaler acts on the pods by itself, and would serve both. Done with an administrator's
rights, once the watcher is stopped.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import quote

import msgspec

from cluster.kube.client import ApiError, KubeClient, Unreachable
from policy.api import wellknown
from policy.podmetadata.deletion_cost import correction
from watcher.provisioner.request_manifests import OWNED
from watcher.scaleup.pod_holds import hold_of

__all__ = ["CleanupResult", "RemovalStep", "release", "removals"]

_PAGE = "500"
_GONE = (404, 409)  # 409: another pod of that name


def _marks_of(annotations: Mapping[str, str]) -> set[str]:
    return {key for key in annotations if key.startswith(wellknown.PREFIX)}


def _cost_of(annotations: Mapping[str, str]) -> set[str]:
    return set(correction(annotations, 0))


Traces = Callable[[Mapping[str, str]], set[str]]
"""Tells which keys of a pod's annotations are ours."""

_HOLD: tuple[Traces, ...] = (hold_of,)
_ALL: tuple[Traces, ...] = (hold_of, _cost_of, _marks_of)


@dataclass(frozen=True, slots=True)
class RemovalStep:
    """One thing to take back."""

    what: str
    name: str
    do: Callable[[], object]


@dataclass(slots=True)
class CleanupResult:
    """How many things of each sort are gone, and which are not, with the reason."""

    gone: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)


def release(wanted: Iterable[RemovalStep]) -> CleanupResult:
    """Do all of it; what fails does not stop the rest."""
    done = CleanupResult()
    for removal in wanted:
        try:
            removal.do()
        except (ApiError, Unreachable) as error:
            if not (isinstance(error, ApiError) and error.status in _GONE):
                done.left.append(f"{removal.what} {removal.name}: {error}")
                continue
        done.gone[removal.what] += 1
    return done


def removals(connection: KubeClient, namespace: str, *, everything: bool) -> Iterator[RemovalStep]:
    """What there is to take back; `namespace` is where requests live.

    Without `everything` only what keeps the autoscaler from the pods: `serve` needs the rest.
    """
    ours = {"labelSelector": ",".join(f"{key}={value}" for key, value in OWNED.items())}
    for what, api, resource in (
        ("ProvisioningRequest", f"/apis/{wellknown.PROVISIONING_API}", "provisioningrequests"),
        ("placeholder", "/api/v1", "pods"),
        ("PodTemplate", "/api/v1", "podtemplates"),
    ):
        path = f"{api}/namespaces/{quote(namespace)}/{resource}"
        for found in _listed(connection, path, ours):
            yield RemovalStep(what, found.name, partial(connection.delete, f"{path}/{quote(found.name)}"))
    for found in _listed(connection, "/api/v1/pods", {}):
        keys = set[str]().union(*(traces(found.annotations) for traces in (_ALL if everything else _HOLD)))
        if keys:
            path = f"/api/v1/namespaces/{quote(found.namespace)}/pods/{quote(found.name)}"
            patch = {"metadata": {"uid": found.uid, "annotations": dict.fromkeys(keys)}}
            name = f"{found.namespace}/{found.name}"
            yield RemovalStep("pod's annotations", name, partial(connection.patch, path, patch))


class _Metadata(msgspec.Struct):
    name: str
    namespace: str = ""
    uid: str = ""
    annotations: dict[str, str] = {}


class _Object(msgspec.Struct):
    metadata: _Metadata


class _Rest(msgspec.Struct):
    token: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    metadata: _Rest
    items: list[_Object]


def _listed(connection: KubeClient, path: str, query: Mapping[str, str]) -> Iterator[_Metadata]:
    """Page by page; a kind that is not served has no objects."""
    token = ""
    while True:
        page = {**query, "limit": _PAGE, **({"continue": token} if token else {})}
        try:
            found = msgspec.json.decode(connection.get(path, page), type=_List)
        except ApiError as error:
            if error.status == 404:  # noqa: PLR2004  HTTP's
                return
            raise
        yield from (item.metadata for item in found.items)
        token = found.metadata.token
        if not token:
            return
