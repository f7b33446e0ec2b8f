"""Many worlds, several at a time on one plane.

Owns the plane and what is compared. Must not know: how a comparison is shown.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from campaigns.worlds.counts import Counts, real, simulated
from campaigns.worlds.live import Live, Photo
from campaigns.worlds.replay import replayed
from campaigns.worlds.world import World
from controlplane import ControlPlane
from demo.cluster import Programs

__all__ = ["Comparison", "Unfinished", "compared"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One world and its two ends."""

    world: World
    before: Photo
    after: Photo
    real: Counts
    simulated: Counts
    replayed: Counts
    """By `simulate`, given the order and the nodes of reality."""

    @property
    def agrees(self) -> bool:
        return self.real == self.simulated

    @property
    def explained(self) -> bool:
        """Whether nothing differs but the scheduler's choice among nodes, and among pods."""
        return self.real == self.replayed


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A world that did not come to its end, and what was waited for."""

    world: World
    why: str


def compared(worlds: Sequence[World], at_once: int) -> Iterator[Comparison | Unfinished]:
    """One for each world, as they are done. If some have groups, cluster-autoscaler and our watcher run."""
    with ControlPlane() as plane, Programs(plane) as programs, ThreadPoolExecutor(at_once) as playing:
        programs.install()
        programs.start_extender()
        groups = [world.group for world in worlds if world.group]
        if groups:
            plane.start_autoscaler(groups)
            programs.start_watcher({"watcher": {"node_groups": {g.name: dict(g.labels) for g in groups}}})
        live = Live(plane, programs)
        for done in as_completed([playing.submit(_compared, world, live) for world in worlds]):
            yield done.result()


def _compared(world: World, live: Live) -> Comparison | Unfinished:
    try:
        before, after = live.played(world)
    except TimeoutError as error:
        return Unfinished(world, str(error))
    played, told = real(before, after), simulated(world, before)
    again = replayed(world, before, after, live.order(world))
    return Comparison(world, before, after, played, told, again)
