"""The scheduler cache: nodes, pods and policies from the informers, and the slots assumed since.

Hold `lock` around every call. It implements `policy.scheduling.snapshot.View` by indexes: a call costs the
nodes it names, not the whole cluster.

The state of a pod in the index of its policy, in the words of kube-scheduler's backend/cache/interface.go:

      +-----------------------------------------------------+
      |  Forget: deleted, finished, refused;                |
      |  expire: idle, or held for the whole TTL            |  Assume again: the slot is replaced
      v                                                     | +--+
    Absent --------------------- Assume ---------------> Assumed | ------- Add (bound) -------> Bound
      ^                                                   |   ^ <+                                |
      |                  policy edited or deleted: orphan |   | adopt: a policy governs the pod   |
      |                                                   v   | and has a unit it may go to       |
      +-- Forget, Add, expire, or Assume first --------- Orphaned                                 |
      |                                                                                           |
      +------------------------------ Remove (deleted, finished) ---------------------------------+

A uid that was seen deleted stays deleted: no late event or call brings it back.
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
from policy.api.options import NodeKinds
from policy.api.resourcepolicy import RejectedPolicy, ResourcePolicy
from policy.scheduling.accounting import Group, PodUsage, Usage, pod_usage_of
from policy.scheduling.pod_history import PodHistory, refused_since_ungated
from policy.scheduling.reservation_expiry import SEEN_AFTER, is_idle
from policy.scheduling.snapshot import Reservation

__all__ = ["Cache"]

_DELETED_SECONDS = 600.0
_DELETED_KEPT = 100_000
_EXPIRE_PERIOD = 1.0


class Cache:
    """All times are Unix seconds, as `clock` gives them."""

    def __init__(
        self,
        clock: Callable[[], float],
        kinds: NodeKinds,
        reservation_seconds: float,
        remembers_since: float,
    ) -> None:
        self.lock = RLock()
        self.changed = Condition(self.lock)
        """Notified of every change that may make a refused pod schedulable."""
        self.changes = PolicyChanges(clock)
        """These changes, by policy."""
        self.policies = PolicyStore()
        """Read only; `upsert_policy`, `replace_policies` and `remove_policy` change it."""
        self.attempts = SchedulingAttempts(clock)
        """Read only; `remember` changes it."""
        self.placement_records = PlacementRecords()
        """Read only, except for entries that were written on their pods."""
        self._clock = clock
        self._kinds = kinds
        self._reservation_seconds = reservation_seconds
        self.remembers_since = remembers_since
        """Since when attempts and histories are kept: earlier ones are known only from the API (O9)."""
        self._nodes = NodeStore(clock)
        self._pods: dict[str, Pod] = {}
        self._pods_by_node = PodsByNode()
        self._indexes: dict[str, PolicyIndex] = {}
        self._governed_by: dict[str, str] = {}
        self._reservations: dict[str, Reservation] = {}
        self._orphaned = OrphanedReservations()
        self._expired_at = self._listed_at = self._pods_observed_at = clock()
        self._deleted_pods: TTLCache[str, bool] = TTLCache(_DELETED_KEPT, _DELETED_SECONDS, timer=clock)

    # Reads by decisions: policy.scheduling.snapshot.View.

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
        return self._pods_by_node.on(node)

    def share(self, policy: ResourcePolicy, uid: str) -> PodUsage | None:
        return self._indexes[policy.key].share(uid)

    def history(self, uid: str) -> PodHistory:
        return self.attempts.history(uid)

    def unscheduled_since(self, pod: Pod) -> float | None:
        since = self._pods.get(pod.uid, pod).unscheduled_since
        return since if since is not None and since < self.remembers_since else None

    def unknown(self, names: Collection[str]) -> Collection[str]:
        return self._nodes.unknown(names)

    # Other reads.

    def pods(self) -> Collection[Pod]:
        """Every pod known."""
        return self._pods.values()

    def is_pending(self, uid: str) -> bool:
        """Whether the pod is known, not bound and not finished."""
        pod = self._pods.get(uid)
        return pod is not None and not (pod.node_name or pod.finished)

    def is_deleted(self, uid: str) -> bool:
        """Whether the pod was seen deleted."""
        return uid in self._deleted_pods

    def pods_observed_since(self, at: float) -> bool:
        """Whether the pod watch delivered anything since then, hence everything before it."""
        return self._pods_observed_at >= at

    def shrank_since(self, policy: ResourcePolicy, at: float) -> Collection[int]:
        """The units that have lost a node since that time."""
        return self._indexes[policy.key].shrank_since(at)

    def reservations(self) -> Mapping[str, Reservation]:
        """By the pod's uid."""
        return self._reservations

    # Effects of decisions.

    def assume(self, pod: Pod, policy: ResourcePolicy, unit: int, group: Group) -> None:
        """Count a pod in the unit that it is sent to, in place of any earlier reservation (E6).

        Deleted, bound and finished pods get none.
        """
        known = self._pods.get(pod.uid, pod)
        self.forget(pod.uid)
        if pod.uid in self._deleted_pods or known.node_name or known.finished:
            return
        reservation = Reservation(pod, policy.key, unit, group, self._clock())
        self._reservations[pod.uid] = reservation
        self._set_governing_policy(pod.uid, policy.key)
        self._indexes[policy.key].put_share(pod.uid, reservation.share)

    def forget(self, uid: str) -> None:
        """Release the reservation of a pod that is not bound, if it has one."""
        self._orphaned.drop(uid)
        reservation = self._reservations.pop(uid, None)
        if reservation is not None:
            self._indexes[reservation.policy].put_share(uid, None)
            self._record_change(reservation.policy)

    def expire(self) -> None:
        """Release reservations that nobody will use."""
        now = self._clock()
        if now - self._expired_at < _EXPIRE_PERIOD:
            return
        self._expired_at = now
        lasts = self._reservation_seconds
        self._orphaned.expire(now - lasts)
        for uid, slot in list(self._reservations.items()):
            index, known = self._indexes[slot.policy], self._pods.get(uid)
            seen = self.pods_observed_since(slot.made_at + SEEN_AFTER)
            shrank = index.shrank_at(slot.unit) >= slot.made_at
            if is_idle(slot, index.policy, known, self, now, seen=seen, shrank=shrank, lasts=lasts):
                self.forget(uid)

    def remember(self, attempt: SchedulingAttempt, history: PodHistory) -> None:
        """Keep the last attempt and the history of a pod for its next decision."""
        self.attempts.sweep(self._pods.keys())
        known = self._pods.get(attempt.pod.uid)
        if attempt.pod.uid not in self._deleted_pods and not (known and known.node_name):
            self.attempts.keep(attempt, history)

    # Events of the informers.

    def replace_nodes(self, nodes: Iterable[Node]) -> None:
        """A complete list: what is not in it is deleted."""
        listed = {node.name: node for node in nodes}
        for name in self.nodes.keys() - listed.keys():
            self.remove_node(name)
        for node in listed.values():
            self.upsert_node(node)

    def upsert_node(self, node: Node) -> None:
        """A node as it is now. A status update that no rule reads costs one comparison."""
        if not self._nodes.put(node):
            return
        for index in self._indexes.values():
            if index.put_node(node):
                self._reindex(self._pods_by_node.on(node.name))
                self._record_change(index.policy.key)
            elif index.units_of(node.name):
                self._record_change(index.policy.key)
        self.changed.notify_all()

    def remove_node(self, name: str) -> None:
        """A deleted node. Its pods stay counted in their unit until they are deleted, too."""
        if not self._nodes.drop(name):
            return
        for pod in self._pods_by_node.on(name):
            if pod.uid in self._governed_by:
                self.placement_records.lose_node(pod, self._indexes[self._governed_by[pod.uid]])
        for index in self._indexes.values():
            index.drop_node(name)
        self._reindex(self._pods_by_node.on(name))

    def begin_list_of_pods(self) -> None:
        """A list is requested now. A pod with an older reservation that is not in the list is deleted."""
        self._listed_at = self._clock()

    def replace_pods(self, pods: Iterable[Pod]) -> None:
        """A complete list: what is not in it is deleted."""
        self._pods_observed_at = self._clock()
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
        self._pods_observed_at = self._clock()
        if pod.uid in self._deleted_pods:
            return
        before = self._pods.get(pod.uid)
        pod = self._pods[pod.uid] = refused_since_ungated(pod, before, self._pods_observed_at)
        self._pods_by_node.drop(before)
        self._pods_by_node.put(pod)
        if pod.node_name or pod.finished:
            self._end_reservation(pod)
        self._reindex((pod,))

    def remove_pod(self, pod: Pod) -> None:
        """A deleted pod."""
        self._pods_observed_at = self._clock()
        self._deleted_pods[pod.uid] = True
        self._pods_by_node.drop(self._pods.pop(pod.uid, None))
        self.forget(pod.uid)
        self.attempts.drop(pod.uid)
        self.placement_records.drop(pod.uid)
        self._set_governing_policy(pod.uid, None)

    def replace_policies(self, policies: Iterable[ResourcePolicy | RejectedPolicy]) -> None:
        """A complete list: what is not in it is deleted."""
        listed = {policy.key: policy for policy in policies}
        for key in self.policies.keys() - listed.keys():
            self.remove_policy(key)
        # Each namespace once: its pods are many.
        changed = {policy.key.partition("/")[0] for policy in listed.values() if self._put_policy(policy)}
        for namespace in changed:
            self._reindex_namespace(namespace)

    def upsert_policy(self, policy: ResourcePolicy | RejectedPolicy) -> None:
        """A policy as it is now. Every pod of its namespace is matched and counted again."""
        if self._put_policy(policy):
            self._reindex_namespace(policy.key.partition("/")[0])

    def _put_policy(self, policy: ResourcePolicy | RejectedPolicy) -> bool:
        """Store a policy; whether this changed the version in force."""
        before = self._indexes.get(policy.key)
        if before is not None and isinstance(policy, RejectedPolicy) and policy.uid != before.policy.uid:
            self.remove_policy(policy.key)  # deleted and created again while we did not watch
        self.policies.put(policy)
        if isinstance(policy, RejectedPolicy) or (before and before.policy == policy):
            return False
        index = PolicyIndex(policy, self._kinds, self._clock, self.nodes.values())
        self._indexes[policy.key] = index
        if before is not None:
            self._carry_over(before, index)
        return True

    def remove_policy(self, key: str) -> None:
        """A deleted policy, by `namespace/name`. Another policy may govern its pods now (M4)."""
        policy = self.policies.drop(key)
        if policy is None:
            return
        for uid, reservation in list(self._reservations.items()):
            if reservation.policy == key:
                self._orphan(uid)
        del self._indexes[key]
        self._record_change(key)
        self._reindex_namespace(policy.namespace)

    # Updates of the indexes.

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

    def _end_reservation(self, pod: Pod) -> None:
        """A pod was bound or finished: its reservation becomes its placement record."""
        self._orphaned.end(pod, self.placement_records)
        reservation = self._reservations.pop(pod.uid, None)
        self.attempts.drop(pod.uid)
        if reservation is not None:
            self.placement_records.bound(pod, reservation, self._indexes[reservation.policy], self.nodes)

    def _reindex_namespace(self, namespace: str) -> None:
        # A pod may have a reservation before the watch delivers the pod.
        slots = [*self._reservations.values(), *self._orphaned]
        pods = {slot.pod.uid: slot.pod for slot in slots if slot.pod.namespace == namespace}
        pods.update((uid, pod) for uid, pod in self._pods.items() if pod.namespace == namespace)
        self._reindex(list(pods.values()))
        for policy in self.policies.in_namespace(namespace):
            self._record_change(policy.key)

    def _reindex(self, pods: Iterable[Pod]) -> None:
        for pod in pods:
            # The reservation has the pod as the scheduler sent it: the watch may still show an older version.
            slot = self._reservations.get(pod.uid) or self._orphaned.get(pod.uid)
            policy = self.policies.governing(slot.pod if slot else pod)
            self._set_governing_policy(pod.uid, policy.key if policy else None)
            if policy is not None:
                if adopted := self._orphaned.adopt(pod.uid, self._indexes[policy.key]):
                    self._reservations[pod.uid] = adopted
                self._put_share(pod, policy)

    def _set_governing_policy(self, uid: str, key: str | None) -> None:
        """Take the pod's usage and reservation out of a policy that no longer governs it."""
        before = self._governed_by.get(uid)
        if uid in self._reservations and self._reservations[uid].policy != key:
            self._orphan(uid)
        if before is not None and before != key:
            self.attempts.reset(uid)
        if before is not None and before != key and before in self._indexes:
            self._indexes[before].put_share(uid, None)
            self._record_change(before)
        if key is None:
            self._governed_by.pop(uid, None)
        else:
            self._governed_by[uid] = key

    def _orphan(self, uid: str) -> None:
        slot = self._reservations.pop(uid)
        self._orphaned.add(slot, self._indexes[slot.policy])

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
            self._record_change(policy.key)

    def _record_change(self, key: str) -> None:
        self.changes.note(key)
        self.changed.notify_all()
