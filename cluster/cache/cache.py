"""The one mutable object of the server: what was listed and watched, and what was promised meanwhile.

It answers decisions as a `policy.snapshot.View` from indexes, so that a call costs its names and not the
cluster.

A pod in the index of its policy is one of

    absent   --reserve: sent to a unit------------------------------------> reserved
    reserved --reserve: asked again, replaced-----------------------------> reserved
    reserved --bound seen-------------------------------------------------> bound
    reserved --deleted, finished, refused or not helped, idle, expired----> absent
    reserved --its policy edited away or deleted--------------------------> adrift
    adrift   --governed by a policy whose unit it may be on its way to----> reserved
    adrift   --asked again, bound seen, deleted, finished, expired--------> absent, or as above
    bound    --deleted, finished------------------------------------------> absent

A uid that was seen deleted is dead: nothing that comes late brings it back.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from threading import Condition, RLock

from cachetools import TTLCache

from cluster.cache.node_store import NodeStore
from cluster.cache.orphaned_reservations import OrphanedReservations
from cluster.cache.placement_records import PlacementRecords
from cluster.cache.pods_by_node import PodsByNode
from cluster.cache.policy_changes import PolicyChanges
from cluster.cache.policy_index import PolicyIndex
from cluster.cache.policy_store import PolicyStore
from cluster.cache.scheduling_attempts import SchedulingAttempt, SchedulingAttempts
from policy.api.objects import Node, Pod
from policy.api.options import Kinds
from policy.api.resourcepolicy import RejectedPolicy, ResourcePolicy
from policy.scheduling.accounting import Group, PodUsage, Usage, pod_usage_of
from policy.scheduling.pod_history import PodHistory, refused_since_ungated
from policy.scheduling.reservation_expiry import SEEN_AFTER, is_idle
from policy.scheduling.snapshot import Reservation

__all__ = ["Cache"]

_GONE_SECONDS = 600.0
_GONE_KEPT = 100_000
_EXPIRE_PERIOD = 1.0


class Cache:
    """See the module. `clock` gives Unix seconds, as do all times."""

    def __init__(
        self,
        clock: Callable[[], float],
        kinds: Kinds,
        reservation_seconds: float,
        remembers_since: float,
    ) -> None:
        self.lock = RLock()
        self.changed = Condition(self.lock)
        """Notified of every change that may turn a refusal into a place."""
        self.changes = PolicyChanges(clock)
        """Such changes, by policy."""
        self.policies = PolicyStore()
        """To read; they change by `upsert_policy` and its like."""
        self.attempts = SchedulingAttempts(clock)
        """To read; they change by `remember`."""
        self.placement_records = PlacementRecords()
        """To read, but for what is written on pods."""
        self._clock = clock
        self._kinds = kinds
        self._reservation_seconds = reservation_seconds
        self.remembers_since = remembers_since
        """Since when what decisions leave behind is kept: what was before is in the API only (O9)."""
        self._nodes = NodeStore(clock)
        self._pods: dict[str, Pod] = {}
        self._placed = PodsByNode()
        self._indexes: dict[str, PolicyIndex] = {}
        self._governed_by: dict[str, str] = {}
        self._reservations: dict[str, Reservation] = {}
        self._orphaned = OrphanedReservations()
        self._expired_at = self._listed_at = self._heard_at = clock()
        self._gone_pods: TTLCache[str, bool] = TTLCache(_GONE_KEPT, _GONE_SECONDS, timer=clock)

    # What a decision may ask: policy.snapshot.View.

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Every node known, by name."""
        return self._nodes.known

    @property
    def leaving(self) -> AbstractSet[str]:
        return self._nodes.leaving

    def nodes_in(self, policy: ResourcePolicy, unit: int) -> AbstractSet[str]:
        return self._indexes[policy.key].nodes_in(unit)

    def first_units(self, policy: ResourcePolicy) -> Mapping[str, int]:
        return self._indexes[policy.key].first_units()

    def usage(self, policy: ResourcePolicy, unit: int, group: Group, excluding: str = "") -> Usage:
        return self._indexes[policy.key].usage(unit, group, excluding)

    def terminating(self, policy: ResourcePolicy, unit: int) -> bool:
        return self._indexes[policy.key].terminating(unit)

    def emptied_at(self, policy: ResourcePolicy, unit: int) -> float:
        return self._indexes[policy.key].emptied_at(unit)

    def pods_on(self, node: str) -> Collection[Pod]:
        return self._placed.on(node)

    def share(self, policy: ResourcePolicy, uid: str) -> PodUsage | None:
        return self._indexes[policy.key].share(uid)

    def history(self, uid: str) -> PodHistory:
        return self.attempts.history(uid)

    def unscheduled_since(self, pod: Pod) -> float | None:
        since = self._pods.get(pod.uid, pod).unscheduled_since
        return since if since is not None and since < self.remembers_since else None

    def unknown(self, names: Collection[str]) -> Collection[str]:
        return self._nodes.unknown(names)

    # What is read besides.

    def pods(self) -> Collection[Pod]:
        """Every pod known."""
        return self._pods.values()

    def is_pending(self, uid: str) -> bool:
        """Whether the pod is there and has neither a node nor an end."""
        pod = self._pods.get(uid)
        return pod is not None and not (pod.node_name or pod.finished)

    def is_deleted(self, uid: str) -> bool:
        """Whether the pod was seen deleted."""
        return uid in self._gone_pods

    def has_events_since(self, at: float) -> bool:
        """Whether the watch has told of pods since that time: then it has told what was before."""
        return self._heard_at >= at

    def shrank_since(self, policy: ResourcePolicy, at: float) -> Collection[int]:
        """The units that have lost a node since that time."""
        return self._indexes[policy.key].shrank_since(at)

    def reservations(self) -> Mapping[str, Reservation]:
        """By the pod's uid."""
        return self._reservations

    # What decisions leave behind.

    def assume(self, pod: Pod, policy: ResourcePolicy, unit: int, group: Group) -> None:
        """Hold a slot for a pod that is sent to a unit, in place of any it held (E6).

        Dead and bound pods get none.
        """
        known = self._pods.get(pod.uid, pod)
        self.forget(pod.uid)
        if pod.uid in self._gone_pods or known.node_name or known.finished:
            return
        reservation = Reservation(pod, policy.key, unit, group, self._clock())
        self._reservations[pod.uid] = reservation
        self._govern(pod.uid, policy.key)
        self._indexes[policy.key].put_share(pod.uid, reservation.share)

    def forget(self, uid: str) -> None:
        """Give back the slot that the pod holds without being bound, if any."""
        self._orphaned.drop(uid)
        reservation = self._reservations.pop(uid, None)
        if reservation is not None:
            self._indexes[reservation.policy].put_share(uid, None)
            self._note_change(reservation.policy)

    def expire(self) -> None:
        """Give back slots that nobody will use."""
        now = self._clock()
        if now - self._expired_at < _EXPIRE_PERIOD:
            return
        self._expired_at = now
        lasts = self._reservation_seconds
        self._orphaned.expire(now - lasts)
        for uid, slot in list(self._reservations.items()):
            index, known = self._indexes[slot.policy], self._pods.get(uid)
            seen = self.has_events_since(slot.made_at + SEEN_AFTER)
            shrank = index.shrank_at(slot.unit) >= slot.made_at
            if is_idle(slot, index.policy, known, self, now, seen=seen, shrank=shrank, lasts=lasts):
                self.forget(uid)

    def remember(self, attempt: SchedulingAttempt, history: PodHistory) -> None:
        """Keep what the last call about a pod leaves for the next."""
        self.attempts.sweep(self._pods.keys())
        known = self._pods.get(attempt.pod.uid)
        if attempt.pod.uid not in self._gone_pods and not (known and known.node_name):
            self.attempts.keep(attempt, history)

    # What the informers bring.

    def replace_nodes(self, nodes: Iterable[Node]) -> None:
        """A complete list: what is not in it is gone."""
        listed = {node.name: node for node in nodes}
        for name in self.nodes.keys() - listed.keys():
            self.remove_node(name)
        for node in listed.values():
            self.upsert_node(node)

    def upsert_node(self, node: Node) -> None:
        """A node as it is now. Status churn that no rule reads costs one comparison."""
        if not self._nodes.put(node):
            return
        for index in self._indexes.values():
            if index.put_node(node):
                self._reindex(self._placed.on(node.name))
                self._note_change(index.policy.key)
            elif index.units_of(node.name):
                self._note_change(index.policy.key)
        self.changed.notify_all()

    def remove_node(self, name: str) -> None:
        """A node that is gone. Its pods stay counted where they were, until they are gone too."""
        if not self._nodes.drop(name):
            return
        for pod in self._placed.on(name):
            if pod.uid in self._governed_by:
                self.placement_records.lose_node(pod, self._indexes[self._governed_by[pod.uid]])
        for index in self._indexes.values():
            index.drop_node(name)
        self._reindex(self._placed.on(name))

    def begin_list_of_pods(self) -> None:
        """A list is asked for now: a pod that was asked about before, and is not in it, is gone."""
        self._listed_at = self._clock()

    def replace_pods(self, pods: Iterable[Pod]) -> None:
        """A complete list: what is not in it is gone."""
        self._heard_at = self._clock()
        listed = {pod.uid: pod for pod in pods}
        for uid in self._pods.keys() - listed.keys():
            self.remove_pod(self._pods[uid])
        for uid, reservation in list(self._reservations.items()):
            if uid not in listed and reservation.made_at < self._listed_at:
                self.remove_pod(reservation.pod)
        for pod in listed.values():
            self.upsert_pod(pod)

    def upsert_pod(self, pod: Pod) -> None:
        """A pod as it is now."""
        self._heard_at = self._clock()
        if pod.uid in self._gone_pods:
            return
        before = self._pods.get(pod.uid)
        pod = self._pods[pod.uid] = refused_since_ungated(pod, before, self._heard_at)
        self._placed.drop(before)
        self._placed.put(pod)
        if pod.node_name or pod.finished:
            self._confirm_orphan(pod)
        self._reindex((pod,))

    def remove_pod(self, pod: Pod) -> None:
        """A pod that is gone for good."""
        self._heard_at = self._clock()
        self._gone_pods[pod.uid] = True
        self._placed.drop(self._pods.pop(pod.uid, None))
        self.forget(pod.uid)
        self.attempts.drop(pod.uid)
        self.placement_records.drop(pod.uid)
        self._govern(pod.uid, None)

    def replace_policies(self, policies: Iterable[ResourcePolicy | RejectedPolicy]) -> None:
        """A complete list: what is not in it is gone."""
        listed = {policy.key: policy for policy in policies}
        for key in self.policies.keys() - listed.keys():
            self.remove_policy(key)
        # Each namespace once: its pods are many.
        changed = {policy.key.partition("/")[0] for policy in listed.values() if self._put_policy(policy)}
        for namespace in changed:
            self._reindex_namespace(namespace)

    def upsert_policy(self, policy: ResourcePolicy | RejectedPolicy) -> None:
        """A policy as it is now; every pod of its namespace is matched and counted anew."""
        if self._put_policy(policy):
            self._reindex_namespace(policy.key.partition("/")[0])

    def _put_policy(self, policy: ResourcePolicy | RejectedPolicy) -> bool:
        """Take a policy; whether another form is in force now."""
        before = self._indexes.get(policy.key)
        if before is not None and isinstance(policy, RejectedPolicy) and policy.uid != before.policy.uid:
            self.remove_policy(policy.key)  # it was made again under its name, while we did not watch
        self.policies.put(policy)
        if isinstance(policy, RejectedPolicy) or (before and before.policy == policy):
            return False
        index = PolicyIndex(policy, self._kinds, self._clock, self.nodes.values())
        self._indexes[policy.key] = index
        if before is not None:
            self._carry_over(before, index)
        return True

    def remove_policy(self, key: str) -> None:
        """A policy that is gone, by `namespace/name`. Its pods may be another's now (M4)."""
        policy = self.policies.drop(key)
        if policy is None:
            return
        for uid, reservation in list(self._reservations.items()):
            if reservation.policy == key:
                self._orphan(uid)
        del self._indexes[key]
        self._note_change(key)
        self._reindex_namespace(policy.namespace)

    # How the indexes follow.

    def _carry_over(self, before: PolicyIndex, index: PolicyIndex) -> None:
        index.succeed(before)
        self.attempts.edit(before.policy, index.policy)
        for uid, reservation in list(self._reservations.items()):
            if reservation.policy == index.policy.key:
                carried = reservation.carried_over(before.policy, index.policy)
                if carried is None:
                    del self._reservations[uid]
                else:
                    self._reservations[uid] = carried

    def _confirm_orphan(self, pod: Pod) -> None:
        """A pod got its node or ended: the slot held for it becomes the record of where it went."""
        self._orphaned.confirm(pod, self.placement_records)
        reservation = self._reservations.pop(pod.uid, None)
        self.attempts.drop(pod.uid)
        if reservation is not None:
            self.placement_records.bound(pod, reservation, self._indexes[reservation.policy], self.nodes)

    def _reindex_namespace(self, namespace: str) -> None:
        # A slot may be held for a pod that the watch has not brought yet.
        slots = [*self._reservations.values(), *self._orphaned]
        pods = {slot.pod.uid: slot.pod for slot in slots if slot.pod.namespace == namespace}
        pods.update((uid, pod) for uid, pod in self._pods.items() if pod.namespace == namespace)
        self._reindex(list(pods.values()))
        for policy in self.policies.in_namespace(namespace):
            self._note_change(policy.key)

    def _reindex(self, pods: Iterable[Pod]) -> None:
        for pod in pods:
            # A slot is held as the pod was when it was asked about: the watch may show it as it was before.
            slot = self._reservations.get(pod.uid) or self._orphaned.get(pod.uid)
            policy = self.policies.governing(slot.pod if slot else pod)
            self._govern(pod.uid, policy.key if policy else None)
            if policy is not None:
                if usage_in := self._orphaned.usage_in(pod.uid, self._indexes[policy.key]):
                    self._reservations[pod.uid] = usage_in
                self._put_share(pod, policy)

    def _govern(self, uid: str, key: str | None) -> None:
        """Move the pod's share, and a slot held for it, out of a policy that no longer governs it."""
        before = self._governed_by.get(uid)
        if uid in self._reservations and self._reservations[uid].policy != key:
            self._orphan(uid)
        if before is not None and before != key:
            self.attempts.reset(uid)
        if before is not None and before != key and before in self._indexes:
            self._indexes[before].put_share(uid, None)
            self._note_change(before)
        if key is None:
            self._governed_by.pop(uid, None)
        else:
            self._governed_by[uid] = key

    def _orphan(self, uid: str) -> None:
        slot = self._reservations.pop(uid)
        self._orphaned.put(slot, self._indexes[slot.policy])

    def _put_share(self, pod: Pod, policy: ResourcePolicy) -> None:
        index = self._indexes[policy.key]
        if pod.node_name:
            share = pod_usage_of(pod, policy, index.units_of(pod.node_name), self.placement_records.of(pod))
        else:
            reservation = self._reservations.get(pod.uid)
            held = reservation is not None and reservation.policy == policy.key
            share = reservation.share if reservation and held else None
        before = index.put_share(pod.uid, share)
        if before is not None and before != share:
            self._note_change(policy.key)

    def _note_change(self, key: str) -> None:
        self.changes.note(key)
        self.changed.notify_all()
