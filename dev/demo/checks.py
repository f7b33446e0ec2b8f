"""Whether the story was the guide's, there and back.

A pure function of the last scene, which remembers all that came before.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dev.demo.model import NodeState, Pod, PodState, Scene, counted, span

__all__ = ["FIRST_UNIT", "SECOND_UNIT", "Verdict", "at_most", "judge", "of_unit"]

FIRST_UNIT, SECOND_UNIT = 0, 1


@dataclass(frozen=True, slots=True)
class Verdict:
    faults: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return not self.faults


def judge(scene: Scene, replicas: int) -> Verdict:
    """One pod in the first unit throughout, all others on nodes that came for them, and these given back."""
    return Verdict((*_throughout(scene), *_at_the_height(scene, replicas), *_at_the_end(scene)))


def of_unit(scene: Scene, unit: int) -> list[Pod]:
    """The pods that were placed there, those that are gone included."""
    return [pod for pod in scene.pods if (pool := scene.pool_of(pod)) and pool.unit == unit]


def at_most(pods: list[Pod]) -> int:
    """How many of them ran at the same time."""
    return max(int(level.value) for level in counted(span(pod, PodState.RUNNING) for pod in pods))


def _throughout(scene: Scene) -> Iterator[str]:
    levels = counted(span(pod, PodState.RUNNING) for pod in of_unit(scene, FIRST_UNIT))
    start = next((number for number, level in enumerate(levels) if level.value), None)
    if start is None:
        yield "no pod ran in the data centre"
        return
    for level in levels[start:]:
        if level.value != 1:
            yield f"{_pods(int(level.value))} in the data centre at {level.at:.1f} s, 1 expected"


def _at_the_height(scene: Scene, replicas: int) -> Iterator[str]:
    bought = [pod for pod in of_unit(scene, SECOND_UNIT) if _bought(scene, pod)]
    if (most := at_most(bought)) != replicas - 1:
        yield f"{_pods(most)} on cloud nodes that the autoscaler made, {replicas - 1} expected"
    if not scene.requests:
        yield "nobody asked the autoscaler for nodes: what came, it made by itself"


def _at_the_end(scene: Scene) -> Iterator[str]:
    for pod in scene.pods:
        if pod.state not in {PodState.RUNNING, PodState.GONE}:
            yield f"{pod.name} is {pod.state}" + (f": {pod.detail}" if pod.detail else "")
    for pod in of_unit(scene, SECOND_UNIT):
        if pod.state == PodState.RUNNING:
            yield f"{pod.name} still runs in the cloud"
    for node in scene.nodes:
        if scene.pool(node.pool).unit == SECOND_UNIT and node.state != NodeState.GONE:
            yield f"the cloud node {node.name} is still there"


def _bought(scene: Scene, pod: Pod) -> bool:
    node = scene.node(pod.node)
    return bool(node and node.group)


def _pods(count: int) -> str:
    return "1 pod" if count == 1 else f"{count} pods"
