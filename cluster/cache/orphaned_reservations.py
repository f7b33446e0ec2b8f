"""Slots that an edit took from their policy, while their pods may be on their way all the same (C7).

Part of the cache, and under its lock.
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
    """A slot, the form of the policy in which it was held, and its unit then."""

    slot: Reservation
    policy: ResourcePolicy
    nodes: AbstractSet[str]
    shrank: bool
    """Whether the unit had lost a node since the slot was handed out."""


class OrphanedReservations:
    """By the pod's uid."""

    def __init__(self) -> None:
        self._lost: dict[str, _Orphan] = {}

    def __iter__(self) -> Iterator[Reservation]:
        return (lost.slot for lost in self._lost.values())

    def get(self, uid: str) -> Reservation | None:
        """The slot as it was lost."""
        lost = self._lost.get(uid)
        return lost.slot if lost else None

    def put(self, slot: Reservation, index: PolicyIndex) -> None:
        """The policy of `index` lets go of a slot, and nobody says that its pod stays."""
        nodes = frozenset(index.nodes_in(slot.unit))
        shrank = index.shrank_at(slot.unit) >= slot.made_at
        self._lost[slot.pod.uid] = _Orphan(slot, index.policy, nodes, shrank)

    def confirm(self, pod: Pod, placement_records: PlacementRecords) -> None:
        """A pod got its node or ended. No policy counts it now, and its node may be gone when one does."""
        lost = self._lost.pop(pod.uid, None)
        if lost is not None and pod.node_name in lost.nodes:
            placement_records.bound_orphaned(pod, lost.slot, record_of(lost.policy, lost.slot.unit))

    def drop(self, uid: str) -> None:
        """The pod was asked about again, or is gone."""
        self._lost.pop(uid, None)

    def expire(self, until: float) -> None:
        """Forget slots that were handed out up to that time."""
        for uid in [uid for uid, lost in self._lost.items() if lost.slot.made_at <= until]:
            del self._lost[uid]

    def usage_in(self, uid: str, index: PolicyIndex) -> Reservation | None:
        """The slot that the policy of `index` has to hold for the pod from now on, if any.

        If the pod may be on its way to a node that is not in the slot's unit, the unit is told.
        """
        lost = self._lost.get(uid)
        unit = _unit_in(lost, index) if lost else None
        if lost is None or unit is None:
            return None
        policy = index.policy
        try:
            group = group_of(lost.slot.pod.labels, policy)
        except MissingLabelError:
            return None
        del self._lost[uid]
        if lost.shrank or not lost.nodes <= index.nodes_in(unit):
            index.shrink(unit)
        return replace(lost.slot, policy=policy.key, unit=unit, group=group)


def _unit_in(lost: _Orphan, index: PolicyIndex) -> int | None:
    """The unit that the slot means today, else the first that the pod may be on its way to."""
    same = recorded_unit(record_of(lost.policy, lost.slot.unit), index.policy)
    if same is not None:
        return same
    units = range(len(index.policy.units))
    return next((unit for unit in units if not lost.nodes.isdisjoint(index.nodes_in(unit))), None)
