"""Many worlds, several at a time on one plane."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass

from dev.controlplane import ControlPlane, NodeGroup, PlaneOptions
from dev.harness.programs import Programs
from dev.soak.differential.environment import Live, Played
from dev.soak.differential.model import World
from dev.soak.differential.pod_counts import Counts, real, simulated
from dev.soak.differential.replay import Replayed, replayed
from dev.soak.differential.scheduler_log import FLAGS

__all__ = ["Comparison", "Unfinished", "compared"]

_STATUS = "/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One world and its two ends."""

    world: World
    played: Played
    real: Counts
    simulated: Counts
    replayed: Replayed
    """By `simulate`, given the order and the nodes of reality."""

    @property
    def agrees(self) -> bool:
        return self.real == self.simulated

    @property
    def explained(self) -> bool:
        """Whether nothing differs but the scheduler's choice among nodes, and among pods."""
        return self.real == self.replayed.counts and not self.replayed.otherwise


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A world that did not come to its end, and what was waited for."""

    world: World
    why: str


def compared(worlds: Sequence[World], at_once: int) -> Iterator[Comparison | Unfinished]:
    """One for each world, as they are done. If some have groups, cluster-autoscaler and our watcher run."""
    groups = [world.group for world in worlds if world.group]
    with _staged(groups) as live, ThreadPoolExecutor(at_once) as playing:
        for done in as_completed([playing.submit(_compared, world, live) for world in worlds]):
            yield done.result()


@contextmanager
def _staged(groups: Sequence[NodeGroup]) -> Iterator[Live]:
    options = PlaneOptions(flags={"kube-scheduler": FLAGS})
    with ControlPlane(options) as plane, Programs(plane) as programs:
        programs.install(*(("served-once", "hold-at-birth") if groups else ()))
        programs.start_extender()
        if groups:
            plane.start_autoscaler(groups)
            plane.wait(
                lambda: "nodeGroups" in plane.api.get(_STATUS)["data"]["status"], what="its first loop"
            )
            programs.start_watcher({"watcher": {"node_groups": {g.name: dict(g.labels) for g in groups}}})
        yield Live(plane, programs)


def _compared(world: World, live: Live) -> Comparison | Unfinished:
    try:
        played = live.played(world)
    except TimeoutError as error:
        return Unfinished(world, str(error))
    counts = real(played.before, played.after)
    return Comparison(world, played, counts, simulated(world, played.before), replayed(world, played))
