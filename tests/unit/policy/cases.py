"""One filter call on a small cluster, as the rows of the decision tables write it.

Two nodes in the pool `dc`, one in `cloud`, one in no pool. `room` names the nodes that the scheduler sends:
those on which the pod fits.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from policy.api.objects import Node, Pod
from policy.api.options import NodeKinds, OutsideUnits
from policy.api.resourcepolicy import NextUnits, ResourcePolicy
from policy.scheduling.filter import FilterDecision, decide
from policy.scheduling.pod_history import NO_HISTORY, PodHistory
from policy.scheduling.refusals import Reason
from policy.scheduling.snapshot import Reservation, Snapshot
from tests.builders import NOW, a_node, a_pod, a_policy, a_snapshot, a_unit

__all__ = [
    "CAPPED",
    "CLOUD",
    "DC_2",
    "DC_ONLY",
    "GPU",
    "NODES",
    "NO_ROOM_IN_DC",
    "ONE",
    "THREE",
    "TWO",
    "WANTS_2",
    "Ask",
    "Outcome",
    "gpus",
    "outcome",
]

GPU = "nvidia.com/gpu"

NODES = (a_node("dc-1", "dc"), a_node("dc-2", "dc"), a_node("cloud-1", "cloud"), a_node("attic-1"))
DC_ONLY = ("dc-1", "dc-2")
NO_ROOM_IN_DC = ("cloud-1", "attic-1")

ASKING = a_pod("asking")
WANTS_2 = a_pod("asking", requests={GPU: "2"})
ONE = a_pod("one", on="dc-1")
TWO = a_pod("two", on="dc-2")
THREE = a_pod("three", on="dc-2")

DC_2 = a_unit("dc", max=2)
CLOUD = a_unit("cloud")
PLAIN = a_policy()
CAPPED = a_policy(DC_2, CLOUD)

Outcome = int | Reason | str | None


@dataclass(frozen=True)
class Ask:
    """The cluster and the question."""

    policy: ResourcePolicy = PLAIN
    pods: Collection[Pod] = ()
    room: Sequence[str] = ("dc-1", "dc-2", "cloud-1", "attic-1")
    asking: Pod = ASKING
    nodes: Collection[Node] = NODES
    others: Collection[ResourcePolicy] = ()
    reservations: Collection[Reservation] = ()
    history: PodHistory = NO_HISTORY
    kinds: NodeKinds | None = None
    outside: OutsideUnits = OutsideUnits.NEVER
    remembers_since: float = 0.0
    departed: Collection[str] = ()
    now: float = NOW

    @property
    def snapshot(self) -> Snapshot:
        return a_snapshot(
            self.policy,
            *self.others,
            nodes=self.nodes,
            pods=[*self.pods, self.asking],
            reservations=self.reservations,
            kinds=self.kinds,
            histories={self.asking.uid: self.history},
            remembers_since=self.remembers_since,
            departed=self.departed,
        )

    @property
    def decision(self) -> FilterDecision:
        return decide(self.asking, self.room, self.policy, self.snapshot, self.now, self.outside)


def gpus(limit: str, mode: NextUnits = NextUnits.LACK_RESOURCE_OR_EXCEED_MAX) -> ResourcePolicy:
    """A policy whose first unit gives away this many GPUs."""
    return a_policy(a_unit("dc", max_resources={GPU: limit}), CLOUD, mode=mode)


def outcome(decision: FilterDecision) -> Outcome:
    """The unit that the pod got, else what it waits for, else the one reason it was refused for."""
    if decision.nodes:
        return "outside" if decision.unit is None else decision.unit
    if decision.waits is not None:
        return decision.waits.reason
    assert decision.refused is not None
    reasons = {refusal.reason for refusal in decision.refused.reasons.values()}
    return reasons.pop() if len(reasons) == 1 else " and ".join(sorted(reasons))
