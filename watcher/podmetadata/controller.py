"""Writes on placed pods what their policy wants there: labels, annotations, the deletion cost (L1, L2).

A pod is patched as soon as it is bound, once, with all that it lacks, and again only if the watch does not
show the patch.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from threading import Event

from cluster.cache.cache import Cache
from cluster.cache.pod_change_queue import PodChangeQueue
from cluster.kube.client import ApiError, KubeClient, Unreachable
from cluster.kube.periodic import repeat
from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.podmetadata.desired_metadata import (
    RECORDED_WITHIN,
    MetadataChange,
    SkippedLabel,
    allowed,
    metadata_changes,
)
from policy.scheduling.matching import is_managed
from watcher.podmetadata.owner_selectors import OwnerSelectorCache

__all__ = ["PodMetadataController"]

log = logging.getLogger(__name__)

_PERIOD = 0.2
_ALL_EVERY = 1.0
"""Seconds between two looks at all pods: nodes may have got other labels, and writes may have failed."""
_AT_ONCE = 50
"""Requests in one round. Adopting thousands of pods must not crowd out the API server's other clients."""
_AGAIN = 5.0
"""Seconds after which a patch is repeated that the watch does not show."""
_REFUSED_AGAIN = 60.0
_PAUSE = 1.0
"""Seconds without a request after one that failed."""
_GONE = (404, 409)
"""The pod is deleted, or another one has its name."""


@dataclass(slots=True)
class PodMetadataController:
    """One thread's work. `clock` is monotonic."""

    connection: KubeClient
    cache: Cache
    queue: PodChangeQueue
    clock: Callable[[], float]
    managed_resources: Collection[str]
    not_written: frozenset[SkippedLabel] = frozenset()
    """The labels that pods lack for good. Any thread may read it."""
    _controllers: OwnerSelectorCache = field(init=False)
    _again_at: dict[str, tuple[MetadataChange, float]] = field(default_factory=dict)
    """By uid: what was written last, and when it may be written again."""
    _paused_until: float = 0.0
    _all_at: float = 0.0
    _bound_since: dict[str, float] = field(default_factory=dict)
    """By uid: when each pod that lacks its record was first seen on a node."""

    def __post_init__(self) -> None:
        self._controllers = OwnerSelectorCache(self.connection)

    def run(self, stop: Event) -> None:
        """Write what is due, as soon as there is news of it, until `stop`."""

        def ends(pause: float) -> bool:
            self.queue.wait(pause)
            return stop.is_set()

        repeat("placement", _PERIOD, self.reconcile_changes, stop, ends)

    def reconcile_changes(self) -> None:
        """Look at the pods that there is news of, and now and then at all of them."""
        refused_labels = self.queue.take()
        if refused_labels is None or self.clock() >= self._all_at:
            self.reconcile()
        elif refused_labels:
            self.reconcile(refused_labels)

    def reconcile(self, refused_labels: Collection[Pod] | None = None) -> None:
        """Write what is due now, for all pods or for those told of.

        The rest, and what could not be written, is due when all are looked at the next time.
        """
        if self.clock() < self._paused_until:
            return
        try:
            refused, left = self._write(self._wanted(refused_labels))
        except Unreachable as error:
            log.warning("placed pods are not written: %s", error)
            self._paused_until = self.clock() + _PAUSE
            return
        self.not_written = refused if refused_labels is None and not left else self.not_written | refused
        if refused_labels is None or left:
            self._all_at = self.clock() + (_PERIOD if left else _ALL_EVERY)

    def _wanted(self, refused_labels: Collection[Pod] | None) -> list[MetadataChange]:
        now, known = self.clock(), self._bound_since
        with self.cache.lock:
            if refused_labels is None:
                self._bound_since = {}  # who is gone is forgotten

            def may_be_recorded(pod: Pod) -> bool:
                since = self._bound_since[pod.uid] = known.get(pod.uid, now)
                return now - since < RECORDED_WITHIN

            pods = self.cache.pods() if refused_labels is None else refused_labels
            return list(metadata_changes(pods, self._governing, self.cache, may_be_recorded))

    def _governing(self, pod: Pod) -> ResourcePolicy | None:
        sent = is_managed(pod, self.managed_resources)
        return self.cache.policies.governing(pod) if sent else None

    def _write(self, wanted: list[MetadataChange]) -> tuple[frozenset[SkippedLabel], bool]:
        """Tell what pods lack for good, and whether any were left over."""
        now, written, read_before = self.clock(), 0, self._controllers.requests
        self._again_at = {uid: (last, at) for uid, (last, at) in self._again_at.items() if now < at}
        refused: set[SkippedLabel] = set()
        for change in wanted:
            if written + self._controllers.requests - read_before >= _AT_ONCE:
                return frozenset(refused), True
            try:
                selected = self._controllers.selected(change.pod) if change.labels else None
            except ApiError as error:
                log.warning("the controller of %s cannot be read: %s", change.pod.name, error)
                self._paused_until = now + _PAUSE
                continue
            rest, not_written = allowed(change, selected)
            refused.update(not_written)
            if rest and not self._is_written(rest):
                self._again_at[rest.pod.uid] = rest, now + self._patch(rest)
                written += 1
        return frozenset(refused), False

    def _is_written(self, change: MetadataChange) -> bool:
        last, _ = self._again_at.get(change.pod.uid, (None, 0.0))
        return last is not None and (last.labels, last.annotations) == (change.labels, change.annotations)

    def _patch(self, change: MetadataChange) -> float:
        """Write, and tell for how long the same need not be written again."""
        pod = change.pod
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
        try:
            # The uid makes the API server refuse another pod of the same name.
            metadata = {"uid": pod.uid, "labels": change.labels, "annotations": change.annotations}
            self.connection.patch(path, {"metadata": metadata})
        except ApiError as error:
            if error.status in _GONE:
                return _AGAIN
            # One pod that cannot be written, by an admission policy perhaps, must not stop the rest.
            log.warning("%s/%s could not be patched: %s", pod.namespace, pod.name, error)
            return _REFUSED_AGAIN
        log.info("%s/%s: %s", pod.namespace, pod.name, _words(change))
        return _AGAIN


def _words(change: MetadataChange) -> str:
    pairs = {**change.labels, **change.annotations}
    return ", ".join(f"{key} removed" if value is None else f"{key}={value}" for key, value in pairs.items())
