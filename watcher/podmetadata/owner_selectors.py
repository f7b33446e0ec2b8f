"""What the controller of a pod selects by (L1). A selector is immutable, so it is cached."""

from dataclasses import dataclass, field

import msgspec
from cachetools import LRUCache

from cluster.kube.client import ApiError, KubeClient
from policy.api.objects import Owner, Pod

__all__ = ["OwnerSelectorCache"]

_PATHS = {
    ("apps/v1", "DaemonSet"): "/apis/apps/v1/namespaces/{}/daemonsets/{}",
    ("apps/v1", "ReplicaSet"): "/apis/apps/v1/namespaces/{}/replicasets/{}",
    ("apps/v1", "StatefulSet"): "/apis/apps/v1/namespaces/{}/statefulsets/{}",
    ("batch/v1", "Job"): "/apis/batch/v1/namespaces/{}/jobs/{}",
}
_KEPT = 10_000
_UNREADABLE = (403, 404)


class _Expression(msgspec.Struct, frozen=True):
    key: str = ""


class _Selector(msgspec.Struct, frozen=True, rename="camel"):
    match_labels: dict[str, str] | None = None
    match_expressions: list[_Expression] | None = None


class _Spec(msgspec.Struct, frozen=True):
    selector: _Selector = _Selector()


class _Controller(msgspec.Struct, frozen=True):
    spec: _Spec = _Spec()


def _cache() -> "LRUCache[str, frozenset[str] | None]":
    return LRUCache(_KEPT)


@dataclass(slots=True)
class OwnerSelectorCache:
    """For one thread."""

    connection: KubeClient
    requests: int = 0
    """How many were made so far."""
    _known: "LRUCache[str, frozenset[str] | None]" = field(default_factory=_cache)

    def selected(self, pod: Pod) -> frozenset[str] | None:
        """The keys of the labels by which the pod's controller selects; None if that cannot be read.

        Raises:
            ApiError, Unreachable: try again.
        """
        owner = pod.owner
        if owner is None:
            return frozenset()
        if owner.uid not in self._known:
            self._known[owner.uid] = self._read(pod.namespace, owner)
        return self._known[owner.uid]

    def _read(self, namespace: str, owner: Owner) -> frozenset[str] | None:
        path = _PATHS.get((owner.api_version, owner.kind))
        if path is None:
            return None
        try:
            self.requests += 1
            found = self.connection.get(path.format(namespace, owner.name))
        except ApiError as error:
            if error.status in _UNREADABLE:
                return None
            raise
        selector = msgspec.json.decode(found, type=_Controller).spec.selector
        expressions = (expression.key for expression in selector.match_expressions or ())
        return frozenset({*(selector.match_labels or {}), *expressions})
