"""Reservations whose policy was edited or deleted while the binding may be in flight (C7).

The next policy that governs the pod adopts its reservation. Part of the cache, under its lock.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from cluster.cache.placement_records import PlacementRecords
from cluster.cache.policy_index import PolicyIndex
from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.accounting import MissingLabelError, group_of, record_of, recorded_unit
from policy.scheduling.snapshot import Reservation

__all__ = ["OrphanedReservations"]


@dataclass(frozen=True, slots=True)
class _Orphan:
    """A reservation, with the version of its policy and the nodes of its unit at that time."""

    slot: Reservation
    policy: ResourcePolicy
    nodes: AbstractSet[str]
    shrank: bool
    """Whether the unit had lost a node since the reservation was made."""


class OrphanedReservations:
    """By the pod's uid."""

    def __init__(self) -> None:
        self._orphans: dict[str, _Orphan] = {}

    def __iter__(self) -> Iterator[Reservation]:
        return (orphan.slot for orphan in self._orphans.values())

    def get(self, uid: str) -> Reservation | None:
        """The reservation as it was when it was orphaned."""
        orphan = self._orphans.get(uid)
        return orphan.slot if orphan else None

    def add(self, slot: Reservation, index: PolicyIndex) -> None:
        """The policy of `index` drops a reservation, but the binding may be in flight."""
        nodes = frozenset(index.nodes_in(slot.unit))
        shrank = index.shrank_at(slot.unit) >= slot.made_at
        self._orphans[slot.pod.uid] = _Orphan(slot, index.policy, nodes, shrank)

    def end(self, pod: Pod, placement_records: PlacementRecords) -> None:
        """A pod was bound or finished. Keep its record: its node may be deleted before a policy counts it."""
        orphan = self._orphans.pop(pod.uid, None)
        if orphan is not None and pod.node_name in orphan.nodes:
            placement_records.record_orphan(pod, orphan.slot, record_of(orphan.policy, orphan.slot.unit))

    def drop(self, uid: str) -> None:
        """The pod is scheduled again, or deleted."""
        self._orphans.pop(uid, None)

    def expire(self, until: float) -> None:
        """Drop reservations that were made up to that time."""
        for uid in [uid for uid, orphan in self._orphans.items() if orphan.slot.made_at <= until]:
            del self._orphans[uid]

    def adopt(self, uid: str, index: PolicyIndex) -> Reservation | None:
        """The reservation that the policy of `index` holds for the pod from now on, if any.

        If the binding may be in flight to a node outside the unit, the unit counts as shrunk.
        """
        orphan = self._orphans.get(uid)
        unit = _unit_in(orphan, index) if orphan else None
        if orphan is None or unit is None:
            return None
        policy = index.policy
        try:
            group = group_of(orphan.slot.pod.labels, policy)
        except MissingLabelError:
            return None
        del self._orphans[uid]
        if orphan.shrank or not orphan.nodes <= index.nodes_in(unit):
            index.shrink(unit)
        return replace(orphan.slot, policy=policy.key, unit=unit, group=group)


def _unit_in(orphan: _Orphan, index: PolicyIndex) -> int | None:
    """The unit with the same fingerprint, else the first to which the binding may be in flight."""
    same = recorded_unit(record_of(orphan.policy, orphan.slot.unit), index.policy)
    if same is not None:
        return same
    units = range(len(index.policy.units))
    return next((unit for unit in units if not orphan.nodes.isdisjoint(index.nodes_in(unit))), None)
