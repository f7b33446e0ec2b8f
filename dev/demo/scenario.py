"""What happens, step by step, and what each step waits for.

Nothing here sets replicas: the load changes, and the HPA does
the rest. Every wait of a half ends as soon as that half's end is reached, so that the story is told to its
end however it came about.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dev.controlplane import Api
from dev.demo.fixtures import CLOUD, DEPLOYMENT, TARGET, autoscaler, deployment
from dev.demo.model import Node, NodeState, Pod, PodState, Request, Scene

__all__ = ["REPLICAS", "Stage", "Until", "play"]

QUIET, BUSY = 30.0, 140.0  # percent of one GPU: work for one pod, and for three
REPLICAS = 3
STEP_SECONDS = 60.0  # more than the 30 s after which the autoscaler acts by itself
QUIET_SECONDS, BUSY_SECONDS, END_SECONDS = 2.0, 4.0, 1.0  # long enough to be seen


class Until(Protocol):
    """Wait for the first truthy answer, or raise TimeoutError."""

    def __call__(self, question: Callable[[], bool], *, what: str, seconds: float) -> object: ...


class Enter(Protocol):
    """The story goes on; `mark` is how the timeline calls this moment."""

    def __call__(self, phase: str, mark: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class Stage:
    api: Api
    scene: Callable[[], Scene]
    enter: Enter
    offer: Callable[[float], None]
    """A load, in percent of one GPU."""
    until: Until


def play(stage: Stage) -> None:
    _one_replica(stage)
    _there(stage)
    _back(stage)


def _one_replica(stage: Stage) -> None:
    stage.enter("1 replica -> data centre")
    stage.offer(QUIET)
    stage.api.create(deployment())
    stage.api.create(autoscaler())
    _until(stage, lambda scene: len(_running(scene)) == 1, what="the first pod to run")
    _until(stage, lambda scene: bool(scene.average), what="the HPA to read the metric")
    _linger(stage, QUIET_SECONDS)


def _there(stage: Stage) -> None:
    stage.enter(f"the load rises to {BUSY:g} % of a GPU, the HPA's target is {TARGET} %", "load rises")
    stage.offer(BUSY)
    _half(stage, lambda scene: _wanted(scene) == REPLICAS, what=f"the HPA to want {REPLICAS} replicas")
    stage.enter(f"the HPA wants {REPLICAS} replicas: data centre is full")
    nodes = REPLICAS - 1
    _half(stage, lambda scene: _asked(scene) >= nodes, what=f"a request for {nodes} nodes in {CLOUD.name}")
    if count := _asked(stage.scene()):
        stage.enter(f"asked the autoscaler for {count} nodes in {CLOUD.name}", f"asked for {count} nodes")
    _half(stage, lambda scene: len(_ready(scene)) >= nodes, what=f"{nodes} nodes of {CLOUD.name} to be ready")
    stage.enter("nodes came", "nodes came")
    _until(stage, _all_run, what=f"{REPLICAS} pods to run")
    stage.enter(f"all {REPLICAS} pods of {DEPLOYMENT} run")
    _until(stage, lambda scene: all(_costs(scene)), what="the deletion costs of the pods in the cloud")
    if costs := sorted(set(_costs(stage.scene()))):
        stage.enter(f"the pods in the cloud are to go first: their deletion cost is {' and '.join(costs)}")
    _linger(stage, BUSY_SECONDS)


def _back(stage: Stage) -> None:
    stage.enter(f"the load falls to {QUIET:g} % of a GPU", "load falls")
    stage.offer(QUIET)
    _until(stage, lambda scene: _wanted(scene) == 1, what="the HPA to want 1 replica")
    stage.enter("the HPA wants 1 replica: the last unit is emptied first")
    _until(stage, lambda scene: len(_present(scene)) == 1, what="1 pod to remain")
    stage.enter("scaled in; the autoscaler removes what is not needed any more", "scaled in")
    _until(stage, lambda scene: not _idle(scene), what=f"the empty nodes of {CLOUD.name} to be removed")
    stage.enter("no empty node is left", "nodes gone")
    _linger(stage, END_SECONDS)


def _half(stage: Stage, true: Callable[[Scene], bool], *, what: str) -> None:
    _until(stage, lambda scene: true(scene) or _all_run(scene), what=what)


def _until(stage: Stage, true: Callable[[Scene], bool], *, what: str) -> None:
    stage.until(lambda: true(stage.scene()), what=what, seconds=STEP_SECONDS)


def _linger(stage: Stage, seconds: float) -> None:
    end = stage.scene().now + seconds
    _until(stage, lambda scene: scene.now >= end, what="time to pass")


def _all_run(scene: Scene) -> bool:
    return len(_running(scene)) == REPLICAS


def _running(scene: Scene) -> list[Pod]:
    return [pod for pod in scene.pods if pod.state == PodState.RUNNING]


def _costs(scene: Scene) -> list[str]:
    """Those of the pods in the cloud; "" where none is written."""
    cloud = {node.name for node in _cloud(scene)}
    return [pod.cost for pod in _running(scene) if pod.node in cloud]


def _present(scene: Scene) -> list[Pod]:
    return [pod for pod in scene.pods if pod.state != PodState.GONE]


def _wanted(scene: Scene) -> int:
    return int(scene.replicas[-1].value) if scene.replicas else 0


def _asked(scene: Scene) -> int:
    return sum(request.count for request in _requests(scene))


def _requests(scene: Scene) -> list[Request]:
    return [request for request in scene.requests if request.pool == CLOUD.identity]


def _ready(scene: Scene) -> list[Node]:
    return [node for node in _cloud(scene) if node.state == NodeState.READY]


def _idle(scene: Scene) -> list[Node]:
    used = {pod.node for pod in _present(scene)}
    return [node for node in _cloud(scene) if node.state != NodeState.GONE and node.name not in used]


def _cloud(scene: Scene) -> list[Node]:
    return [node for node in scene.nodes if node.pool == CLOUD.identity]
