"""Costs at rest and of the watch: memory, time from start to ready, CPU for pod events.

Facts: bound pods that come and go cost more than status churn, and are what a busy cluster sends.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.bench.cluster import Shape
from dev.bench.machine import used
from dev.bench.stacks import Api, Kind, Stack, serving, started

__all__ = ["Cost", "costs"]

_SETTLE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one extender."""

    stack: str
    ready_seconds: float
    ready_cpu_seconds: float
    resident_mib: float
    cpu_ms_per_thousand_events: float


def costs(shape: Shape, kinds: Sequence[Kind], directory: Path, rate: int, seconds: float) -> Iterator[Cost]:
    """One after the other."""
    with serving(shape, directory) as api:
        for kind in kinds:
            with started(kind, api) as stack:
                yield _cost(api, stack, rate, seconds)


def _cost(api: Api, stack: Stack, rate: int, seconds: float) -> Cost:
    ready = stack.wait_ready()
    starting = used(stack.group).cpu_seconds
    time.sleep(_SETTLE_SECONDS)
    before = used(stack.group)
    first = api.send_events(stack.name, rate)
    time.sleep(seconds)
    events = api.send_events(stack.name, 0) - first
    time.sleep(0.5)  # what is still on its way
    cpu = used(stack.group).cpu_seconds - before.cpu_seconds
    return Cost(stack.name, ready, starting, before.resident_mib, cpu * 1e6 / max(events, 1))
