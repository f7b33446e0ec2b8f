"""Where placed pods were placed through, as long as nothing else tells (L3, U5).

A pod that was made from another one's manifest carries that one's record: it is none, and is written over.
Part of the cache, and under its lock.
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
        """Pods that do not carry their record yet; whoever writes it removes the entry."""
        self._records: dict[str, str] = {}
        self._copied: dict[str, str] = {}
        """What pods carried before they were placed."""

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def of(self, pod: Pod) -> str:
        """The record of a placed pod: what it carries, and until it does what is remembered; else empty."""
        written = pod.annotations.get(wellknown.UNIT, "")
        placed_since = written != self._copied.get(pod.uid, "")
        return written if placed_since else self._records.get(pod.uid, "")

    def bound(self, pod: Pod, slot: Reservation, index: PolicyIndex, nodes: Collection[str]) -> None:
        """A pod for which a slot was held got its node, perhaps one of the slot's unit.

        A node that is none of the `nodes` known is gone already: it was of that unit when it was answered.
        """
        gone = bool(pod.node_name) and pod.node_name not in nodes
        if gone or pod.node_name in index.nodes_in(slot.unit):
            record = record_of(index.policy, slot.unit)
            copied = self._remember(pod, slot, record)
            if copied or needs_record(index.policy.units[slot.unit], index.units_of(pod.node_name)):
                self.unrecorded[pod.uid] = pod, record

    def bound_orphaned(self, pod: Pod, slot: Reservation, record: str) -> None:
        """A pod got its node while no policy held its slot, and went where `record` says."""
        self._remember(pod, slot, record)

    def lose_node(self, pod: Pod, index: PolicyIndex) -> None:
        """Its node will not tell any more in which unit the pod counts."""
        share = index.share(pod.uid)
        if share is not None and share.counted:
            self._records.setdefault(pod.uid, record_of(index.policy, share.unit))

    def drop(self, uid: str) -> None:
        """The pod is gone."""
        self._records.pop(uid, None)
        self._copied.pop(uid, None)
        self.unrecorded.pop(uid, None)

    def _remember(self, pod: Pod, slot: Reservation, record: str) -> str:
        """What the pod carried already when it was sent off; empty if nothing."""
        self._records[pod.uid] = record
        copied = slot.pod.annotations.get(wellknown.UNIT, "")
        if copied:
            self._copied[pod.uid] = copied
        return copied
