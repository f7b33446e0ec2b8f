"""In whatever order events and calls come, the cache's indexes equal a recount of what it was given.

The test's own model says which events count; `policy.scheduling.snapshot` does the recount.
"""

import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import product

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cluster.cache.cache import Cache
from cluster.cache.scheduling_attempts import SchedulingAttempt
from policy.api import wellknown
from policy.api.objects import Node, Phase, Pod
from policy.api.options import NodeKinds
from policy.api.resourcepolicy import RejectedPolicy, ResourcePolicy
from policy.scheduling.accounting import Group, MissingLabelError, Usage, group_of, record_of, recorded_unit
from policy.scheduling.inflight_bindings import has_room
from policy.scheduling.matching import governing
from policy.scheduling.pod_history import NO_HISTORY, Nomination, PodHistory
from policy.scheduling.reservation_expiry import may_get
from policy.scheduling.snapshot import Reservation, Snapshot
from tests.builders import LATER, NOW, POLICY_CREATED, a_node, a_pod, a_policy, a_unit, recorded_in

HELD_SECONDS = 10.0
SEEN_AFTER = 5.0
UIDS = [f"pod-{number}" for number in range(8)]
NODES = ["n-1", "n-2", "n-3"]
TEAMS: list[dict[str, str]] = [{}, {"team": "red"}, {"team": "blue"}]
GROUPS: list[Group] = [(), ("red",), ("blue",)]
A, B, CAPPED_B = a_unit("a"), a_unit("b"), a_unit("b", max=1)
MARKED = a_unit("a", pod_labels={"team": "red"})
ALL = a_unit()
VIRTUAL = a_unit(resource="eci")

FIRST = [
    a_policy(A, B),
    a_policy(B, A),
    a_policy(A, CAPPED_B, ignore_terminating_pod=False),
    a_policy(MARKED, A, B),
    a_policy(ALL, match_label_keys=("team",)),
    a_policy(A, ALL, selector={"team": "red"}),
    a_policy(B, VIRTUAL, ignore_previous_pod=True, created=LATER - 500),
]
OLDER = [
    a_policy(A, name="older", created=POLICY_CREATED / 2, selector={"team": "red"}),
    a_policy(ALL, A, name="older", created=POLICY_CREATED / 2, selector={"team": "blue"}),
]
ELSEWHERE = [a_policy(A, B, namespace="elsewhere")]
KEYS = [FIRST[0].key, OLDER[0].key, ELSEWHERE[0].key]

nodes = st.builds(
    a_node,
    st.sampled_from(NODES),
    st.sampled_from(["", "a", "b"]),
    labels=st.sampled_from([{}, {"type": "virtual-kubelet"}]),
    ready=st.booleans(),
)
pods = st.builds(
    a_pod,
    st.sampled_from(UIDS),
    on=st.sampled_from(["", "", "", *NODES, "ghost"]),
    requests=st.sampled_from([{}, {"cpu": "1"}, {"cpu": "2", "memory": "1Gi"}]),
    labels=st.sampled_from(TEAMS),
    annotations=st.sampled_from([{}, {}, recorded_in(FIRST[0], 1), recorded_in(OLDER[1], 0)]),
    phase=st.sampled_from([*[Phase.PENDING] * 5, Phase.FAILED]),
    terminating=st.sampled_from([False, False, True]),
    bound_at=st.sampled_from([None, POLICY_CREATED - 800, LATER]),
    nominated_node=st.sampled_from(["", "", "n-1"]),
).map(lambda pod: replace(pod, namespace="elsewhere") if pod.uid == UIDS[-1] else pod)
waiting = pods.map(lambda pod: replace(pod, node_name="", phase=Phase.PENDING))
uids = st.sampled_from(UIDS)
written = st.sampled_from([*FIRST, *FIRST, *OLDER, *ELSEWHERE])
rejected = st.builds(RejectedPolicy, st.sampled_from(KEYS), st.just(2), st.just(("no",)))


class EventsAndCalls(RuleBasedStateMachine):
    """The cache beside a model of plain dicts, told the same."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.cache = Cache(lambda: self.now, NodeKinds(), HELD_SECONDS, remembers_since=NOW)
        self.cache.lock.acquire()  # there is one thread only
        self.heard_at = NOW
        """When a watch or list last told of pods."""
        self.nodes: dict[str, Node] = {}
        self.departed: set[str] = set()
        self.pods: dict[str, Pod] = {}
        self.dead: set[str] = set()
        self.policies: dict[str, ResourcePolicy] = {}
        self.rejected: dict[str, RejectedPolicy] = {}
        self.reservations: dict[str, Reservation] = {}
        self.adrift: dict[str, tuple[Reservation, ResourcePolicy, AbstractSet[str], bool]] = {}
        """Slots that their policy let go of, its form then, their unit's nodes, and whether that shrank."""
        self.records: dict[str, str] = {}
        self.copied: dict[str, str] = {}
        self.asked: set[str] = set()
        """Uids that a call left something about."""
        self.seen: dict[str, tuple[ResourcePolicy, list[AbstractSet[str]]]] = {}
        """Each policy's form and the nodes of its units after the last step."""
        self.shrank: dict[tuple[str, int], float] = {}
        """When a unit of that form lost a node last."""

    # What the informers bring. A list is what is known but for one thing, and something new.

    @initialize(policy=st.sampled_from(FIRST), listed=st.lists(nodes, min_size=3))
    def begin(self, policy: ResourcePolicy, listed: list[Node]) -> None:
        self.tell_policy(policy)
        self.list_nodes("", listed)

    @rule(node=nodes)
    def tell_node(self, node: Node) -> None:
        self.cache.upsert_node(node)
        self.nodes[node.name] = node
        self.departed.discard(node.name)

    @rule(name=st.sampled_from(NODES))
    def node_is_gone(self, name: str) -> None:
        self.cache.remove_node(name)
        self._places_kept({name})
        if self.nodes.pop(name, None):
            self.departed.add(name)

    @rule(excluding=st.sampled_from(NODES), new=st.lists(nodes, max_size=2))
    def list_nodes(self, excluding: str, new: list[Node]) -> None:
        listed = [*(node for node in self.nodes.values() if node.name != excluding), *new]
        self.cache.replace_nodes(listed)
        self._places_kept(self.nodes.keys() - {node.name for node in listed})
        self.departed |= self.nodes.keys()
        self.nodes = {node.name: node for node in listed}
        self.departed -= self.nodes.keys()

    @rule(pod=pods)
    def tell_pod(self, pod: Pod) -> None:
        self.cache.upsert_pod(pod)
        self.heard_at = self.now
        self._pod_seen(pod)

    @rule(uid=uids, on=st.sampled_from([*NODES, "ghost"]))
    def tell_that_a_pod_is_bound(self, uid: str, on: str) -> None:
        known = self.reservations[uid].pod if uid in self.reservations else self.pods.get(uid)
        if known is not None:
            self.tell_pod(replace(known, node_name=on))

    @rule(pod=pods)
    def pod_is_gone(self, pod: Pod) -> None:
        self.cache.remove_pod(pod)
        self.heard_at = self.now
        self._pod_died(pod.uid)

    @rule(excluding=uids, new=st.lists(pods, max_size=2))
    def list_pods(self, excluding: str, new: list[Pod]) -> None:
        listed = [*(pod for pod in self.pods.values() if pod.uid != excluding), *new]
        self.cache.replace_pods(listed)
        self.heard_at = self.now
        for uid in self.pods.keys() - {pod.uid for pod in listed}:
            self._pod_died(uid)
        for pod in {pod.uid: pod for pod in listed}.values():
            self._pod_seen(pod)

    @rule(policy=written | rejected)
    def tell_policy(self, policy: ResourcePolicy | RejectedPolicy) -> None:
        self.cache.upsert_policy(policy)
        if self._policy_seen(policy):
            self._policies_changed(policy.key)

    @rule(key=st.sampled_from(KEYS))
    def policy_is_gone(self, key: str) -> None:
        self.cache.remove_policy(key)
        self._policy_gone(key)

    @rule(excluding=st.sampled_from(KEYS), new=st.lists(written | rejected, max_size=2))
    def list_policies(self, excluding: str, new: list[ResourcePolicy | RejectedPolicy]) -> None:
        known = [policy for policy in self.policies.values() if policy.key != excluding]
        kept = {policy.key: policy for policy in [*known, *new]}
        self.cache.replace_policies(kept.values())
        for key in (self.policies.keys() | self.rejected.keys()) - kept.keys():
            self._policy_gone(key)
        for key in [policy.key for policy in kept.values() if self._policy_seen(policy)]:
            self._policies_changed(key)

    # What calls leave behind.

    @rule(pod=waiting, unit=st.integers(0, 2))
    def ask(self, pod: Pod, unit: int) -> None:
        """The scheduler's pod may be older or newer than the one that the watch brought."""
        policy = governing(pod, self.policies.values())
        if policy is None:
            return
        try:
            group = group_of(pod.labels, policy)
        except MissingLabelError:
            return
        unit = min(unit, len(policy.units) - 1)
        self.cache.assume(pod, policy, unit, group)
        self.reservations.pop(pod.uid, None)
        self.adrift.pop(pod.uid, None)
        known = self.pods.get(pod.uid, pod)
        if pod.uid not in self.dead and not known.node_name and not known.finished:
            self.reservations[pod.uid] = Reservation(pod, policy.key, unit, group, self.now)

    @rule(pod=waiting)
    def remember(self, pod: Pod) -> None:
        attempt = SchedulingAttempt(pod, "default/policy", self.now, refused=True, retry_at=self.now)
        # Of a history a promise alone outlives every edit.
        self.cache.remember(attempt, PodHistory(nomination=Nomination(0, frozenset({"n-1"}), self.now)))
        known = self.pods.get(pod.uid)
        if pod.uid not in self.dead and not (known and known.node_name):
            self.asked.add(pod.uid)

    @rule(uid=uids)
    def forget(self, uid: str) -> None:
        self.cache.forget(uid)
        self.reservations.pop(uid, None)
        self.adrift.pop(uid, None)

    @rule(seconds=st.sampled_from([1.0, HELD_SECONDS / 2, HELD_SECONDS]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.cache.expire()
        recount = self._recount()
        lost = [uid for uid, (slot, *_) in self.adrift.items() if self.now - slot.made_at >= HELD_SECONDS]
        for uid in lost:
            del self.adrift[uid]
        for uid, held in list(self.reservations.items()):
            age = self.now - held.made_at
            if self.heard_at >= held.made_at + SEEN_AFTER and uid not in self.pods:
                del self.reservations[uid]
                continue
            nominated = self.pods.get(uid, held.pod).nominated_node
            if age < SEEN_AFTER or (nominated and may_get(held.pod, nominated, recount)):
                continue
            seen = self.heard_at >= held.made_at + SEEN_AFTER
            room = has_room(held.pod, self.policies[held.policy], held.unit, recount)
            if age >= HELD_SECONDS or (seen and not self._shrank(held) and not room):
                del self.reservations[uid]

    # What of it counts.

    def _pod_seen(self, pod: Pod) -> None:
        if pod.uid in self.dead:
            return
        if pod.node_name or pod.finished:
            self.asked.discard(pod.uid)
            slot, policy, nodes, _ = self.adrift.pop(pod.uid, (None, None, (), False))
            if slot and policy and pod.node_name in nodes:
                self.records[pod.uid] = record_of(policy, slot.unit)
                self.copied[pod.uid] = slot.pod.annotations.get(wellknown.UNIT, "")
            held = self.reservations.pop(pod.uid, None)
            if held and self._may_be_of(held, pod.node_name):
                self.records[pod.uid] = record_of(self.policies[held.policy], held.unit)
                self.copied[pod.uid] = held.pod.annotations.get(wellknown.UNIT, "")
        self.pods[pod.uid] = pod
        self._held_anew(pod.uid)

    def _may_be_of(self, held: Reservation, node: str) -> bool:
        """Whether the node is one of the slot's unit, or was, as it is gone."""
        there = self._recount().nodes_in(self.policies[held.policy], held.unit)
        return node in there or bool(node and node not in self.nodes)

    def _pod_died(self, uid: str) -> None:
        self.dead.add(uid)
        self.pods.pop(uid, None)
        self.reservations.pop(uid, None)
        self.adrift.pop(uid, None)
        self.records.pop(uid, None)
        self.copied.pop(uid, None)
        self.asked.discard(uid)

    def _places_kept(self, names: AbstractSet[str]) -> None:
        """Nodes go: a pod on one stays counted where it was."""
        recount = self._recount()
        for pod in self.pods.values():
            policy = governing(pod, self.policies.values())
            share = recount.share(policy, pod.uid) if policy and pod.node_name in names else None
            if policy and share and share.counted and pod.node_name in self.nodes:
                self.records.setdefault(pod.uid, record_of(policy, share.unit))

    def _policy_seen(self, policy: ResourcePolicy | RejectedPolicy) -> bool:
        """Whether another form is in force."""
        if isinstance(policy, RejectedPolicy):
            self.rejected[policy.key] = policy
            return False
        self.rejected.pop(policy.key, None)
        before = self.policies.get(policy.key)
        self.policies[policy.key] = policy
        if before is not None and before != policy:
            self._carry_over(before, policy)
            self._units_carried_over(before, policy)
        return before != policy

    def _carry_over(self, before: ResourcePolicy, policy: ResourcePolicy) -> None:
        for uid, held in list(self.reservations.items()):
            if held.policy != policy.key:
                continue
            unit = recorded_unit(record_of(before, held.unit), policy)
            try:
                group = group_of(held.pod.labels, policy)
            except MissingLabelError:
                del self.reservations[uid]
                continue
            place = min(held.unit, len(policy.units) - 1) if unit is None else unit
            self.reservations[uid] = replace(held, unit=place, group=group)

    def _units_carried_over(self, before: ResourcePolicy, policy: ResourcePolicy) -> None:
        """A unit is the same by its record; of one that is new it is not known what it lost."""
        lost = {unit: self.shrank.pop((policy.key, unit), -math.inf) for unit in range(len(before.units))}
        for unit, written in enumerate(policy.units):
            same = [
                lost[i] for i, other in enumerate(before.units) if other.fingerprint == written.fingerprint
            ]
            self.shrank[policy.key, unit] = max(same, default=self.now)
        self.seen[policy.key] = policy, self._members(policy)

    def _shrank(self, held: Reservation) -> bool:
        return self.shrank.get((held.policy, held.unit), -math.inf) >= held.made_at

    def _members(self, policy: ResourcePolicy) -> list[AbstractSet[str]]:
        return [self._recount().nodes_in(policy, unit) for unit in range(len(policy.units))]

    def _policy_gone(self, key: str) -> None:
        self.rejected.pop(key, None)
        if key not in self.policies:
            return
        for uid, held in list(self.reservations.items()):
            if held.policy == key:
                self._orphan(uid)
        del self.policies[key]
        self._policies_changed(key)

    def _policies_changed(self, key: str) -> None:
        """A pod of the namespace may be another's now, and so may the slot that is held for it."""
        slots = [*self.reservations.values(), *(slot for slot, *_ in self.adrift.values())]
        for slot in slots:
            if slot.pod.namespace == key.partition("/")[0]:
                self._held_anew(slot.pod.uid)

    def _held_anew(self, uid: str) -> None:
        held = self.reservations.get(uid)
        if held is not None:
            policy = governing(held.pod, self.policies.values())
            if policy is not None and policy.key == held.policy:
                return
            self._orphan(uid)
        if uid in self.adrift:
            self._taken_in(*self.adrift[uid])

    def _orphan(self, uid: str) -> None:
        held = self.reservations.pop(uid)
        policy = self.policies[held.policy]
        nodes = self._recount().nodes_in(policy, held.unit)
        self.adrift[uid] = held, policy, nodes, self._shrank(held)

    def _taken_in(
        self,
        slot: Reservation,
        former: ResourcePolicy,
        nodes: AbstractSet[str],
        shrank: bool,  # noqa: FBT001  as it is kept
    ) -> None:
        """By the policy that governs the pod now, in the unit that it means or may be on its way to."""
        policy = governing(slot.pod, self.policies.values())
        if policy is None:
            return
        unit = recorded_unit(record_of(former, slot.unit), policy)
        members = self._members(policy)
        shared = [index for index, names in enumerate(members) if names & nodes]
        place = unit if unit is not None else next(iter(shared), None)
        try:
            group = group_of(slot.pod.labels, policy)
        except MissingLabelError:
            return
        if place is not None:
            del self.adrift[slot.pod.uid]
            self.reservations[slot.pod.uid] = replace(slot, policy=policy.key, unit=place, group=group)
            if shrank or nodes - members[place]:
                self.shrank[policy.key, place] = self.now

    def _recount(self) -> Snapshot:
        """The remembered record stands in for the annotation that will be written (L3).

        Also for one that the pod carried before it was placed, a copy of another pod's.
        """
        recorded = {
            uid: replace(pod, annotations={**pod.annotations, wellknown.UNIT: self.records[uid]})
            if uid in self.records and pod.annotations.get(wellknown.UNIT, "") == self.copied.get(uid, "")
            else pod
            for uid, pod in self.pods.items()
        }
        return Snapshot(
            nodes=self.nodes,
            pods=recorded,
            policies=list(self.policies.values()),
            reservations=self.reservations,
            remembers_since=NOW,
            departed=self.departed,
        )

    @invariant()
    def note_what_units_lost(self) -> None:
        now = {key: (policy, self._members(policy)) for key, policy in self.policies.items()}
        for key, (_, members) in self.seen.items():
            for unit, names in enumerate(members):
                if key not in now:
                    self.shrank.pop((key, unit), None)
                elif names - now[key][1][unit]:
                    self.shrank[key, unit] = self.now
        self.seen = now

    # The promise.

    @invariant()
    def the_indexes_equal_a_recount(self) -> None:
        recount = self._recount()
        for policy in self.policies.values():
            assert self.cache.first_units(policy) == recount.first_units(policy)
            for unit in range(len(policy.units)):
                assert self.cache.nodes_in(policy, unit) == recount.nodes_in(policy, unit)
                assert self.cache.terminating(policy, unit) == recount.terminating(policy, unit)
                for group, excluding in product(GROUPS, ["", *UIDS]):
                    counted = recount.usage(policy, unit, group, excluding)
                    assert plain(self.cache.usage(policy, unit, group, excluding)) == plain(counted)
            for uid in UIDS:
                assert self.cache.share(policy, uid) == recount.share(policy, uid)

    @invariant()
    def what_is_listed_is_what_was_told(self) -> None:
        recount = self._recount()
        assert self.cache.nodes == self.nodes
        assert {pod.uid: pod for pod in self.cache.pods()} == self.pods
        assert {policy.key: policy for policy in self.cache.policies} == self.policies
        assert {it.key: it for it in self.cache.policies.rejected()} == self.rejected
        assert {*self.cache.unknown([*NODES, "ghost"])} == {*recount.unknown([*NODES, "ghost"])}
        for name in [*NODES, "ghost"]:
            on = {pod.uid for pod in self.cache.pods_on(name)}
            assert on == {pod.uid for pod in recount.pods_on(name)}

    @invariant()
    def held_slots_are_those_that_calls_left(self) -> None:
        assert self.cache.reservations() == self.reservations

    @invariant()
    def the_oldest_policy_governs(self) -> None:
        for pod in self.pods.values():
            assert self.cache.policies.governing(pod) == governing(pod, self.policies.values())

    @invariant()
    def nothing_is_remembered_of_the_bound_and_the_dead(self) -> None:
        assert {attempt.pod.uid for attempt in self.cache.attempts} == self.asked
        for uid in UIDS:
            assert (self.cache.history(uid) != NO_HISTORY) == (uid in self.asked)


def plain(usage: Usage) -> tuple[int, Mapping[str, int]]:
    """Without the zeros of what has left."""
    return usage.pods, {name: amount for name, amount in usage.requests.items() if amount}


TestEventsAndCalls = EventsAndCalls.TestCase
TestEventsAndCalls.settings = settings(
    parent=settings(), max_examples=max(120, settings().max_examples // 2), stateful_step_count=40
)
