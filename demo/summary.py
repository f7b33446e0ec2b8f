"""What the story came to: whether it is the guide's, and the figures.

Owns: the verdict and the text at the end. Must not know: a terminal, or how anything was observed.
A pure function of the last scene.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from demo.scene import Node, NodeState, Pod, PodState, Request, RequestState, Scene

__all__ = ["Verdict", "asked_after", "judge", "summarise"]

FIRST_UNIT, SECOND_UNIT = 0, 1
AUTOSCALER_ALONE = "the autoscaler alone takes 30 s for GPU pods"


@dataclass(frozen=True, slots=True)
class Verdict:
    faults: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return not self.faults


def judge(scene: Scene, replicas: int) -> Verdict:
    """Whether one pod runs in the first unit, all others on nodes of the second that were asked for."""
    running = [pod for pod in scene.pods if pod.state == PodState.RUNNING]
    edge = [pod for pod in running if _unit(scene, pod) == FIRST_UNIT]
    cloud = [pod for pod in running if _unit(scene, pod) == SECOND_UNIT and _bought(scene, pod)]
    faults = []
    if len(edge) != 1:
        faults.append(f"{_pods(len(edge))} on the node of the data centre, 1 expected")
    if len(cloud) != replicas - 1:
        faults.append(f"{_pods(len(cloud))} on cloud nodes that the autoscaler made, {replicas - 1} expected")
    if not scene.requests:
        faults.append("nobody asked the autoscaler for nodes: what came, it made by itself")
    faults += [
        f"{pod.name} is {pod.state}" + (f": {pod.detail}" if pod.detail else "")
        for pod in scene.pods
        if pod.state not in {PodState.RUNNING, PodState.GONE}
    ]
    return Verdict(tuple(faults))


def asked_after(scene: Scene) -> float | None:
    """Seconds from the first pod seen pending to the first request seen."""
    pending = _first(scene.pods, PodState.PENDING)
    asked = _first(scene.requests, RequestState.ASKED, RequestState.ACCEPTED, RequestState.PROVISIONED)
    return None if pending is None or asked is None else asked - pending


def summarise(scene: Scene, verdict: Verdict) -> list[str]:
    """The lines at the end."""
    return [*_outcome(scene, verdict), "", *_pod_table(scene), "", *_figures(scene)]


def _outcome(scene: Scene, verdict: Verdict) -> list[str]:
    if verdict.good:
        made = sum(_bought(scene, pod) for pod in scene.pods if pod.state == PodState.RUNNING)
        return [f"As the guide tells it: 1 pod in the data centre, {made} on cloud nodes that came for them."]
    return ["Not as the guide tells it:", *(f"  {fault}" for fault in verdict.faults)]


def _pod_table(scene: Scene) -> list[str]:
    rows = [("pod", "unit", "node", "created -> running")]
    rows += [
        (pod.name, _unit_text(scene, pod), pod.node or "none", _span(pod, PodState.CREATED, PodState.RUNNING))
        for pod in scene.pods
        if pod.state != PodState.GONE
    ]
    return _aligned(rows)


def _figures(scene: Scene) -> list[str]:
    waited = asked_after(scene)
    asked = "never" if waited is None else f"{waited:.2f} s"
    return [
        f"pod pending -> node asked for: {asked} ({AUTOSCALER_ALONE})",
        *_coming(scene),
        *_made(scene),
    ]


def _made(scene: Scene) -> list[str]:
    used = {pod.node for pod in scene.pods if pod.state != PodState.GONE}
    made = [node for node in scene.nodes if node.group and node.state != NodeState.GONE]
    spare = sum(node.name not in used for node in made)
    lines = [f"nodes made: {len(made)}"]
    if spare:
        lines[0] += f", {spare} of them empty: more than was asked for; the autoscaler removes them again"
    return lines + [f"  {node.name}" + ("" if node.name in used else "  (empty)") for node in made]


def _coming(scene: Scene) -> list[str]:
    asked = _first(scene.requests, RequestState.ASKED)
    ready = [at for node in scene.nodes if node.group and (at := node.reached(NodeState.READY)) is not None]
    if asked is None or not ready:
        return []
    return [f"node asked for -> last node ready: {max(ready) - asked:.2f} s (the boot is simulated)"]


def _unit(scene: Scene, pod: Pod) -> int | None:
    pool = scene.pool_of(pod)
    return pool.unit if pool else None


def _unit_text(scene: Scene, pod: Pod) -> str:
    pool = scene.pool_of(pod)
    if pool is None:
        return "none"
    return f"none ({pool.name})" if pool.unit is None else pool.place


def _bought(scene: Scene, pod: Pod) -> bool:
    node = scene.node(pod.node)
    return bool(node and node.group)


def _span(thing: Pod | Node | Request, start: str, end: str) -> str:
    first, last = thing.reached(start), thing.reached(end)
    return "not yet" if first is None or last is None else f"{last - first:.2f} s"


def _first(things: Sequence[Pod | Request], *states: str) -> float | None:
    times = [at for thing in things for state in states if (at := thing.reached(state)) is not None]
    return min(times, default=None)


def _pods(count: int) -> str:
    return "1 pod" if count == 1 else f"{count} pods"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
