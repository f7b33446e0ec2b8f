"""The filter verb: the nodes of the one unit that a pod may use now, or why there is none (E1, E3, O1)."""

import math
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from policy.api.objects import Pod
from policy.api.options import OutsideUnits
from policy.api.resourcepolicy import PreemptPolicy, ResourcePolicy, Strategy
from policy.scheduling.accounting import Group, MissingLabelError, Usage, group_of
from policy.scheduling.pod_history import Nomination
from policy.scheduling.preempt import may_help
from policy.scheduling.refusals import Reason, Refusal
from policy.scheduling.snapshot import ClusterView, leaving_until
from policy.scheduling.unit_selection import UnitQuery, UnitSelection, limit_reached, select_unit

__all__ = ["FilterDecision", "NodeRefusals", "confirm", "decide", "refuse"]


@dataclass(frozen=True, slots=True)
class NodeRefusals:
    """Why not, for every node that was asked about: by its unit, as a node then costs one look-up."""

    nodes: Sequence[str]
    units: Sequence[int | None]
    """Of each node, the first unit that has it; None if none has."""
    reasons: Mapping[int | None, Refusal]
    """By those units, in their order. Never empty: a call without nodes gets the outside-units reason."""

    @property
    def first(self) -> Refusal:
        """The reason of the first unit."""
        return next(iter(self.reasons.values()))


@dataclass(frozen=True, slots=True)
class FilterDecision:
    """The answer of one filter call."""

    nodes: Sequence[str] = ()
    """The nodes to keep, in the order in which they were asked about; empty on a refusal."""
    unit: int | None = None
    """Their unit; None on a refusal, and for nodes outside every unit (U6)."""
    group: Group = ()
    refused: NodeRefusals | None = None
    """None if a node is kept."""
    waits: Refusal | None = None
    """On a refusal: what the pod waits for, if it waits."""
    retry_at: float = math.inf
    """When asking again may give another answer without any event."""
    waits_since: float = math.inf
    """When the wait began that ends at `retry_at`."""
    withheld_unit: int | None = None
    """The unit that the pod would be sent to if it did not wait for preemption in an earlier one (P1)."""
    unknown: Collection[str] = ()
    """Names that are no node yet. While there are any, this decision must not be answered (E11)."""
    selection: UnitSelection | None = field(default=None, compare=False)
    """How it came about; None if it was decided before the first unit was looked at."""
    usages: Mapping[int, Usage] = field(default_factory=dict, compare=False)
    """What the pod's group used of the units on the way, to be read at once: its requests go on changing."""


def refuse(candidates: Sequence[str], refusal: Refusal) -> FilterDecision:
    """The same "no" for every node."""
    refused = NodeRefusals(candidates, [None] * len(candidates), {None: refusal})
    return FilterDecision(refused=refused, waits=refusal)


def confirm(
    candidates: Sequence[str], policy: ResourcePolicy, seen: FilterDecision, pessimistic: FilterDecision
) -> FilterDecision:
    """The decision, if it is the same with bindings in flight counted; else the pod waits (C7)."""
    if seen.unit == pessimistic.unit:
        return seen
    unit = seen.unit if seen.unit is not None else pessimistic.unit
    return refuse(candidates, Refusal(Reason.WAITING_FOR_BINDINGS, policy, unit or 0))


def decide(
    pod: Pod,
    candidates: Sequence[str],
    policy: ResourcePolicy,
    view: ClusterView,
    now: float,
    outside_units: OutsideUnits = OutsideUnits.NEVER,
) -> FilterDecision:
    """Decide for a pod that `policy` governs."""
    try:
        cycle = _FilterCycle(pod, candidates, policy, view, now, group_of(pod.labels, policy))
    except MissingLabelError as missing:
        return refuse(candidates, Refusal(Reason.LABEL_MISSING, policy, named=missing.key))
    earlier = cycle.earlier_than_nominated()
    if earlier is not None:
        return refuse(candidates, Refusal(Reason.EARLIER_UNIT_FIRST, policy, earlier))
    outcome = select_unit(policy, cycle.query())
    if outcome.unit is not None:
        nodes = _leaving_last(cycle.rooms[outcome.unit], view.leaving)
        # A name not known yet may lie in a unit that was passed for lack of room (E11).
        unknown = view.unknown(candidates) if outcome.lacked_room else ()
        return FilterDecision(
            nodes, outcome.unit, cycle.group, unknown=unknown, selection=outcome, usages=cycle.usages
        )
    units = cycle.first_units()
    present = set(units)
    outside = _outside(candidates, units) if None in present else ()
    unknown = view.unknown(outside)
    prefers = policy.strategy is Strategy.PREFER and outside_units is OutsideUnits.LAST
    overflows = prefers and outcome.waits is None
    nodes = [name for name in outside if overflows and name in view.nodes]
    if nodes:
        return FilterDecision(
            nodes, group=cycle.group, unknown=unknown, selection=outcome, usages=cycle.usages
        )
    return FilterDecision(
        group=cycle.group,
        refused=NodeRefusals(candidates, units, _reasons(policy, outcome, present)),
        waits=outcome.waits,
        retry_at=outcome.retry_at,
        waits_since=outcome.retry_at - policy.when_try_next_units.timeout,
        withheld_unit=cycle.withheld_unit(outcome.waits),
        unknown=unknown,
        selection=outcome,
        usages=cycle.usages,
    )


@dataclass(frozen=True, slots=True)
class _FilterCycle:
    """One pod's question, and the nodes found for it by unit."""

    pod: Pod
    candidates: Sequence[str]
    policy: ResourcePolicy
    view: ClusterView
    now: float
    group: Group
    rooms: dict[int, list[str]] = field(default_factory=dict)
    usages: dict[int, Usage] = field(default_factory=dict)

    def query(self) -> UnitQuery:
        view, policy = self.view, self.policy
        return UnitQuery(
            closed=self.closed,
            has_room=self.has_room,
            leaving_until=lambda index: leaving_until(view, policy, index),
            preempting=self.preempting,
            refused_since=view.history(self.pod.uid).refused_since,
            unscheduled_since=view.unscheduled_since(self.pod),
            now=self.now,
        )

    def closed(self, index: int) -> Refusal | None:
        usage = self.usages[index] = self.view.usage(self.policy, index, self.group, excluding=self.pod.uid)
        return limit_reached(self.policy, index, usage, self.pod.requests)

    def has_room(self, index: int) -> bool:
        members = self.view.nodes_in(self.policy, index)
        # Every name of every call comes by here, and a comprehension takes longer.
        self.rooms[index] = list(filter(members.__contains__, self.candidates))
        return bool(self.rooms[index])

    def preempting(self, index: int) -> bool:
        """P1: once per unit the pod is kept from the next one, so that the scheduler may preempt in this."""
        if self.policy.preempt_policy is not PreemptPolicy.BEFORE_NEXT_UNIT:
            return False
        nomination = self.nomination()
        if nomination is not None and nomination.unit is not None:
            return nomination.unit == index
        nominated = self.nominated_unit()
        if nominated is not None:
            # Nobody has to leave the node any more once the pod fits there: an edit may have closed the unit.
            return nominated == index and self.pod.nominated_node not in self.candidates
        if index in self.view.history(self.pod.uid).preempted_in_vain:
            return False
        return may_help(self.pod, self.policy, index, self.view)

    def withheld_unit(self, waits: Refusal | None) -> int | None:
        if waits is None or waits.reason is not Reason.WAITING_FOR_PREEMPTION:
            return None
        return select_unit(self.policy, replace(self.query(), preempting=lambda _: False)).unit

    def nomination(self) -> Nomination | None:
        nomination = self.view.history(self.pod.uid).nomination
        is_live = nomination is not None and nomination.is_live(self.pod.nominated_node, self.now)
        return nomination if is_live else None

    def nominated_unit(self) -> int | None:
        """The unit in which victims leave for the pod, as the API tells it: after a restart, or an edit."""
        units = range(len(self.policy.units))
        named = self.pod.nominated_node
        return next((i for i in units if named in self.view.nodes_in(self.policy, i)), None)

    def earlier_than_nominated(self) -> int | None:
        """A unit that may have room, if the scheduler shows only a nominated node of a later one (O1).

        The scheduler shows the full list next, in the same cycle; the same single node twice is the full
        list.
        """
        nominated = self.pod.nominated_node
        alone = len(self.candidates) == 1 and self.candidates[0] == nominated
        if not alone or self.view.history(self.pod.uid).nomination_refused:
            return None
        nomination = self.nomination()
        if nomination is not None and nominated in nomination.nodes:
            return None
        for index in range(len(self.policy.units)):
            members = self.view.nodes_in(self.policy, index)
            if nominated in members:
                return None
            if members and self.closed(index) is None:
                return index
        return None

    def first_units(self) -> list[int | None]:
        """Of each candidate, the first unit that has it."""
        return list(map(self.view.first_units(self.policy).get, self.candidates))


def _outside(candidates: Sequence[str], units: Sequence[int | None]) -> list[str]:
    return [name for name, unit in zip(candidates, units, strict=True) if unit is None]


def _reasons(
    policy: ResourcePolicy, outcome: UnitSelection, present: AbstractSet[int | None]
) -> dict[int | None, Refusal]:
    """For the nodes of each unit its cap, else what the pod waits for, else that they are in no unit."""
    nowhere = outcome.waits or Refusal(Reason.OUTSIDE_UNITS, policy)
    reasons: dict[int | None, Refusal] = {
        index: outcome.full.get(index, nowhere) for index in range(len(policy.units)) if index in present
    }
    return reasons if reasons and None not in present else reasons | {None: nowhere}


def _leaving_last(names: list[str], leaving: AbstractSet[str]) -> list[str]:
    """U7: nodes that the autoscaler is about to remove only if the unit has no other."""
    if not leaving or leaving.isdisjoint(names):
        return names
    return [name for name in names if name not in leaving] or names
