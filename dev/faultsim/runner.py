"""Many runs, on several processes, and the shortest story of each that failed."""

from collections.abc import Iterable, Iterator
from functools import partial
from multiprocessing import get_context

from dev.faultsim.extender_process import REVIEWED, Build
from dev.faultsim.generator import draw
from dev.faultsim.run import Outcome, run
from dev.faultsim.scenario import Schedule
from dev.faultsim.shrink import shrink
from dev.faultsim.violation import Violation

__all__ = ["outcomes", "shortest"]

_AT_ONCE = 25


def outcomes(seeds: Iterable[int], jobs: int = 1, build: Build = REVIEWED) -> Iterator[Outcome]:
    """One for each seed, in order."""
    one = partial(_of_seed, build=build)
    if jobs == 1:
        yield from map(one, seeds)
        return
    with get_context("fork").Pool(jobs) as pool:
        yield from pool.imap(one, seeds, _AT_ONCE)


def shortest(seed: int, build: Build = REVIEWED) -> tuple[Schedule, Violation] | None:
    """The fewest events of a seed's schedule that violate the same invariant; None if none is."""
    schedule = draw(seed)
    first = run(schedule, build).violation
    if first is None:
        return None

    def fails(shorter: Schedule) -> bool:
        violation = run(shorter, build).violation
        return violation is not None and violation.invariant is first.invariant

    shrunk = shrink(schedule, fails)
    return shrunk, run(shrunk, build).violation or first


def _of_seed(seed: int, build: Build) -> Outcome:
    return run(draw(seed), build)
