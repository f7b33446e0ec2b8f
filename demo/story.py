"""What happens, step by step, and what each step waits for.

Owns: the order and the words of the phases. Must not know: how anything is shown, or who runs the programs.
Every wait ends as soon as all pods run, so that the story is told to its end however they came to run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from controlplane import Api
from demo.guide import CLOUD, DEPLOYMENT, deployment
from demo.scene import Node, NodeState, Pod, PodState, Request, Scene

__all__ = ["REPLICAS", "Stage", "Until", "play"]

REPLICAS = 3
STEP_SECONDS = 60.0  # more than the 30 s after which the autoscaler acts by itself


class Until(Protocol):
    """Wait for the first truthy answer, or raise TimeoutError."""

    def __call__(self, question: Callable[[], bool], *, what: str, seconds: float) -> object: ...


@dataclass(frozen=True, slots=True)
class Stage:
    api: Api
    scene: Callable[[], Scene]
    enter: Callable[[str], None]
    until: Until


def play(stage: Stage) -> None:
    _one_replica(stage)
    _three_replicas(stage)
    _asked(stage)
    _nodes_came(stage)
    _all_run(stage)


def _one_replica(stage: Stage) -> None:
    stage.enter("1 replica -> data centre")
    stage.api.create(deployment(1))
    _until(stage, lambda scene: len(_running(scene)) == 1, what="the first pod to run")


def _three_replicas(stage: Stage) -> None:
    stage.enter(f"{REPLICAS} replicas: data centre is full")
    path = stage.api.path_of(deployment(REPLICAS))
    stage.api.patch(f"{path}/scale", {"spec": {"replicas": REPLICAS}})


def _asked(stage: Stage) -> None:
    wanted = REPLICAS - 1
    _until(
        stage,
        lambda scene: sum(request.count for request in _requests(scene)) >= wanted,
        what=f"a request for {wanted} nodes in {CLOUD.name}",
    )
    if count := sum(request.count for request in _requests(stage.scene())):
        stage.enter(f"asked the autoscaler for {count} nodes in {CLOUD.name}")


def _nodes_came(stage: Stage) -> None:
    wanted = REPLICAS - 1
    _until(
        stage, lambda scene: len(_made(scene)) >= wanted, what=f"{wanted} nodes of {CLOUD.name} to be ready"
    )
    stage.enter("nodes came")


def _all_run(stage: Stage) -> None:
    _until(stage, lambda _: False, what=f"{REPLICAS} pods to run")
    stage.enter(f"all {REPLICAS} pods of {DEPLOYMENT} run")


def _until(stage: Stage, true: Callable[[Scene], bool], *, what: str) -> None:
    def reached() -> bool:
        scene = stage.scene()
        return true(scene) or len(_running(scene)) == REPLICAS

    stage.until(reached, what=what, seconds=STEP_SECONDS)


def _running(scene: Scene) -> list[Pod]:
    return [pod for pod in scene.pods if pod.state == PodState.RUNNING]


def _requests(scene: Scene) -> list[Request]:
    return [request for request in scene.requests if request.pool == CLOUD.identity]


def _made(scene: Scene) -> list[Node]:
    return [node for node in scene.nodes if node.pool == CLOUD.identity and node.state == NodeState.READY]
