"""What many runs showed, as text."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from dev.faultsim.run import Outcome
from dev.faultsim.scenario import Schedule
from dev.faultsim.violation import Invariant, Violation

__all__ = ["Report", "story"]


@dataclass(slots=True)
class Report:
    """The sums over all runs so far."""

    runs: int = 0
    bound: int = 0
    preempted: int = 0
    seconds: float = 0.0
    worst_wait: tuple[float, int] = (0.0, 0)
    """With the seed that showed it."""
    worst_idle: tuple[float, int] = (0.0, 0)
    faults: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    failed: list[int] = field(default_factory=list)
    """The seeds of runs with a violation."""

    def add(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            self.runs += 1
            self.bound += outcome.bound
            self.preempted += outcome.preempted
            self.seconds += outcome.seconds
            self.worst_wait = max(self.worst_wait, (outcome.worst_wait, outcome.seed))
            self.worst_idle = max(self.worst_idle, (outcome.worst_idle, outcome.seed))
            self.faults.update(outcome.faults)
            if outcome.violation is not None:
                self.violations[outcome.violation.invariant] += 1
                self.failed.append(outcome.seed)

    def __str__(self) -> str:
        wait, waited = self.worst_wait
        idle, idled = self.worst_idle
        return "\n".join(
            [
                f"{self.runs} runs, {self.seconds / 3600:.0f} virtual hours",
                f"{self.bound} pods bound, {self.preempted} deleted for others",
                f"{self.faults.total()} faults:",
                *(f"  {count:7}  {kind}" for kind, count in self.faults.most_common()),
                f"longest wait beside open room: {wait:.0f} s (seed {waited})",
                f"longest slot held for a pod in no attempt: {idle:.0f} s (seed {idled})",
                "violations:",
                *(f"  {self.violations[invariant]:7}  {invariant}" for invariant in Invariant),
            ]
        )


def story(schedule: Schedule, violation: Violation) -> str:
    """A violation and the events that lead to it."""
    world = schedule.world
    nodes = ", ".join(f"{node.name} ({node.gpus} GPU)" for node in world.nodes)
    return "\n".join(
        [
            f"seed {schedule.seed}: {violation}",
            f"  nodes: {nodes}",
            f"  policy: {world.policy}",
            f"  {world.replicas} server(s), {world.schedulers} scheduler(s)",
            f"  bind {world.bind:g} s, patch {world.patch:g} s",
            *([f"  guarded: {', '.join(sorted(world.guarded))}"] if world.guarded else []),
            f"  late watches: extender {world.server_lags}, scheduler {world.scheduler_lags}",
            *(f"  {event}" for event in schedule.events),
        ]
    )
