"""The unit each bound pod was scheduled into, until its annotation says so (L3, U5).

An annotation copied from another pod's manifest is ignored and overwritten. Part of the cache,
under its lock.
"""

from collections.abc import Collection, Iterator

from cluster.cache.policy_index import PolicyIndex
from policy.api import wellknown
from policy.api.objects import Pod
from policy.scheduling.accounting import needs_record, record_of
from policy.scheduling.snapshot import Reservation

__all__ = ["PlacementRecords"]


class PlacementRecords:
    """By the pod's uid."""

    def __init__(self) -> None:
        self.unrecorded: dict[str, tuple[Pod, str]] = {}
        """Pods whose annotation is not written yet; the writer removes the entry."""
        self._records: dict[str, str] = {}
        self._copied: dict[str, str] = {}
        """Annotations that pods had before they were placed: copies from other pods."""

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def of(self, pod: Pod) -> str:
        """The record of a placed pod: its annotation, else the record kept here, else empty."""
        written = pod.annotations.get(wellknown.UNIT, "")
        placed_since = written != self._copied.get(pod.uid, "")
        return written if placed_since else self._records.get(pod.uid, "")

    def bound(self, pod: Pod, slot: Reservation, index: PolicyIndex, nodes: Collection[str]) -> None:
        """A pod with a reservation was bound, perhaps to a node of the reserved unit.

        A node that is not in `nodes` is deleted already: it was in that unit at the time of the decision.
        """
        gone = bool(pod.node_name) and pod.node_name not in nodes
        if gone or pod.node_name in index.nodes_in(slot.unit):
            record = record_of(index.policy, slot.unit)
            copied = self._record(pod, slot, record)
            if copied or needs_record(index.policy.units[slot.unit], index.units_of(pod.node_name)):
                self.unrecorded[pod.uid] = pod, record

    def record_orphan(self, pod: Pod, slot: Reservation, record: str) -> None:
        """A pod was bound while its reservation was orphaned; `record` names its unit."""
        self._record(pod, slot, record)

    def lose_node(self, pod: Pod, index: PolicyIndex) -> None:
        """The pod's node is deleted: from now on only the record says in which unit the pod counts."""
        share = index.share(pod.uid)
        if share is not None and share.counted:
            self._records.setdefault(pod.uid, record_of(index.policy, share.unit))

    def drop(self, uid: str) -> None:
        """The pod is deleted."""
        self._records.pop(uid, None)
        self._copied.pop(uid, None)
        self.unrecorded.pop(uid, None)

    def _record(self, pod: Pod, slot: Reservation, record: str) -> str:
        """Keep the record. Returns the annotation that the pod had before it was scheduled, else empty."""
        self._records[pod.uid] = record
        copied = slot.pod.annotations.get(wellknown.UNIT, "")
        if copied:
            self._copied[pod.uid] = copied
        return copied
