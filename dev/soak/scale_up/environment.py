"""The plane of a campaign: our programs beside the real autoscaler, with a set of node groups for each lane.

A lane is where one round is played: rounds of different lanes share the autoscaler and the watcher, and no
nodes.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random

from dev.controlplane import ControlPlane, NodeGroup
from dev.controlplane.api import Object
from dev.harness.program import Settings, apply_manifests
from dev.harness.programs import Programs
from dev.harness.watcher import WATCHER

__all__ = ["Stage", "hold_at_birth", "killing", "node_groups", "staged"]

_STATUS = "/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status"
_SHORT = ("--initial-node-group-backoff-duration=5s", "--max-node-group-backoff-duration=10s")
"""The autoscaler's own back-off after a refusal; five minutes by default."""
_BOOTS = {"near": "2s", "far": "", "last": "1s"}


@dataclass(frozen=True, slots=True)
class Stage:
    """Without `settings` the autoscaler is alone. `patience` is how long a round's pods may take."""

    plane: ControlPlane
    programs: Programs
    settings: Settings | None
    patience: float
    lane: int = 0
    held: bool = False
    """Whether pods are born held, so that the autoscaler never sees one that is not."""
    sizes: int = 1
    """Pods differ in their CPUs; each takes a node, for its GPU."""
    policies: int = 2
    """The most that share the pools in a round."""

    @property
    def taint(self) -> Object:
        """Of its nodes: the autoscaler keeps an idle one for any pending pod that may use it."""
        return _taint(self.lane)

    def pool(self, name: str) -> str:
        """The label of a pool's nodes, and the name of its group."""
        return f"{name}-{self.lane}"


def node_groups(lanes: int) -> list[NodeGroup]:
    """One node, one GPU; some boot slowly."""
    return [
        NodeGroup(
            f"{name}-{lane}",
            {"pool": f"{name}-{lane}"},
            gpus=1,
            max_count=20,
            boot_after=boot,
            taints=[_taint(lane)],
        )
        for lane in range(lanes)
        for name, boot in _BOOTS.items()
    ]


def _taint(lane: int) -> Object:
    return {"key": "lane", "value": str(lane), "effect": "NoSchedule"}


@contextmanager
def staged(settings: Settings, patience: float, lanes: int) -> Iterator[Stage]:
    """All but the watcher runs, and the autoscaler has done its first loop."""
    with ControlPlane() as plane, Programs(plane) as programs:
        programs.install("served-once", "placeholder")
        programs.start_extender({"handover_grace_seconds": 0})
        plane.start_autoscaler(node_groups(lanes), *_SHORT)
        plane.wait(lambda: "nodeGroups" in plane.api.get(_STATUS)["data"]["status"], what="its first loop")
        yield Stage(plane, programs, settings, patience)


def hold_at_birth(stage: Stage) -> Stage:
    """Have pods held as they are created."""
    apply_manifests(stage.plane, "hold-at-birth")
    return replace(stage, held=True)


@contextmanager
def killing(stage: Stage, seed: int) -> Iterator[None]:
    """SIGKILL to the watcher at random, and another one a moment later."""
    over, dice = threading.Event(), Random(seed)  # noqa: S311  not for secrets

    def kill() -> None:
        while not over.wait(dice.uniform(0.5, 5)):
            stage.programs.kill(WATCHER)
            over.wait(dice.uniform(0, 1.5))
            stage.programs.start_watcher(stage.settings)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
