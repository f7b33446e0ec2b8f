"""What was seen, as values: pods, nodes, requests for nodes, each with the steps that it took; the load.

Times are seconds since the story's start, on the demo's own clock.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from math import inf

__all__ = [
    "Followed",
    "Level",
    "Node",
    "NodeState",
    "Phase",
    "Pod",
    "PodState",
    "Pool",
    "Request",
    "RequestState",
    "Scene",
    "Span",
    "Step",
    "counted",
    "span",
]


class PodState(StrEnum):
    CREATED = "created"
    PENDING = "pending"  # the scheduler has said why
    BOUND = "bound"
    RUNNING = "running"
    LEAVING = "leaving"  # deleted, and not yet gone
    GONE = "gone"


class NodeState(StrEnum):
    BOOTING = "booting"
    READY = "ready"
    GONE = "gone"


class RequestState(StrEnum):
    ASKED = "asked"
    ACCEPTED = "accepted"
    PROVISIONED = "provisioned"
    FAILED = "failed"
    GONE = "withdrawn"


@dataclass(frozen=True, slots=True)
class Step:
    at: float
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Pool:
    """A node pool; `unit` is its index in the policy, None if the policy does not name it."""

    identity: str
    name: str
    unit: int | None = None

    @property
    def place(self) -> str:
        """`[0] NAME`, the index as in the policy's `units`, or the name alone."""
        return self.name if self.unit is None else f"[{self.unit}] {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    name: str
    state: str
    detail: str = ""
    steps: tuple[Step, ...] = ()

    def reached(self, state: str) -> float | None:
        """When it was first seen in `state`."""
        return next((step.at for step in self.steps if step.state == state), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod(Followed):
    """`detail` is why it is pending, or its node; `cost` what its ReplicaSet goes by when it scales in."""

    node: str = ""
    cost: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node(Followed):
    """`group` is the autoscaler's, on nodes that it made."""

    pool: str = ""
    gpus: int = 0
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Followed):
    """A ProvisioningRequest; `detail` is the reason that the autoscaler gives."""

    template: str = ""
    pool: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class Phase:
    """`mark` is how the timeline calls it, if at all."""

    at: float
    text: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Level:
    """What something is from `at` on."""

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Scene:
    now: float
    pods: tuple[Pod, ...] = ()
    nodes: tuple[Node, ...] = ()
    requests: tuple[Request, ...] = ()
    phases: tuple[Phase, ...] = ()
    load: tuple[Level, ...] = ()  # percent of one GPU
    average: tuple[Level, ...] = ()  # percent of its GPU for each pod, as the HPA sees it
    replicas: tuple[Level, ...] = ()  # as the HPA wants them
    pools: Mapping[str, Pool] = field(default_factory=dict)

    def node(self, name: str) -> Node | None:
        return next((node for node in self.nodes if node.name == name), None)

    def pool(self, identity: str) -> Pool:
        return self.pools.get(identity) or Pool(identity, identity or "no pool")

    def pool_of(self, pod: Pod) -> Pool | None:
        node = self.node(pod.node)
        return self.pool(node.pool) if node else None


@dataclass(frozen=True, slots=True)
class Span:
    since: float
    until: float


def span(thing: Followed, *states: str) -> Span | None:
    """From its first step into one of `states` to its last out of them."""
    inside = [step for step in thing.steps if step.state in states]
    if not inside:
        return None
    end = next((after.at for step, after in pairwise(thing.steps) if step is inside[-1]), inf)
    return Span(inside[0].at, end)


def counted(spans: Iterable[Span | None]) -> list[Level]:
    """How many there are, from each change on."""
    known = [one for one in spans if one]
    times = {0.0, *(one.since for one in known), *(one.until for one in known)} - {inf}
    return [Level(at, sum(one.since <= at < one.until for one in known)) for at in sorted(times)]
