"""What is told at the end: the verdict, where each pod was, and how long each part took.

A pure function of the last scene.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from dev.demo.checks import SECOND_UNIT, Verdict, at_most, of_unit
from dev.demo.model import Followed, Level, NodeState, Pod, PodState, Scene

__all__ = ["asked_after", "summarise"]

AUTOSCALER_ALONE = "the autoscaler alone takes 30 s for GPU pods"


def summarise(scene: Scene, verdict: Verdict) -> list[str]:
    """The lines at the end."""
    return [*_outcome(scene, verdict), "", *_pod_table(scene), "", *_figures(scene), *_spare(scene)]


def asked_after(scene: Scene) -> float | None:
    """Seconds from the first pod seen pending to the first request seen."""
    pending = min(_times(scene.pods, PodState.PENDING), default=None)
    return _between(pending, _asked(scene))


def _outcome(scene: Scene, verdict: Verdict) -> list[str]:
    if not verdict.good:
        return ["Not as the guide tells it:", *(f"  {fault}" for fault in verdict.faults)]
    most = at_most(of_unit(scene, SECOND_UNIT))
    return [
        f"As the guide tells it: 1 pod in the data centre, {most} on cloud nodes that came for them.",
        "And back: the pods in the cloud went first, then their nodes.",
    ]


def _pod_table(scene: Scene) -> list[str]:
    rows = [("pod", "unit", "node", "deletion cost", "ran from", "until")]
    rows += [
        (
            pod.name,
            _unit_text(scene, pod),
            pod.node or "none",
            pod.cost or "none",
            _seconds(pod.reached(PodState.RUNNING), "never"),
            _seconds(_leaves(pod), "it still runs" if pod.state == PodState.RUNNING else "never"),
        )
        for pod in scene.pods
    ]
    return _aligned(rows)


def _figures(scene: Scene) -> list[str]:
    made = [node for node in scene.nodes if node.group]
    came, went = _last(made, NodeState.READY), _last(made, NodeState.GONE)
    fewer, emptied = _turn(scene.replicas, rising=False), _last(of_unit(scene, SECOND_UNIT), PodState.GONE)
    figures = [
        ("load rose -> HPA wants more", _after_load(scene, rising=True), ""),
        ("pod pending -> node asked for", asked_after(scene), AUTOSCALER_ALONE),
        ("node asked for -> last node ready", _between(_asked(scene), came), "the boot is simulated"),
        (
            "load fell -> HPA wants fewer",
            _after_load(scene, rising=False),
            "it goes by the most that it wanted in 5 s",
        ),
        ("HPA wants fewer -> last pod gone", _between(fewer, emptied), ""),
        ("last pod gone -> last node gone", _between(emptied, went), "unneeded for 5 s, as set here"),
    ]
    return _aligned(
        [(f"{what}:", _seconds(took, "never"), f"({why})" if why else "") for what, took, why in figures]
    )


def _after_load(scene: Scene, *, rising: bool) -> float | None:
    return _between(_turn(scene.load, rising=rising), _turn(scene.replicas, rising=rising))


def _turn(levels: Sequence[Level], *, rising: bool) -> float | None:
    """When they first went up, or down."""
    return next(
        (after.at for before, after in pairwise(levels) if (after.value > before.value) is rising), None
    )


def _spare(scene: Scene) -> Iterator[str]:
    """Nodes that were made, and that no pod ever used."""
    used = {pod.node for pod in scene.pods}
    for node in scene.nodes:
        if node.group and node.name not in used:
            yield f"the node {node.name} was made for nobody"


def _unit_text(scene: Scene, pod: Pod) -> str:
    pool = scene.pool_of(pod)
    if pool is None:
        return "none"
    return f"none ({pool.name})" if pool.unit is None else pool.place


def _leaves(pod: Pod) -> float | None:
    return next(
        (at for state in (PodState.LEAVING, PodState.GONE) if (at := pod.reached(state)) is not None), None
    )


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start


def _asked(scene: Scene) -> float | None:
    return min((request.steps[0].at for request in scene.requests), default=None)


def _last(things: Sequence[Followed], state: str) -> float | None:
    """When all of them had been there."""
    times = _times(things, state)
    return max(times) if times and len(times) == len(things) else None


def _times(things: Sequence[Followed], state: str) -> list[float]:
    return [at for thing in things if (at := thing.reached(state)) is not None]


def _seconds(at: float | None, otherwise: str) -> str:
    return otherwise if at is None else f"{at:.2f} s"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
