"""The preempt verb: the candidates of one unit, and when preemption comes before overflow (P1 to P3)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from policy.api.objects import Pod
from policy.api.resourcepolicy import PreemptPolicy, ResourcePolicy
from policy.scheduling.accounting import Group, MissingLabelError, Usage, group_of, total
from policy.scheduling.node_fit import admits, has_free
from policy.scheduling.refusals import Refusal
from policy.scheduling.snapshot import ClusterView, leaving_until
from policy.scheduling.unit_selection import UnitQuery, UnitSelection, limit_reached, select_unit

__all__ = ["PreemptDecision", "confirm", "decide", "may_help"]


@dataclass(frozen=True, slots=True)
class PreemptDecision:
    """The nodes on which preemption may go on, all of one unit; no nodes: no preemption."""

    unit: int | None = None
    group: Group = ()
    nodes: Sequence[str] = ()
    selection: UnitSelection | None = field(default=None, compare=False)
    """How it came about; None if no unit was looked at."""


def confirm(seen: PreemptDecision, pessimistic: PreemptDecision) -> PreemptDecision | None:
    """What helps with and without the bindings in flight; None if the unit depends on them (C7).

    On a node that helps only without them filter would refuse the pod for as long (P2); and its
    nomination keeps out the very pods whose next attempt would tell.
    """
    nodes = [node for node in seen.nodes if node in pessimistic.nodes]
    hangs = seen.unit != pessimistic.unit or bool(seen.nodes) != bool(nodes)
    return None if hangs else replace(seen, nodes=nodes)


def decide(
    pod: Pod,
    candidates: Mapping[str, Collection[str]],
    policy: ResourcePolicy,
    view: ClusterView,
    now: float,
    protected: Collection[str] = (),
) -> PreemptDecision:
    """The candidates of the first unit in order that preemption helps (P2).

    `candidates` maps node names to the uids of their victims. The walk is that of filter, with "the victims
    of a node are gone" in place of "a node has room", so that filter takes the node when they are. Where
    there is room, from which filter keeps the pod until earlier units had their chance, nobody leaves (P1).

    `protected` names the nodes with a victim that a PodDisruptionBudget would keep. Such a pod leaves only if
    no unit helps without that; BeforeNextUnit wants this unit, not the next, and leaves the choice in it.
    """
    try:
        group = group_of(pod.labels, policy)
    except MissingLabelError:
        return PreemptDecision()
    if protected and policy.preempt_policy is PreemptPolicy.AFTER_ALL_UNITS:
        free = {node: victims for node, victims in candidates.items() if node not in protected}
        choice = _choose(_PreemptCycle(pod, free, policy, view, group), now)
        if choice.unit is not None:
            return choice
    return _choose(_PreemptCycle(pod, candidates, policy, view, group), now)


def _choose(cycle: "_PreemptCycle", now: float) -> PreemptDecision:
    outcome = select_unit(cycle.policy, cycle.query(now))
    unit = outcome.unit
    return PreemptDecision(unit, cycle.group, () if unit is None else cycle.helped[unit], outcome)


@dataclass(frozen=True, slots=True)
class _PreemptCycle:
    """One preemptor's question, and the candidates that help by unit."""

    pod: Pod
    candidates: Mapping[str, Collection[str]]
    policy: ResourcePolicy
    view: ClusterView
    group: Group
    helped: dict[int, list[str]] = field(default_factory=dict)

    def query(self, now: float) -> UnitQuery:
        view, policy = self.view, self.policy
        history = view.history(self.pod.uid)
        return UnitQuery(
            closed=self.closed,
            has_room=lambda index: bool(self.helped[index]),
            leaving_until=lambda index: leaving_until(view, policy, index),
            preempting=lambda index: index + 1 == history.withheld_unit,
            refused_since=history.refused_since,
            unscheduled_since=view.unscheduled_since(self.pod),
            now=now,
        )

    def closed(self, index: int) -> Refusal | None:
        members = self.view.nodes_in(self.policy, index)
        self.helped[index] = [
            node
            for node, victims in self.candidates.items()
            if victims and node in members and self._helps(index, victims)
        ]
        return None if self.helped[index] else self._limit(index, Usage())

    def _helps(self, index: int, victims: Collection[str]) -> bool:
        """P3: the victims' slots are free again. P2: none of them may reopen an earlier unit to wait in."""
        shares = [share for uid in victims if (share := self.view.share(self.policy, uid))]
        if any(share.unit < index for share in shares):
            return False
        freed = total(
            share.requests
            for share in shares
            if share.counted and (share.unit, share.group) == (index, self.group)
        )
        return self._limit(index, freed) is None

    def _limit(self, index: int, freed: Usage) -> Refusal | None:
        usage = self.view.usage(self.policy, index, self.group, excluding=self.pod.uid)
        return limit_reached(self.policy, index, usage.without(freed), self.pod.requests)


def may_help(pod: Pod, policy: ResourcePolicy, unit: int, view: ClusterView) -> bool:
    """Whether a node of the unit would have room if every pod of lower priority left it (P1)."""
    if not pod.preempts:
        return False
    return any(_room_after_preemption(pod, name, view) for name in view.nodes_in(policy, unit))


def _room_after_preemption(pod: Pod, name: str, view: ClusterView) -> bool:
    node = view.nodes[name]
    staying, leaving = [], 0
    for other in view.pods_on(name):
        if other.priority >= pod.priority:
            staying.append(other)
        else:
            leaving += 1
    return bool(leaving) and admits(node, pod) and has_free(node, staying, pod)
