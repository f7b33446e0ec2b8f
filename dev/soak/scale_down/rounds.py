"""One round: a workload scales up and down at random moments, and at the end fewer pods are wanted."""

import random
import time
from dataclasses import dataclass

from dev.controlplane import ApiError, ControlPlane, Object
from dev.demo.fixtures import TARGET
from dev.demo.load_generator import Load
from dev.soak.scale_down.fixtures import LIMIT, autoscaler, deployment
from dev.soak.scale_down.recorder import PODS, PodRecorder

__all__ = ["Round", "Stage"]

SHARE = 0.92
"""Of the target, for each pod that a load is meant for: the HPA then settles on that number."""
PAUSE = (0.1, 3.0)
SETTLED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Stage:
    plane: ControlPlane
    load: Load
    sight: PodRecorder


@dataclass(frozen=True, slots=True)
class Round:
    stage: Stage
    name: str
    by_hand: bool
    ready_after: float

    def play(self, seed: int) -> None:
        """Up and down some times, then down; it ends when the number that is wanted last was there."""
        rng = random.Random(seed)  # noqa: S311  a play that can be repeated, not a secret
        sizes = [rng.randint(1, LIMIT) for _ in range(rng.randint(0, 2))] + [rng.randint(4, LIMIT)]
        sizes.append(rng.randint(1, sizes[-1] - 1))
        self._open(patience=rng.randint(0, 2))
        for size in sizes:
            self._want(size)
            time.sleep(rng.uniform(*PAUSE))
            if rng.random() < 1 / 2:
                self._lose_one(rng)
        self._await_settled(sizes[-1])
        self._clear()

    def _open(self, patience: int) -> None:
        api = self.stage.plane.api
        api.create(deployment(self.name, self.ready_after))
        if not self.by_hand:
            self._want(1)
            api.create(autoscaler(self.name, patience))

    def _want(self, replicas: int) -> None:
        if self.by_hand:
            path = self.stage.plane.api.path_of(deployment(self.name))
            self.stage.plane.api.patch(f"{path}/scale", {"spec": {"replicas": replicas}})
        else:
            self.stage.load.offered = replicas * TARGET * SHARE

    def _lose_one(self, rng: random.Random) -> None:
        """As by an eviction: its ReplicaSet makes another, which may find the place of the first."""
        if pods := self._pods():
            try:
                self.stage.plane.api.delete(f"{PODS}/{rng.choice(sorted(pods))}")
            except ApiError as error:
                if error.reason != "NotFound":  # scaled in meanwhile
                    raise

    def _await_settled(self, replicas: int) -> None:
        path = self.stage.plane.api.path_of(deployment(self.name))

        def settled() -> bool:
            found: Object = self.stage.plane.api.get(path)
            wanted = found["spec"]["replicas"] == replicas == found["status"].get("readyReplicas")
            return wanted and len(self._pods()) == replicas

        what = f"{self.name} to have {replicas} pods"
        self.stage.plane.wait(settled, what=what, seconds=SETTLED_SECONDS)

    def _pods(self) -> list[str]:
        return self.stage.sight.present(f"{self.name}-")

    def _clear(self) -> None:
        api = self.stage.plane.api
        if not self.by_hand:
            api.delete(api.path_of(autoscaler(self.name, 0)))
        api.delete(api.path_of(deployment(self.name)))
        self.stage.plane.wait(
            lambda: not api.items(PODS, labelSelector=f"app={self.name}"),
            what=f"the pods of {self.name} to go",
            seconds=SETTLED_SECONDS,
        )
