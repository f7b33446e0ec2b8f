"""The shortest list of events that still shows a violation."""

from collections.abc import Callable
from dataclasses import replace

from dev.faultsim.scenario import Event, Schedule

__all__ = ["shrink"]


def shrink(schedule: Schedule, fails: Callable[[Schedule], bool]) -> Schedule:
    """A schedule that fails as well, and would not without any one of its events."""
    events = schedule.events
    size = max(1, len(events) // 2)
    while events:
        shorter = _without_a_part(schedule, events, size, fails)
        if shorter is not None:
            events = shorter
        elif size == 1:
            break
        else:
            size //= 2
    return replace(schedule, events=events)


def _without_a_part(
    schedule: Schedule, events: tuple[Event, ...], size: int, fails: Callable[[Schedule], bool]
) -> tuple[Event, ...] | None:
    # From the end: late events matter least.
    for first in range(len(events) - size, -size, -size):
        rest = events[: max(first, 0)] + events[first + size :]
        if fails(replace(schedule, events=rest)):
            return rest
    return None
