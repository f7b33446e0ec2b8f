"""What must hold in every run: caps, order, no needless waiting, no slot held for ever.

Rules C7, O1, E6, E9.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from cluster.cache.cache import Cache
from dev.faultsim.apiserver_model import ApiServer
from dev.faultsim.extender_client import Answer
from dev.faultsim.extender_process import STALENESS
from dev.faultsim.preemption_invariants import Promises
from dev.faultsim.scheduler_cache import Binding, Ticket
from dev.faultsim.snapshot import StateSnapshot, own_view
from dev.faultsim.violation import Invariant, Violation
from policy.api import wellknown
from policy.api.objects import Pod
from policy.api.options import NodeKinds
from policy.api.resourcepolicy import ResourcePolicy
from policy.scaleup.planner import plan
from policy.scheduling.accounting import Usage, record_of, total
from policy.scheduling.matching import governing, units_of
from policy.scheduling.snapshot import Reservation, Snapshot
from policy.scheduling.unit_selection import limit_reached

__all__ = ["LONGEST_WAIT", "InvariantChecker", "schedulable"]

LONGEST_WAIT = 30.0
"""Seconds: the longest backoff (10), a lost requeue's successor, and what settles around them."""


@dataclass(slots=True)
class _Idle:
    """Since when something is so, by uid."""

    since: dict[str, float]

    def update(self, uids: Collection[str], now: float) -> None:
        self.since = {uid: self.since.get(uid, now) for uid in uids}

    def longest(self, now: float, not_before: float) -> tuple[float, str]:
        return max(((now - max(at, not_before), uid) for uid, at in self.since.items()), default=(0.0, ""))


class InvariantChecker:
    """Kept beside one run."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api
        self.promises = Promises(api)
        self._placed: dict[str, Ticket] = {}
        self._left_on: dict[str, str] = {}
        """The record that stands for the node of a pod that no policy governed when it was placed."""
        self._forms: dict[int, ResourcePolicy] = {}
        self._waiting = _Idle({})
        self._idle = _Idle({})
        self.worst_wait = 0.0
        """The longest that a pod was pending though it could run."""
        self.worst_idle = 0.0
        """The longest that a slot was held for a pod in no attempt."""

    def policy_written(self, policy: ResourcePolicy) -> None:
        """An edit is in force for whatever is decided from now on (C8)."""
        self._forms[policy.generation] = policy
        self.promises.edited(policy)

    def node_lost(self, name: str) -> None:
        """A node is about to go: its pods count where they are until they are gone, too (U5)."""
        for pod in [pod for pod in self._api.pods.values() if pod.node_name == name]:
            policy = governing(pod, self._api.policies.values())
            units = units_of(self._api.nodes[name], policy, NodeKinds()) if policy else ()
            if policy and units:
                self._left_on[pod.uid] = record_of(policy, units[0])

    def answered(self, answer: Answer, behind: float, now: float) -> None:
        """The server answered a call from a view that is so old."""
        if behind > STALENESS and not answer.error:
            raise Violation(Invariant.STALE, now, f"its view is {behind:.0f} s old")

    # Invariant 1.

    def bound(self, binding: Binding, now: float) -> None:
        """A binding was made: is its unit above every cap since the decision?"""
        ticket = binding.ticket
        if ticket is None:
            self.promises.clear()  # it counts (C1), and nobody could hold a slot for it
            return
        self._placed[binding.pod.uid] = ticket
        if not self._remembered(binding.node, ticket):
            return
        forms = [form for generation, form in self._forms.items() if generation >= ticket.generation]
        ignoring = forms[-1].ignore_terminating_pod
        mates = [pod.requests for pod in self._counted(ticket, ignoring=ignoring)]
        own = binding.pod.requests
        mates.remove(own)
        refusals = [_refusal(form, ticket.unit, total(mates), own) for form in forms]
        if all(refusals):
            raise Violation(
                Invariant.CAP,
                now,
                f"{binding.pod.name} on {binding.node} is one of {len(mates) + 1}: {refusals[-1]}",
            )

    def _counted(self, ticket: Ticket, *, ignoring: bool) -> list[Pod]:
        """Those that a node took along, too (U5): the server that saw it go remembers where they were."""
        return [
            pod
            for uid, pod in self._api.pods.items()
            if (placed := self._placed.get(uid)) is not None
            and (placed.policy, placed.unit, placed.group) == (ticket.policy, ticket.unit, ticket.group)
            and not pod.finished
            and self._remembered(pod.node_name, ticket)
            and not (pod.terminating and ignoring)
        ]

    def _remembered(self, node: str, ticket: Ticket) -> bool:
        """Whether the node is there, or was when the server that decided began to answer."""
        return self._api.lost_at.get(node, math.inf) > ticket.answers_since

    # Invariant 2.

    def placed(self, pod: Pod, candidates: Sequence[str], ticket: Ticket, cache: Cache, now: float) -> None:
        """A pod was sent to a unit: was no earlier one open, with room, by the server's own view?"""
        view = own_view(cache, pod.uid)
        if view is None:
            return
        policy = cache.policies.get(ticket.policy)
        if policy is not None:
            self._ordered(Invariant.ORDER, pod, candidates, ticket, policy, view, now)

    def placed_in_truth(
        self, pod: Pod, candidates: Sequence[str], ticket: Ticket, view: Snapshot, now: float
    ) -> None:
        """The same, of a server that has seen everything, by the truth."""
        policy = self._api.policies[ticket.policy]
        self._ordered(Invariant.ORDER_IN_TRUTH, pod, candidates, ticket, policy, view, now)

    def _ordered(
        self,
        invariant: Invariant,
        pod: Pod,
        candidates: Sequence[str],
        ticket: Ticket,
        policy: ResourcePolicy,
        view: Snapshot,
        now: float,
    ) -> None:
        for index, unit in enumerate(policy.units):
            if unit.fingerprint == ticket.unit:
                return
            usage = view.usage(policy, index, ticket.group, excluding=pod.uid)
            room = view.nodes_in(policy, index) & set(candidates)
            if room and limit_reached(policy, index, usage, pod.requests) is None:
                detail = f"{pod.name} passed units[{index}], which has {usage.pods} and {min(room)}"
                raise Violation(invariant, now, detail)

    # Invariants 3 and 4.

    def truth(self, sent: Collection[Binding], cache: Cache, remembers_since: float) -> Snapshot:
        """The cluster with the bindings on their way made; no slot is held."""
        pods = dict(self._api.pods)
        for uid, record in self._left_on.items():
            if uid in pods:
                pods[uid] = replace(pods[uid], annotations={wellknown.UNIT: record})
        for uid, ticket in self._placed.items():
            policy = self._api.policies.get(ticket.policy)
            if policy is not None and uid in pods and pods[uid].node_name not in self._api.nodes:
                record = record_of(policy, _index(policy, ticket.unit))
                pods[uid] = replace(pods[uid], annotations={wellknown.UNIT: record})
        for binding in sent:
            if binding.pod.uid in pods:
                pods[binding.pod.uid] = self._bound_by(binding, pods[binding.pod.uid])
        return StateSnapshot(
            nodes=self._api.nodes,
            pods=pods,
            policies=tuple(self._api.policies.values()),
            histories={uid: cache.history(uid) for uid in pods},
            remembers_since=remembers_since,
        )

    def _bound_by(self, binding: Binding, pod: Pod) -> Pod:
        """On a node that is gone it counts where it was sent (U5)."""
        ticket = binding.ticket
        policy = self._api.policies.get(ticket.policy) if ticket else None
        if ticket is None or policy is None or binding.node in self._api.nodes:
            return replace(pod, node_name=binding.node)
        record = record_of(policy, _index(policy, ticket.unit))
        return replace(pod, node_name=binding.node, annotations={wellknown.UNIT: record})

    def truth_and_slots(self, view: Snapshot, cache: Cache, now: float) -> Snapshot:
        """The same, with slots held but for those whose pods have been in no attempt for long."""
        held = {
            uid: kept
            for uid, kept in cache.reservations().items()
            if now - max(self._idle.since.get(uid, now), kept.made_at) <= LONGEST_WAIT
        }
        return replace(view, reservations=held)

    def slots(self, uids: Collection[str], now: float, calm_since: float) -> None:
        """These hold slots and are in no attempt."""
        self._idle.update(uids, now)
        self.worst_idle = max(self.worst_idle, self._idle.longest(now, calm_since)[0])

    def waits(self, schedulable: Collection[str], now: float, calm_since: float) -> None:
        """These could run and are in no attempt."""
        self._waiting.update(schedulable, now)
        wait, uid = self._waiting.longest(now, calm_since)
        self.worst_wait = max(self.worst_wait, wait)
        if wait > LONGEST_WAIT:
            raise Violation(Invariant.WAITING, now, f"{uid} could run for {wait:.0f} s")

    def sent(self, uid: str) -> None:
        """The scheduler got a place for the pod: what it does with that is not ours."""
        self._waiting.since.pop(uid, None)
        self.promises.drop(uid)

    def at_the_end(self, cache: Cache, now: float) -> None:
        """A nomination holds its slot for as long as it stands, if the pod may use it (E7)."""
        slots = cache.reservations().items()
        held = [uid for uid, slot in slots if not self._is_usable(slot, self._api.pods.get(uid), cache)]
        if held:
            raise Violation(Invariant.RESERVATION, now, f"slots are still held for {', '.join(held)}")

    def _is_usable(self, slot: Reservation, pod: Pod | None, cache: Cache) -> bool:
        policy = cache.policies.get(slot.policy)
        if pod is None or policy is None or pod.nominated_node not in cache.nodes_in(policy, slot.unit):
            return False
        usage = cache.usage(policy, slot.unit, slot.group, excluding=pod.uid)
        return limit_reached(policy, slot.unit, usage, pod.requests) is None


def schedulable(view: Snapshot, now: float) -> list[str]:
    """The uids of pending pods that could run now.

    All of them at once, while those that are nominated hold what they are nominated to; and each of these, if
    the others do.
    """
    pending = [pod for pod in view.pods.values() if not (pod.node_name or pod.finished or pod.terminating)]
    waiting = [pod for pod in pending if pod.nominated_node not in view.nodes]
    nominated = [pod for pod in pending if pod.nominated_node in view.nodes]
    found = _planned(_with(view, nominated), waiting, now)
    for pod in nominated:
        found += _planned(_with(view, [other for other in nominated if other is not pod]), [pod], now)
    return found


def _planned(view: Snapshot, pending: Sequence[Pod], now: float) -> list[str]:
    if not pending:
        return []
    plans = [plan(policy, pending, view, now, {}, lambda *_: False) for policy in view.policies]
    return [pod.uid for pod, _ in chain.from_iterable(each.schedulable for each in plans)]


def _with(view: Snapshot, nominated: Collection[Pod]) -> Snapshot:
    """As if these were where they are nominated to."""
    if not nominated:
        return view
    there = {pod.uid: replace(pod, node_name=pod.nominated_node) for pod in nominated}
    return replace(view, pods={**view.pods, **there})


def _refusal(policy: ResourcePolicy, fingerprint: str, usage: Usage, requests: Mapping[str, int]) -> str:
    refusal = limit_reached(policy, _index(policy, fingerprint), usage, requests)
    return refusal.text if refusal else ""


def _index(policy: ResourcePolicy, fingerprint: str) -> int:
    return next(i for i, unit in enumerate(policy.units) if unit.fingerprint == fingerprint)
