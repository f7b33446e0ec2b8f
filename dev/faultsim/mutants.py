"""Planted bugs: each is the real code with one thing wrong, and some seed must show it.

What no seed shows, the simulator does not watch over.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from cluster.cache.cache import Cache
from cluster.cache.policy_index import PolicyIndex
from dev.faultsim.extender_process import Build
from extender.cache_staleness import CacheStaleness
from extender.readiness import Readiness
from extender.requeue import Requeue
from extender.service import Extender, PreemptResult
from policy.api.objects import Node, Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.accounting import Group, PodUsage, Usage
from policy.scheduling.cycle import CycleResult
from policy.scheduling.preempt import PreemptDecision
from policy.scheduling.reservation_expiry import SEEN_AFTER

__all__ = ["MUTANTS"]


class _NoReservation(Cache):
    def assume(self, pod: Pod, policy: ResourcePolicy, unit: int, group: Group) -> None:
        pass


class _DroppedAtNextEvent(Cache):
    def upsert_pod(self, pod: Pod) -> None:
        self.forget(pod.uid)
        super().upsert_pod(pod)


class _NeverReleased(Cache):
    def forget(self, uid: str) -> None:
        pass

    def expire(self) -> None:
        pass


class _CountedTwice(Cache):
    def usage(self, policy: ResourcePolicy, unit: int, group: Group, excluding: str = "") -> Usage:
        usage = super().usage(policy, unit, group, excluding)
        shares = [self.share(policy, uid) for uid in self.placement_records]
        again = sum(1 for share in shares if share and (share.unit, share.group) == (unit, group))
        return Usage(usage.pods + again, usage.requests)


class _DeadGetSlots(Cache):
    def assume(self, pod: Pod, policy: ResourcePolicy, unit: int, group: Group) -> None:
        self._deleted_pods.pop(pod.uid, None)
        super().assume(pod, policy, unit, group)


class _RelistIgnored(Cache):
    def replace_pods(self, pods: Iterable[Pod]) -> None:
        for pod in pods:
            self.upsert_pod(pod)


class _FirstLabelsKept(Cache):
    def upsert_node(self, node: Node) -> None:
        if node.name not in self.nodes:
            super().upsert_node(node)


class _SlotsLostAtEdit(Cache):
    def _carry_over(self, before: PolicyIndex, index: PolicyIndex) -> None:
        super()._carry_over(before, index)
        for uid in [uid for uid, kept in self._reservations.items() if kept.policy == index.policy.key]:
            self.forget(uid)


class _SlotsGoWithTheirPolicy(Cache):
    def _orphan(self, uid: str) -> None:
        del self._reservations[uid]


class _ForgetsLostNodes(Cache):
    def remove_node(self, name: str) -> None:
        before = set(self.placement_records)
        super().remove_node(name)
        for uid in set(self.placement_records) - before:
            self.placement_records.drop(uid)


class _SlotsKeepTheirIndex(Cache):
    def _carry_over(self, before: PolicyIndex, index: PolicyIndex) -> None:
        pass


class _EditForgetsLostNodes(Cache):
    def _carry_over(self, before: PolicyIndex, index: PolicyIndex) -> None:
        super()._carry_over(before, index)
        index.succeed(PolicyIndex(index.policy, self._kinds, self._clock))


class _PromisesOutliveEdits(Cache):
    def _carry_over(self, before: PolicyIndex, index: PolicyIndex) -> None:
        made = {uid: self.history(uid).nomination for uid in self._reservations}
        super()._carry_over(before, index)
        for uid, nomination in made.items():
            attempt = self.attempts.get(uid)
            if nomination is not None and attempt is not None:
                self.attempts.keep(attempt, replace(self.history(uid), nomination=nomination))


class _NominationsHoldNothing(Cache):
    def expire(self) -> None:
        super().expire()
        old = self._clock() - SEEN_AFTER
        for uid, slot in list(self._reservations.items()):
            if slot.made_at <= old and self._pods.get(uid, slot.pod).nominated_node:
                self.forget(uid)


class _VictimsKeepTheirSlots(Cache):
    def share(self, policy: ResourcePolicy, uid: str) -> PodUsage | None:
        share = super().share(policy, uid)
        return replace(share, counted=False) if share else None


class _EditIgnored(Cache):
    def _record_change(self, key: str) -> None:
        pass


class _AnswersAtOnce(Readiness):
    def not_ready_reason(self) -> str:
        return ""


class _NeverPokes(Requeue):
    def round(self) -> None:
        pass


class _SkipsWhenFirstIsFull(Extender):
    def _cycle(self, pod: Pod, candidates: Sequence[str], policy: ResourcePolicy, now: float) -> CycleResult:
        result = super()._cycle(pod, candidates, policy, now)
        last = len(policy.units) - 1
        nodes = [name for name in candidates if name in self._cache.nodes_in(policy, last)]
        if result.decision.unit == 1 and last > 1 and nodes:
            return replace(result, decision=replace(result.decision, unit=last, nodes=nodes))
        return result


class _RefusalsTakeNominations(Extender):
    def _apply(self, pod: Pod, policy: ResourcePolicy, result: CycleResult, now: float) -> None:
        super()._apply(pod, policy, result, now)
        nomination = self._cache.history(pod.uid).nomination
        if result.decision.refused and not (nomination and nomination.is_live(pod.nominated_node, now)):
            self._cache.forget(pod.uid)


class _BreaksBudgets(Extender):
    def preempt(
        self, pod: Pod, victims: Mapping[str, Sequence[str]], protected: Collection[str] = ()
    ) -> PreemptResult | None:
        del protected
        return super().preempt(pod, victims)


class _PreemptsWithoutSlot(Extender):
    def preempt(
        self, pod: Pod, victims: Mapping[str, Sequence[str]], protected: Collection[str] = ()
    ) -> PreemptResult | None:
        preempted = super().preempt(pod, victims, protected)
        with self._cache.lock:
            self._cache.forget(pod.uid)
        return preempted


class _PreemptsBeyondCaps(Extender):
    def preempt(
        self, pod: Pod, victims: Mapping[str, Sequence[str]], protected: Collection[str] = ()
    ) -> PreemptResult | None:
        preempted = super().preempt(pod, victims, protected)
        if preempted is None or preempted.decision.nodes:
            return preempted
        return replace(preempted, decision=PreemptDecision(0, (), tuple(victims)))


class _NeverTooOld(CacheStaleness):
    def oldest(self) -> float:
        return 0.0


MUTANTS: Mapping[str, Build] = MappingProxyType(
    {
        "no slot is held": Build(cache=_NoReservation),
        "a slot is dropped at the pod's next event": Build(cache=_DroppedAtNextEvent),
        "a slot is never given back": Build(cache=_NeverReleased),
        "a pod is counted twice once bound": Build(cache=_CountedTwice),
        "a dead pod gets a slot": Build(cache=_DeadGetSlots),
        "a new list removes nothing": Build(cache=_RelistIgnored),
        "a node keeps its first labels": Build(cache=_FirstLabelsKept),
        "an edit drops the slots": Build(cache=_SlotsLostAtEdit),
        "an edit moves units away from their slots": Build(cache=_SlotsKeepTheirIndex),
        "an edit forgets which nodes were lost": Build(cache=_EditForgetsLostNodes),
        "a deleted policy takes its slots along": Build(cache=_SlotsGoWithTheirPolicy),
        "pods of a lost node are not counted": Build(cache=_ForgetsLostNodes),
        "changes wake nobody": Build(cache=_EditIgnored),
        "it answers before it has synced": Build(readiness=_AnswersAtOnce),
        "it answers before old bindings are seen": Build(handover_grace_seconds=0.0),
        "refused pods are never requeued": Build(requeue=_NeverPokes),
        "the order is lost when unit 0 is full": Build(extender=_SkipsWhenFirstIsFull),
        "preemption holds no slot": Build(extender=_PreemptsWithoutSlot),
        "a nomination does not keep its slot": Build(cache=_NominationsHoldNothing),
        "a promise outlives an edit": Build(cache=_PromisesOutliveEdits),
        "a refusal after a restart ends a nomination": Build(extender=_RefusalsTakeNominations),
        "victims keep their slots": Build(cache=_VictimsKeepTheirSlots),
        "preemption heeds no budget": Build(extender=_BreaksBudgets),
        "preemption goes beyond caps": Build(extender=_PreemptsBeyondCaps),
        "no view is too old": Build(freshness=_NeverTooOld),
    }
)
