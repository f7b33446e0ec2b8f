"""A world and its events, drawn from a seed.

Nothing is drawn later: a run without one of its events is the same run otherwise, which is what shrinking
needs.
"""

from dataclasses import replace
from random import Random

from dev.faultsim.scenario import FAULTS, OF_CALLS, Event, Kind, NodeShape, PolicyShape, Schedule, World
from policy.api.resourcepolicy import NextUnits

__all__ = ["draw"]

_LAST = 60.0
"""Seconds from the beginning of a run to its last event."""
_OF_PREEMPTION = (Kind.PREEMPT_TIMEOUT, Kind.EVICTION_FAILED)


def draw(seed: int) -> Schedule:
    """The schedule of a seed."""
    schedule = _Drawing(Random(seed)).schedule(seed)  # noqa: S311  reproducible, not secret
    guarded = _guarded(schedule, Random(f"{seed} guarded"))  # noqa: S311  by itself: else all seeds change
    return replace(schedule, world=replace(schedule.world, guarded=guarded))


def _guarded(schedule: Schedule, random: Random) -> frozenset[str]:
    share = random.choice((0.0, 0.0, 0.3, 0.7))
    pods = sorted({event.name for event in schedule.events if event.kind is Kind.POD})
    return frozenset(pod for pod in pods if random.random() < share)


class _Drawing:
    """One seed's draws, in a fixed order."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._hot = tuple(random.uniform(1, _LAST) for _ in range(random.choice((1, 1, 2))))
        """Moments around which much happens at once."""

    def schedule(self, seed: int) -> Schedule:
        world = self._world()
        pods = [f"p{number}" for number in range(self._random.choice((3, 6, 10, 16)))]
        urgencies = self._random.choice(((0,), (0, 0, 100), (0, 0, 50, 100)))
        self._priorities = {pod: self._random.choice(urgencies) for pod in pods}
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
            grace=random.choice((0.2, 2.0, 20.0)),
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
            preempts_first=self._may(0.4),
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
                self._pod_time(urgent=bool(self._priorities[pod])),
                Kind.POD,
                pod,
                label=self._traits(world),
                amount=random.choice((1, 1, 2, 3)),
                priority=self._priorities[pod],
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

    def _pod_time(self, *, urgent: bool) -> float:
        """Urgent pods mostly come when others are there."""
        random = self._random
        if urgent and self._may(0.7):
            return self._hot[0] + random.choice((3.0, 5.0, 10.0)) + random.random()
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
        shape = replace(before, pools=tuple(pools), caps=self._caps(tuple(pools)))
        return Event(self._time(), Kind.EDIT, policy=shape)

    def _faults(self, world: World, pods: list[str]) -> list[Event]:
        return [self._fault(world, pods) for _ in range(self._random.choice((0, 3, 6, 12)))]

    def _fault(self, world: World, pods: list[str]) -> Event:
        random = self._random
        kind = random.choice((*FAULTS, *OF_CALLS))
        at, seconds = self._time(), random.choice((0.3, 1.0, 3.0, 8.0))
        if kind in OF_CALLS:
            concerned = [pod for pod in pods if self._priorities[pod]] if kind in _OF_PREEMPTION else []
            # A Permit plugin, or a volume, may keep a binding for long.
            seconds = random.choice((seconds, 15.0)) if kind is Kind.SLOW_BIND else seconds
            return Event(random.choice((0.0, at)), kind, random.choice(concerned or pods), seconds)
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
        if kind is Kind.WATCH_SILENT:
            seconds = random.choice((8.0, 20.0, 45.0))
        amount = random.randint(1, 3) if kind is Kind.WATCH_TWICE else 1
        return Event(at, kind, watch, seconds, amount)
