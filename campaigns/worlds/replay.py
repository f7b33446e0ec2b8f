"""Whether a difference is the scheduler's choice among the nodes of a unit, and nothing else.

Owns a play of the pods that `simulate` makes, in reality's order, in which each takes the node of its like in
reality wherever the rules let it. Must not know: how worlds are made. If it ends as reality did, then rules
and caps agree, and only free choices differ: which node of a unit, which pod first. They decide in what
pieces the room is left.
"""

import math
import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from author.scenario import arrivals, moment
from author.stage import Furnished
from campaigns.worlds.counts import BOUGHT, Counts, asked, cluster_of, counted
from campaigns.worlds.live import Photo
from campaigns.worlds.world import World
from cluster.settings import Settings
from policy.objects import Pod
from policy.simulation.play import Play, Wanted
from policy.simulation.room import Demand, Room

__all__ = ["replayed"]


@dataclass(slots=True)
class _Steered(Room):
    """Prefers the node that the pod has in reality."""

    taken: Mapping[str, str] = field(default_factory=dict)
    """The node of each pod, by uid."""

    def best(
        self, demand: Demand, pod: Pod, area: Hashable, names: Callable[[], Iterable[str]]
    ) -> str | None:
        name = self.taken.get(pod.uid, "")
        if name in names() and self.admits(demand, pod, name) and self.fits(demand, name):
            return name
        return Room.best(self, demand, pod, area, names)


def replayed(world: World, before: Photo, after: Photo, order: Sequence[str]) -> Counts:
    """The end of such a play. `order`: the names of pods, as the extender was asked about them."""
    was = cluster_of(before)
    now = moment(was)
    with tempfile.TemporaryDirectory() as directory:
        scale, new = asked(world, Path(directory))
        coming = arrivals(scale, str(new) if new else None, was, now, was.policies)
    likes = _likes(before, after, order)
    paired = [(pod, likes[coming.scaled[pod.uid]].popleft()) for pod in coming.new]
    paired.sort(key=lambda pair: pair[1].place)
    taken = {pod.uid: like.node for pod, like in paired}
    taken |= {pod.uid: pod.node_name for pod in cluster_of(after).pods}
    stage = Furnished(was.nodes, was.pods, was.policies, Settings(), now)
    waiting = [pod for pod in was.pods if not (pod.node_name or pod.terminating)]
    wanted = Wanted([pod for pod, _ in paired], waiting, 5.0 if world.group else None)
    play = Play(stage, wanted, room=_Steered(taken=taken))
    play.run()
    left = (attempt.pod for attempt in play.pending() if attempt.pod not in waiting)
    there = {pod.uid for pod in was.pods if pod.node_name}
    counts = counted([*stage.pods(), *left], was.policies, stage.view.share, there)
    bought = sum(len(order.nodes) for order in play.orders) if world.group else 0
    return {name: +Counter({**count, BOUGHT: bought}) for name, count in counts.items()}


@dataclass(frozen=True, slots=True)
class _Like:
    """What became of a pod in reality."""

    place: int
    """In the scheduler's order."""
    node: str


def _likes(before: Photo, after: Photo, order: Sequence[str]) -> Mapping[str, deque[_Like]]:
    """Those that came, by Deployment, of which all are alike: the first place is that of the first bound."""
    places = {name: place for place, name in enumerate(order)}
    there = {pod.uid for pod in cluster_of(before).pods}
    came: defaultdict[str, list[Pod]] = defaultdict(list)
    for pod in cluster_of(after).pods:
        if pod.uid not in there:
            came[pod.labels["deployment"]].append(pod)
    return {name: deque(_in_order(pods, places)) for name, pods in came.items()}


def _in_order(pods: Sequence[Pod], places: Mapping[str, int]) -> Iterator[_Like]:
    """Those that got no node come last: what they might have had, others took in reality."""
    last = len(places)
    asked_about = sorted(places.get(pod.name, last) for pod in pods)
    by_binding = sorted(pods, key=lambda pod: (pod.bound_at or math.inf, places.get(pod.name, last)))
    for place, pod in zip(asked_about, by_binding, strict=True):
        yield _Like(place if pod.node_name else last, pod.node_name)
