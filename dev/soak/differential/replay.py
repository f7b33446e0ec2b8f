"""Whether a difference is what kube-scheduler is free to choose, and nothing else.

The answers are never taken over: each attempt is decided anew, and is to end as it did.
"""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.cluster.offline_extender import OfflineExtender
from cli.cluster.snapshot import snapshot_time
from cli.simulate.arrivals import Arrivals, arrivals
from cluster.settings import Settings
from dev.soak.differential.environment import Played
from dev.soak.differential.model import World
from dev.soak.differential.pod_counts import BOUGHT, Counts, asked, cluster_of, counted
from dev.soak.differential.scheduler_log import Left, Tried
from policy.api.objects import Pod
from policy.simulation.node_capacity import NodeCapacity, PodShape
from policy.simulation.simulator import Scenario, SimulatedAttempt, Simulation

__all__ = ["Replayed", "replayed"]


@dataclass(frozen=True, slots=True)
class Replayed:
    """How a replay ended, and how its attempts did."""

    counts: Counts
    attempts: int = 0
    otherwise: Sequence[str] = ()
    """The attempts that ended otherwise than in reality, each told."""


def replayed(world: World, played: Played) -> Replayed:
    """Tell a world again."""
    retelling = _Retelling(world, played)
    tries = [each for each in played.happened if isinstance(each, Tried)]
    otherwise = tuple(filter(None, map(retelling.publish, played.happened)))
    return Replayed(retelling.counts(), len(tries), otherwise)


@dataclass(slots=True)
class _Steered(NodeCapacity):
    """Prefers a node wherever the pod may be on it and fits."""

    wanted: str = ""

    def best(
        self, demand: PodShape, pod: Pod, area: Hashable, names: Callable[[], Iterable[str]]
    ) -> str | None:
        name = self.wanted
        if name in names() and self.admits(demand, pod, name) and self.fits(demand, name):
            return name
        return NodeCapacity.best(self, demand, pod, area, names)


class _Retelling:
    """One replay."""

    def __init__(self, world: World, played: Played) -> None:
        self._world = world
        self._was = cluster_of(played.before)
        is_now = cluster_of(played.after)
        self._nodes = {node.name: node for node in is_now.nodes}
        now = snapshot_time(self._was)
        with tempfile.TemporaryDirectory() as directory:
            scale, new = asked(world, Path(directory))
            coming = arrivals(scale, str(new) if new else None, self._was, now, self._was.policies)
        self._coming = coming.new
        self._pods = {pod.name: pod for pod in self._was.pods}
        self._pods |= dict(_paired(coming, [pod for pod in is_now.pods if pod.name not in self._pods]))
        self._stage = OfflineExtender(self._was.nodes, self._was.pods, self._was.policies, Settings(), now)
        self._room = _Steered()
        self._play = Simulation(self._stage, Scenario(coming.new), room=self._room)
        self._play.load_cluster()
        self._attempts: dict[str, SimulatedAttempt] = {}

    def publish(self, each: Tried | Left) -> str:
        """The next event; if it ends otherwise than in reality, how."""
        pod = self._pods.get(each.pod)
        if pod is None or (pod.node_name and isinstance(each, Tried)):
            return ""  # it was placed before the snapshot
        self._stage.now = each.at
        if isinstance(each, Tried):
            return self._try(each, pod)
        self._play.remove_pods([pod])
        return ""

    def counts(self) -> Counts:
        """Those of the end."""
        self._play.request_nodes()
        placed = {pod.uid for pod in self._stage.pods()}
        left = [pod for pod in self._coming if pod.uid not in placed]
        there = {pod.uid for pod in self._was.pods if pod.node_name}
        found = counted([*self._stage.pods(), *left], self._was.policies, self._stage.view.share, there)
        bought = sum(len(order.nodes) for order in self._play.orders) if self._world.group else 0
        return {name: +Counter({**count, BOUGHT: bought}) for name, count in found.items()}

    def _try(self, tried: Tried, pod: Pod) -> str:
        if tried.node and tried.node not in self._stage.view.nodes:
            self._play.request_nodes()  # it was asked for before it came
            self._play.add_nodes([self._nodes[tried.node]])
        self._room.wanted = tried.node
        attempt = self._attempts.get(tried.pod)
        if attempt is None:
            self._attempts[tried.pod] = attempt = self._play.arrive(pod)
        elif attempt.node:
            return f"{tried.pod} is placed already"
        else:
            self._play.retry(attempt)
        difference = _difference(attempt, tried)
        if difference and not attempt.node and tried.until > tried.at:
            self._stage.now = tried.until  # a timer may have ended before the server was asked
            self._play.retry(attempt)
            difference = _difference(attempt, tried)
        return difference


def _paired(coming: Arrivals, came: Iterable[Pod]) -> Iterator[tuple[str, Pod]]:
    """By the name of a pod that came, one that `simulate` made: those of a Deployment are alike."""
    made: defaultdict[str, list[Pod]] = defaultdict(list)
    for pod in coming.new:
        made[coming.scaled[pod.uid]].append(pod)
    for pod in came:
        if likes := made[pod.labels["deployment"]]:
            yield pod.name, likes.pop()


def _difference(attempt: SimulatedAttempt, tried: Tried) -> str:
    """How an attempt ended otherwise than in reality."""
    if attempt.node != tried.node:
        told = [f"on {node}" if node else "nowhere" for node in (tried.node, attempt.node)]
        return f"{tried.pod}: {told[0]} in reality, {told[1]} in the replay"
    rest = tried.told.partition(" preemption:")[0]
    for text in attempt.refusals:
        if text not in rest:
            return f"{tried.pod}: in the replay, but not in reality: {text}"
        rest = rest.replace(text, "")
    if "ResourcePolicy" in rest:
        return f"{tried.pod}: in reality, but not in the replay: {rest}"
    return ""
