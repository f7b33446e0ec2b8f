"""How long something lasted, and how many at a time: what verdict, figures and picture go by.

Owns the arithmetic of steps. Must not know: what a state means, or what is concluded.
Pure functions of values. What has not ended lasts for ever.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from demo.scene import Followed, Level

__all__ = ["Span", "counted", "span"]


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
