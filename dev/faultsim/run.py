"""One run: a world, its events applied in virtual time, and what came of it."""

from collections import Counter
from dataclasses import dataclass, field

from dev.faultsim.apiserver_model import ApiServer
from dev.faultsim.event_handlers import EventHandlers
from dev.faultsim.extender_process import RESERVATION_SECONDS, REVIEWED, Build
from dev.faultsim.fault_injector import FaultInjector
from dev.faultsim.invariants import InvariantChecker, schedulable
from dev.faultsim.processes import Processes
from dev.faultsim.scenario import Schedule
from dev.faultsim.scheduler_cache import Binding
from dev.faultsim.violation import Violation
from dev.faultsim.virtual_clock import EPOCH, Loop

__all__ = ["Outcome", "run"]

_QUIET = 75.0
"""Seconds after the last event in which everything must come to rest."""
_LOOK = 1.0
_LATE_LOOK = 20.0
_TIMERS_LOOK = 5.0
"""Who could run changes with the truth, and with timers."""


@dataclass(slots=True)
class Outcome:
    """What a run showed."""

    seed: int
    bound: int = 0
    preempted: int = 0
    """Pods that were deleted for others."""
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    worst_wait: float = 0.0
    worst_idle: float = 0.0
    violation: Violation | None = None


def run(schedule: Schedule, build: Build = REVIEWED) -> Outcome:
    """Run a schedule to its end, or to the first violation."""
    return _Run(schedule, build).run()


class _Run:
    """The parts of one run."""

    def __init__(self, schedule: Schedule, build: Build) -> None:
        self._schedule = schedule
        self._loop = loop = Loop()
        self._api = api = ApiServer(loop)
        self._accounts = accounts = InvariantChecker(api)
        world = schedule.world
        self._processes = Processes(loop, api, world, build)
        self._injector = FaultInjector(loop, api, world, accounts, self._processes)
        self._handlers = EventHandlers(loop, api, world, accounts, self._processes, self._injector)
        self._processes.start(self._injector, self._injector.requeue, self._injector.record)
        self._calm_since = 0.0
        self._seated: list[str] = []
        self._seated_of: tuple[int, list[Binding]] = (-1, [])
        self._seated_until = 0.0

    def run(self) -> Outcome:
        events = self._schedule.events
        for event in events:
            self._loop.at(EPOCH + event.at, lambda event=event: self._handlers.apply(event))  # type: ignore[misc]
        quiet = EPOCH + (events[-1].at if events else 0.0) + _QUIET
        violation = self._until(quiet)
        return Outcome(
            self._schedule.seed,
            bound=self._injector.bindings,
            preempted=self._api.preempted,
            seconds=self._loop.now - EPOCH,
            faults=self._handlers.faults + self._injector.faults,
            worst_wait=self._accounts.worst_wait,
            worst_idle=self._accounts.worst_idle,
            violation=violation,
        )

    def _until(self, quiet: float) -> Violation | None:
        """Until the last slot must have ended, or to the first violation."""
        try:
            self._look(quiet)
            self._loop.run(quiet + RESERVATION_SECONDS)
            server = self._processes.server
            if server is not None:
                self._accounts.at_the_end(server.cache, self._loop.now)
        except Violation as violation:
            return violation
        return None

    def _look(self, quiet: float) -> None:
        now = self._loop.now
        self._loop.after(_LOOK if now < quiet else _LATE_LOOK, lambda: self._look(quiet))
        disturbed = max((watch.disturbed_until for watch in self._processes.watches()), default=0.0)
        self._calm_since = max(self._calm_since, min(disturbed, now) if self._processes.ready else now)
        server = self._processes.server
        if server is None:
            return
        cache, sent = server.cache, self._processes.sent()
        attempted = (scheduler.attempted for scheduler in self._processes.schedulers.values())
        busy = {binding.pod.uid for binding in sent}.union(*attempted)
        self._accounts.slots([uid for uid in cache.reservations() if uid not in busy], now, self._calm_since)
        if now >= self._seated_until or self._seated_of != (self._api.version, sent):
            view = self._accounts.truth(sent, cache, server.started_at)
            self._seated = schedulable(view, now)
            self._seated_of, self._seated_until = (self._api.version, sent), now + _TIMERS_LOOK
        self._accounts.waits([uid for uid in self._seated if uid not in busy], now, self._calm_since)
