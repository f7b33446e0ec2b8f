"""What one run consists of: a world, and an explicit list of what happens in it."""

from dataclasses import dataclass
from enum import StrEnum

from policy.api.resourcepolicy import NextUnits

__all__ = ["FAULTS", "GPU", "OF_CALLS", "Event", "Kind", "NodeShape", "PolicyShape", "Schedule", "World"]

GPU = "nvidia.com/gpu"


class Kind(StrEnum):
    """What happens. The first six are ordinary life, the rest are faults."""

    POD = "pod created"
    DELETE = "pod deleted"
    FINISH = "pod finished"
    NODE = "node added"
    EDIT = "policy edited"
    POLICY_TOUCHED = "policy touched"
    NODE_LOST = "node lost"
    LATE_LABEL = "node label late"
    SLOW_BIND = "bind slow"
    FAILED_BIND = "bind failed"
    LOST_ANSWER = "bind done, answer lost"
    LATE_PATCH = "condition patch late"
    FILTER_TIMEOUT = "filter answer lost"
    PREEMPT_TIMEOUT = "preempt answer lost"
    EVICTION_FAILED = "victims not deleted"
    POKE_LOST = "requeue failed"
    WATCH_LATE = "watch late"
    WATCH_TWICE = "watch events twice"
    WATCH_BROKEN = "watch broken, listed again"
    WATCH_SILENT = "watch silent"
    WATCH_GONE = "watch 410, listed again"
    SERVER_RESTART = "extender restarted"
    SCHEDULER_RESTART = "scheduler restarted"
    LEAD_CHANGED = "lead changed"
    POLICY_REPLACED = "policy deleted, made again"


FAULTS = tuple(Kind)[6:]
OF_CALLS = tuple(Kind)[8:16]
"""These happen to the next such call about a pod."""


@dataclass(frozen=True, slots=True)
class PolicyShape:
    """What a policy says: pools in order, their caps, and the mode."""

    pools: tuple[str, ...]
    caps: tuple[int | None, ...]
    """Most pods by unit, or GPUs where `by_resources`."""
    by_resources: bool = False
    mode: NextUnits = NextUnits.LACK_RESOURCE_OR_EXCEED_MAX
    groups: bool = False
    preempts_first: bool = False
    """`preemptPolicy: BeforeNextUnit`."""
    ignore_terminating: bool = True


@dataclass(frozen=True, slots=True)
class NodeShape:
    """A node of a pool with so many GPUs."""

    name: str
    pool: str
    gpus: int


@dataclass(frozen=True, slots=True)
class World:
    """What does not change during a run. Times are in seconds."""

    nodes: tuple[NodeShape, ...]
    policy: PolicyShape
    schedulers: int
    replicas: int
    """Servers: one, or two of which one leads."""
    server_lags: tuple[float, float, float]
    """Of the extender's watches: nodes, pods, policies."""
    scheduler_lags: tuple[float, float]
    """Of the scheduler's watches: nodes, pods."""
    bind: float
    call: float
    patch: float
    grace: float
    """How long victims are terminating."""
    patches_block: bool
    """The scheduler waits for its patch of the condition (no SchedulerAsyncAPICalls)."""
    guarded: frozenset[str] = frozenset()
    """Names of pods that a PodDisruptionBudget would keep: it allows no disruption."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens, so many seconds after the beginning. The kind tells which fields matter."""

    at: float
    kind: Kind
    name: str = ""
    """The pod, node, or watch that it happens to."""
    seconds: float = 0.0
    amount: int = 1
    label: str = ""
    priority: int = 0
    policy: PolicyShape | None = None

    def __str__(self) -> str:
        parts = [f"{self.at:7.2f}s  {self.kind}", self.name]
        parts += [self.label] if self.label else []
        parts += [f"for {self.seconds:g}s"] if self.seconds else []
        parts += [f"x{self.amount}"] if self.amount != 1 else []
        parts += [f"priority {self.priority}"] if self.priority else []
        if self.policy is not None:
            parts.append(
                " ".join(
                    f"{pool}<={cap}" for pool, cap in zip(self.policy.pools, self.policy.caps, strict=True)
                )
            )
        return " ".join(filter(None, parts))


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything that a run depends on."""

    seed: int
    world: World
    events: tuple[Event, ...]
