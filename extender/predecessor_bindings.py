"""The time after a start, or a change of leader, in which bindings of the predecessor may be in flight (C7).

A pod's binding is no longer in flight when the scheduler asks about the pod, when the pod is bound or gone,
when no unit has room for it any more, and in any case `seconds` after the beginning. An edit of a policy
finds anew which units such bindings may be for: another form of the policy, or another policy, chose them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice

from cluster.cache.cache import Cache
from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.accounting import MissingLabelError, group_of
from policy.scheduling.inflight_bindings import (
    InflightBinding,
    InflightBindings,
    PessimisticView,
    find_inflight_bindings,
)
from policy.scheduling.reservation_expiry import SEEN_AFTER

__all__ = ["Handover"]

_REFRESH_SECONDS = 0.1
_MEASURE_SECONDS = 1.0
"""Between two refreshes, and between two that measure room: bindings in flight may be thousands."""


class Handover:
    """Hold the cache's lock around every call."""

    def __init__(self, cache: Cache, clock: Callable[[], float], seconds: float) -> None:
        self._cache = cache
        self._clock = clock
        self._seconds = seconds
        self._began_at = 0.0
        self._refreshed_at = 0.0
        self._measured_at = 0.0
        self._requeued_one = True
        self._bindings = InflightBindings()
        self._unconfirmed: set[str] = set()
        """Uids of pods not asked about since the beginning: after an edit their binding may be in flight."""
        self._edits = 0
        """Of policies, when the bindings were last found."""
        self._edited = False
        """Whether an edit has added bindings for which no pod was requeued yet."""
        self._known: dict[str, int] = {}
        """How many bindings of each policy were in flight when waiting pods were last requeued."""
        self._ended_at: dict[str, float] = {}
        """When a binding of a policy ended last, if no waiting pod was requeued for it."""
        self._waiting: set[str] = set()

    @property
    def ends_at(self) -> float:
        """When no binding is in flight any more, whatever was observed."""
        return self._began_at + self._seconds

    def begin(self) -> None:
        """Take note of every pod whose binding may be in flight now."""
        self._began_at = self._clock()
        self._requeued_one = False
        self._waiting.clear()
        self._assume_nominated()
        self._unconfirmed = {pod.uid for pod in self._cache.pods() if not _is_placed_or_gone(pod)}
        self._find_all()

    def confirm(self, uid: str) -> None:
        """The scheduler asks about the pod: its binding is not in flight."""
        self._unconfirmed.discard(uid)
        self._drop(uid)

    def set_waiting(self, uid: str, *, waits: bool) -> None:
        """Whether filter has just answered that the pod waits for bindings in flight."""
        if waits:
            self._waiting.add(uid)
        else:
            self._waiting.discard(uid)

    def is_waiting(self, uid: str) -> bool:
        """Whether the pod waits; nobody does once no binding is in flight."""
        return bool(self._bindings) and uid in self._waiting

    def view(self, policy: ResourcePolicy) -> PessimisticView | None:
        """The cluster with the policy's bindings in flight counted wherever they may be; None without any."""
        self._refresh()
        return PessimisticView(self._cache, self._bindings) if self._bindings.of(policy.key) else None

    def resolve(self) -> Iterable[Pod]:
        """End what is known not to be in flight; return pods to requeue.

        One pod, once, if no event has arrived since the start: its patch comes back as one, and shows that
        the view is newer than the bindings. After an edit all pods in question, once: the scheduler may have
        had no reason to try them until then.
        """
        self._refresh()
        self._note_changes()
        if self._edited:
            self._edited = False
            return [binding.pod for binding in self._bindings]
        seen_at = self._began_at + SEEN_AFTER
        silent = self._clock() >= seen_at and not self._cache.pods_observed_since(seen_at)
        if self._requeued_one or not self._bindings or not silent:
            return ()
        self._requeued_one = True
        return [binding.pod for binding in islice(self._bindings, 1)]

    def _drop(self, uid: str) -> None:
        binding = self._bindings.drop(uid)
        if binding is not None:
            self._ended_at[binding.policy] = self._clock()

    def _note_changes(self) -> None:
        """Note a change of each policy whose bindings in flight have halved, or ended a while ago.

        Not for each one that ends: as many pods may wait as are in flight, and each would be tried as often.
        """
        for key, at in list(self._ended_at.items()):
            left = self._bindings.of(key)
            if 2 * left <= self._known.get(key, 0) or self._clock() - at >= _MEASURE_SECONDS:
                self._known[key] = left
                del self._ended_at[key]
                self._cache.changes.note(key)

    def _assume_nominated(self) -> None:
        """Slots for pods that the scheduler has nominated, as a predecessor held them (E7)."""
        for pod in [p for p in self._cache.pods() if p.nominated_node and self._cache.is_pending(p.uid)]:
            policy = self._cache.policies.governing(pod)
            if policy is not None and pod.uid not in self._cache.reservations():
                self._assume(pod, policy)

    def _assume(self, pod: Pod, policy: ResourcePolicy) -> None:
        try:
            group = group_of(pod.labels, policy)
        except MissingLabelError:
            return
        for unit in range(len(policy.units)):
            if pod.nominated_node in self._cache.nodes_in(policy, unit):
                self._cache.assume(pod, policy, unit, group)
                return

    def _find_all(self) -> None:
        """By the policies as they are now."""
        self._edits = self._cache.policies.edits
        self._bindings = InflightBindings()
        for uid, binding in self._bindings_of(
            p for p in self._cache.pods() if p.uid in self._unconfirmed
        ).items():
            # Another server may have led meanwhile, and have sent the pod elsewhere than we did.
            held = self._cache.reservations().get(uid)
            units = binding.units - {held.unit} if held else binding.units
            if units:
                self._bindings.put(replace(binding, units=units))
        self._ended_at.clear()
        self._known = {policy.key: self._bindings.of(policy.key) for policy in self._cache.policies}

    def _refresh(self) -> None:
        now = self._clock()
        if not self._unconfirmed:
            return
        if self._edits != self._cache.policies.edits:
            self._find_all()
            self._edited = True
        if now - self._refreshed_at < _REFRESH_SECONDS:
            return
        self._refreshed_at = now
        self._unconfirmed = {
            uid for uid in self._unconfirmed if now < self.ends_at and self._cache.is_pending(uid)
        }
        for binding in list(self._bindings):
            if binding.pod.uid not in self._unconfirmed:
                self._drop(binding.pod.uid)
        if (
            self._cache.pods_observed_since(self._began_at + SEEN_AFTER)
            and now - self._measured_at >= _MEASURE_SECONDS
        ):
            self._measured_at = now
            self._measure()

    def _measure(self) -> None:
        """Room that is gone by now was taken by others: no binding in flight holds it."""
        still = self._bindings_of(binding.pod for binding in self._bindings)
        for binding in list(self._bindings):
            found = still.get(binding.pod.uid)
            units = binding.units & found.units if found else frozenset()
            if units != binding.units:
                self._drop(binding.pod.uid)
            if units and units != binding.units:
                self._bindings.put(replace(binding, units=units))

    def _bindings_of(self, pods: Iterable[Pod]) -> dict[str, InflightBinding]:
        pending: defaultdict[str, list[Pod]] = defaultdict(list)
        for pod in pods:
            policy = None if _is_placed_or_gone(pod) else self._cache.policies.governing(pod)
            if policy is not None:
                pending[policy.key].append(pod)
        cache, began_at = self._cache, self._began_at
        found = (
            find_inflight_bindings(p, pending[p.key], cache, cache.shrank_since(p, began_at))
            for p in cache.policies
        )
        return {binding.pod.uid: binding for some in found for binding in some}


def _is_placed_or_gone(pod: Pod) -> bool:
    return bool(pod.node_name or pod.finished or pod.gated)
