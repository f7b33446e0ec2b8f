"""What holds of preemption: victims go where that helps, and only there, and what was promised is kept.

Rules P2, P3, E7. What helps is found another way than policy.preempt finds it: filter is asked, on a view
without the victims.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from cluster.cache.cache import Cache
from dev.faultsim.apiserver_model import ApiServer
from dev.faultsim.extender_client import Answer
from dev.faultsim.snapshot import own_view
from dev.faultsim.violation import Invariant, Violation
from policy.api.objects import Pod
from policy.api.resourcepolicy import PreemptPolicy, ResourcePolicy
from policy.scheduling.filter import decide
from policy.scheduling.refusals import Reason

__all__ = ["Promises"]

Victims = Mapping[str, Sequence[str]]
_FOR_OTHERS = frozenset(
    {
        Reason.WAITING_FOR_ROOM,
        Reason.WAITING_FOR_TIMEOUT,
        Reason.WAITING_FOR_TERMINATING,
        Reason.WAITING_FOR_BINDINGS,
    }
)
"""Why a pod may have to wait for others though it has its slot."""


@dataclass(frozen=True, slots=True)
class _Promise:
    """Under which form of the policy it holds, the nodes that were answered, and the victims on each."""

    policy: ResourcePolicy
    victims: Victims
    sure: bool
    """The server had seen everything."""
    inherited: bool = False
    """Another server made it: the nomination alone tells."""


class Promises:
    """Kept beside one run."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api
        self._made: dict[str, _Promise] = {}

    def drop(self, uid: str) -> None:
        """The pod was sent somewhere."""
        self._made.pop(uid, None)

    def clear(self) -> None:
        """The policy was deleted."""
        self._made.clear()

    def edited(self, policy: ResourcePolicy) -> None:
        """What was promised under other caps is not any more."""
        kept = {uid: made for uid, made in self._made.items() if _caps(made.policy) == _caps(policy)}
        self._made = {uid: replace(made, policy=policy) for uid, made in kept.items()}

    def inherit(self) -> None:
        """Another server answers from now on."""
        made = {uid: made for uid, made in self._made.items() if self._nominated(uid) in made.victims}
        self._made = {uid: replace(each, inherited=True) for uid, each in made.items()}

    def answered(
        self, pod: Pod, victims: Victims, answer: Answer, cache: Cache, now: float, *, sure: bool
    ) -> None:
        """Compare an answer to preempt with what filter would say once the victims are gone."""
        policy = cache.policies.governing(pod)
        if answer.error or policy is None or cache.is_deleted(pod.uid):
            return  # of a pod that is gone nothing is asked but that nobody dies for it
        if answer.nodes:
            kept = {name: victims[name] for name in answer.nodes}
            self._made[pod.uid] = _Promise(policy, kept, sure)
        for node, gone in victims.items():
            takes = _takes(pod, node, gone, policy, cache, now)
            if takes is None:
                continue
            if node in answer.nodes and not takes:
                raise Violation(Invariant.IN_VAIN, now, f"{pod.name} on {node}, for {', '.join(gone)}")
            # There may be room: the pod is kept from it while an earlier unit has its chance (P1).
            if takes and not answer.nodes and Reason.WAITING_FOR_PREEMPTION not in answer.reasons:
                raise Violation(Invariant.WITHHELD, now, f"{pod.name} on {node}, for {', '.join(gone)}")

    def spared(
        self,
        pod: Pod,
        victims: Victims,
        protected: Collection[str],
        answer: Answer,
        cache: Cache,
        now: float,
    ) -> None:
        """A budget is broken only where filter would take no other node, or this unit comes first (P1)."""
        policy = cache.policies.governing(pod)
        first = policy and policy.preempt_policy is PreemptPolicy.BEFORE_NEXT_UNIT
        if policy is None or first or not answer.nodes or not set(answer.nodes) <= set(protected):
            return
        for node in victims.keys() - set(protected):
            if _takes(pod, node, victims[node], policy, cache, now):
                raise Violation(Invariant.NEEDLESS, now, f"{pod.name} on {answer.nodes}, not {node}")

    def asked(self, pod: Pod, candidates: Sequence[str], answer: Answer, cache: Cache, now: float) -> None:
        """The nominated node alone was asked about, by a server that has seen everything.

        Earlier units may have changed, so that it has to wait for them by the rules; its slot must be there.
        """
        made, policy, node = self._made.get(pod.uid), cache.policies.governing(pod), self._nominated(pod.uid)
        if not (made and made.sure and policy) or answer.nodes or answer.error:
            return
        if made.policy != policy or list(candidates) != [node] or self._leaving(made, node):
            return
        may_wait = _FOR_OTHERS | {Reason.EARLIER_UNIT_FIRST} if made.inherited else _FOR_OTHERS
        if not answer.reasons <= may_wait:
            raise Violation(Invariant.PROMISE, now, f"{pod.name} on {node}: {answer.refusal}")

    def _nominated(self, uid: str) -> str:
        pod = self._api.pods.get(uid)
        return pod.nominated_node if pod else ""

    def _leaving(self, made: _Promise, node: str) -> bool:
        """Whether its victims are there yet, or those of another pod, which count beside that pod's slot."""
        others = (other.victims.values() for other in self._made.values() if other is not made)
        uids = [*made.victims.get(node, ()), *chain(*chain(*others))]
        return node not in made.victims or any(uid in self._api.pods for uid in uids)


def _takes(
    pod: Pod, node: str, victims: Sequence[str], policy: ResourcePolicy, cache: Cache, now: float
) -> bool | None:
    """Whether filter would take the node without the victims; None if that cannot be told."""
    view = own_view(cache, pod.uid, without=victims)
    if view is None:
        return None
    nominated = replace(pod, nominated_node=node)
    return list(decide(nominated, [node], policy, view, now).nodes) == [node]


def _caps(policy: ResourcePolicy) -> Mapping[str, tuple[object, ...]]:
    return {unit.fingerprint: (unit.max, unit.max_resources) for unit in policy.units}
