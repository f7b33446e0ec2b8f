"""What one run consists of: a world and an explicit list of events, both drawn from a seed.

Owns these values and how they are drawn. Nothing is drawn later: a run without one of its events is the same
run otherwise, which is what shrinking needs.
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from policy.resourcepolicy import NextUnits

__all__ = ["FAULTS", "GPU", "Event", "Kind", "NodeShape", "PolicyShape", "Schedule", "World", "draw"]

GPU = "nvidia.com/gpu"
_LAST = 60.0
"""Seconds from the beginning of a run to its last event."""


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
    POKE_LOST = "poke failed"
    WATCH_LATE = "watch late"
    WATCH_TWICE = "watch events twice"
    WATCH_BROKEN = "watch broken, listed again"
    WATCH_GONE = "watch 410, listed again"
    SERVER_RESTART = "extender restarted"
    SCHEDULER_RESTART = "scheduler restarted"
    LEAD_CHANGED = "lead changed"
    POLICY_REPLACED = "policy deleted, made again"


FAULTS = tuple(Kind)[6:]
_OF_CALLS = tuple(Kind)[8:14]
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
    patches_block: bool
    """The scheduler waits for its patch of the condition (no SchedulerAsyncAPICalls)."""


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
    policy: PolicyShape | None = None

    def __str__(self) -> str:
        parts = [f"{self.at:7.2f}s  {self.kind}", self.name]
        parts += [self.label] if self.label else []
        parts += [f"for {self.seconds:g}s"] if self.seconds else []
        parts += [f"x{self.amount}"] if self.amount != 1 else []
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


def draw(seed: int) -> Schedule:
    """The schedule of a seed."""
    return _Drawing(Random(seed)).schedule(seed)  # noqa: S311  reproducible, not secret


class _Drawing:
    """One seed's draws, in a fixed order."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._hot = tuple(random.uniform(1, _LAST) for _ in range(random.choice((1, 1, 2))))
        """Moments around which much happens at once."""

    def schedule(self, seed: int) -> Schedule:
        world = self._world()
        pods = [f"p{number}" for number in range(self._random.choice((3, 6, 10, 16)))]
        events = [*self._life(world, pods), *self._faults(world, pods)]
        return Schedule(seed, world, tuple(sorted(events, key=lambda event: event.at)))

    def _world(self) -> World:
        random = self._random
        pools = ("a", "b", "c")[: random.choice((1, 2, 2, 3))]
        nodes = [
            NodeShape(f"{pool}{number}", pool, random.choice((1, 2, 4)))
            for pool in pools
            for number in range(random.choice((1, 1, 2, 3)))
        ]
        return World(
            nodes=tuple(nodes),
            policy=self._policy(pools),
            schedulers=random.choice((1, 1, 1, 1, 2)),
            replicas=random.choice((1, 1, 2)),
            server_lags=(self._lag(), self._lag(), self._lag()),
            scheduler_lags=(self._lag(), self._lag()),
            bind=random.choice((0.005, 0.05, 0.5)),
            call=random.choice((0.001, 0.01)),
            patch=random.choice((0.005, 0.05)),
            patches_block=self._may(0.7),
        )

    def _may(self, chance: float) -> bool:
        return self._random.random() < chance

    def _lag(self) -> float:
        return self._random.choice((0.002, 0.01, 0.05, 0.3))

    def _policy(self, pools: tuple[str, ...]) -> PolicyShape:
        random = self._random
        return PolicyShape(
            pools=pools,
            caps=self._caps(pools),
            by_resources=self._may(0.25),
            mode=random.choice((NextUnits.LACK_RESOURCE_OR_EXCEED_MAX, *NextUnits)),
            groups=self._may(0.2),
            ignore_terminating=self._may(0.7),
        )

    def _caps(self, pools: tuple[str, ...]) -> tuple[int | None, ...]:
        return tuple(self._random.choice((1, 1, 2, 3, None)) for _ in pools)

    def _time(self) -> float:
        """Often near others, so that events meet."""
        random = self._random
        first = random.choice(self._hot) if self._may(0.7) else random.uniform(0, _LAST)
        return first + random.choice((0.0, 0.01, 0.06, 0.4, 1.2, 3.0))

    def _life(self, world: World, pods: list[str]) -> list[Event]:
        random = self._random
        events = [
            Event(
                self._pod_time(), Kind.POD, pod, label=self._traits(world), amount=random.choice((1, 1, 2, 3))
            )
            for pod in pods
        ]
        for kind, chance in ((Kind.DELETE, 0.35), (Kind.FINISH, 0.25)):
            events += [
                Event(self._time(), kind, pod, seconds=random.choice((0.0, 1.0, 20.0)))
                for pod in pods
                if self._may(chance)
            ]
        for number in range(random.choice((0, 0, 1, 2))):
            pool = random.choice(world.policy.pools)
            events.append(
                Event(self._time(), Kind.NODE, f"n{number}", label=pool, amount=random.choice((1, 2, 4)))
            )
        events += [self._edit(world) for _ in range(random.choice((0, 0, 1, 2)))]
        return events

    def _pod_time(self) -> float:
        random = self._random
        return random.choice((0.0, self._hot[0] + random.random() * 0.2, self._time(), self._time()))

    def _traits(self, world: World) -> str:
        """Scheduler and group."""
        return f"s{self._random.randrange(world.schedulers)}/g{self._random.randrange(2)}"

    def _edit(self, world: World) -> Event:
        random = self._random
        if self._may(0.2):
            return Event(self._time(), Kind.POLICY_TOUCHED)
        pools = list(world.policy.pools)
        if self._may(0.4):
            random.shuffle(pools)
        before = world.policy
        shape = PolicyShape(
            tuple(pools),
            self._caps(tuple(pools)),
            before.by_resources,
            before.mode,
            before.groups,
            before.ignore_terminating,
        )
        return Event(self._time(), Kind.EDIT, policy=shape)

    def _faults(self, world: World, pods: list[str]) -> list[Event]:
        return [self._fault(world, pods) for _ in range(self._random.choice((0, 3, 6, 12)))]

    def _fault(self, world: World, pods: list[str]) -> Event:
        random = self._random
        kind = random.choice((*FAULTS, *_OF_CALLS))
        at, seconds = self._time(), random.choice((0.3, 1.0, 3.0, 8.0))
        if kind in _OF_CALLS:
            # A Permit plugin, or a volume, may keep a binding for long.
            seconds = random.choice((seconds, 15.0)) if kind is Kind.SLOW_BIND else seconds
            return Event(random.choice((0.0, at)), kind, random.choice(pods), seconds)
        if kind in (Kind.LEAD_CHANGED, Kind.POLICY_REPLACED):
            return Event(at, kind, seconds=random.choice((0.05, seconds)))
        if kind is Kind.NODE_LOST:
            return Event(at, kind, random.choice(world.nodes).name)
        if kind is Kind.LATE_LABEL:
            return Event(
                at,
                kind,
                f"late{int(at * 100)}",
                seconds,
                random.choice((1, 2)),
                random.choice(world.policy.pools),
            )
        if kind in (Kind.SERVER_RESTART, Kind.SCHEDULER_RESTART):
            name = f"s{random.randrange(world.schedulers)}" if kind is Kind.SCHEDULER_RESTART else ""
            return Event(at, kind, name, random.choice((0.05, 0.05, 0.3, 3.0)))
        watch = random.choice(
            ("extender/nodes", "extender/pods", "extender/pods", "extender/policies", "s0/nodes", "s0/pods")
        )
        amount = random.randint(1, 3) if kind is Kind.WATCH_TWICE else 1
        return Event(at, kind, watch, seconds, amount)
