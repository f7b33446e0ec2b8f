"""A synced extender with the real policy and cache, a clock of ours, and a data centre before a cloud."""

from collections.abc import Callable, Sequence
from threading import Event

from cluster.cache.cache import Cache
from extender.service import Extender
from policy.api.objects import Node, Pod
from policy.api.options import NodeKinds, OnConflict, OutsideUnits, ScoredNodes
from policy.api.resourcepolicy import RejectedPolicy, ResourcePolicy
from policy.scheduling.filter import FilterDecision
from policy.scheduling.refusals import Reason
from tests.builders import NOW, a_node, a_pod, a_policy, a_unit

GPU = "nvidia.com/gpu"
ROOM = {"pods": "110", GPU: "1"}
DC = a_node("dc-1", "dc", allocatable=ROOM)
CLOUD = a_node("cloud-1", "cloud", allocatable=ROOM)
BOTH = ("dc-1", "cloud-1")
DC_1 = a_unit("dc", max=1)
ANYWHERE = a_unit("cloud")
CAPPED = a_policy(DC_1, ANYWHERE)

VICTIM = a_pod("victim", on="dc-1", requests={GPU: "1"})
URGENT = a_pod("urgent", requests={GPU: "1"}, priority=1000)

Outcome = int | Reason | str | None


class Clock:
    """Unix seconds that pass when told; `read` says that someone has asked."""

    def __init__(self) -> None:
        self.now = NOW
        self.read = Event()

    def __call__(self) -> float:
        self.read.set()
        return self.now


class World:
    """A synced extender; what is `told` comes from the informers."""

    def __init__(
        self,
        *told: Node | Pod | ResourcePolicy,
        synced: bool = True,
        on_conflict: OnConflict = OnConflict.OLDEST,
        outside_units: OutsideUnits = OutsideUnits.NEVER,
        scored_nodes: ScoredNodes = ScoredNodes.ALL,
        unknown_node_seconds: float = 0.0,
        handover_grace_seconds: float = 0.0,
    ) -> None:
        self.clock = Clock()
        self.ready = synced
        self.cache = Cache(self.clock, NodeKinds(), reservation_seconds=600.0, remembers_since=0.0)
        self.extender = Extender(
            self.cache,
            self.clock,
            lambda: "" if self.ready else "the cache has not synced yet",
            on_conflict=on_conflict,
            outside_units=outside_units,
            scored_nodes=scored_nodes,
            unknown_node_seconds=unknown_node_seconds,
            handover_grace_seconds=handover_grace_seconds,
        )
        self.publish(*told)

    def publish(self, *things: Node | Pod | ResourcePolicy | RejectedPolicy) -> None:
        with self.cache.lock:
            for thing in things:
                match thing:
                    case Node():
                        self.cache.upsert_node(thing)
                    case Pod():
                        self.cache.upsert_pod(thing)
                    case _:
                        self.cache.upsert_policy(thing)

    def tell_gone(self, *things: Node | Pod | ResourcePolicy) -> None:
        with self.cache.lock:
            for thing in things:
                match thing:
                    case Node():
                        self.cache.remove_node(thing.name)
                    case Pod():
                        self.cache.remove_pod(thing)
                    case ResourcePolicy():
                        self.cache.remove_policy(thing.key)

    def decide(self, pod: Pod, names: Sequence[str] = BOTH) -> FilterDecision:
        filtered = self.extender.filter(pod, names)
        assert filtered is not None
        return filtered.decision

    def ask(self, pod: Pod, names: Sequence[str] = BOTH) -> Outcome:
        """The unit that the pod was sent to, else what it waits for, else why the first node was refused."""
        filtered = self.extender.filter(pod, names)
        if filtered is None:
            return "untouched"
        decision = filtered.decision
        if decision.nodes:
            return "outside" if decision.unit is None else decision.unit
        assert decision.refused is not None
        return (decision.waits or decision.refused.first).reason

    @property
    def held(self) -> dict[str, int]:
        """The unit of each slot held for a pod that is not bound."""
        return {uid: reservation.unit for uid, reservation in self.cache.reservations().items()}

    def used(self, policy: ResourcePolicy, unit: int, *group: str) -> int:
        return self.cache.usage(policy, unit, group).pods


def standard(*more: Node | Pod | ResourcePolicy, policy: ResourcePolicy = CAPPED) -> World:
    return World(DC, CLOUD, policy, *more)


def bound(pod: str, on: str, **fields: object) -> Pod:
    build: Callable[..., Pod] = a_pod
    return build(pod, on=on, **fields)
