"""One round on a real control plane: make the world, create the pods, wait, look, clear up.

Owns the steps and their deadlines; must not know how often, nor what the sums are.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from random import Random
from time import monotonic

from campaigns.growth.demand import DC, POOLS, Policy, Round
from campaigns.growth.record import PodStory, Record
from campaigns.growth.stock import out_of_stock
from controlplane import ControlPlane, NodeGroup
from controlplane.api import Object
from controlplane.nodes import GPU
from demo.cluster import WATCHER, Programs, Settings

__all__ = ["GROUPS", "Outcome", "Stage", "play"]

GROUPS = (
    NodeGroup("near", {"pool": "near"}, gpus=1, max_count=20, boot_after="2s"),
    NodeGroup("far", {"pool": "far"}, gpus=1, max_count=20),
    NodeGroup("last", {"pool": "last"}, gpus=1, max_count=20, boot_after="1s"),
)
NODE_GROUPS = {group.name: dict(group.labels) for group in GROUPS}
POLICY_API = "scheduling.alibabacloud.com/v1alpha1"
OURS = ("provisioningrequests", "podtemplates", "pods")
QUIET = 4.0
"""Seconds, some loops of the autoscaler, in which nothing more may be bought."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The plane, and our programs on it. Without `settings` the autoscaler is alone."""

    plane: ControlPlane
    programs: Programs
    settings: Settings | None
    patience: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a round."""

    round: Round
    stories: tuple[PodStory, ...]
    """Of pods that were expected to be placed, or were."""
    bought: Counter[str]
    placed: tuple[Counter[str], ...]
    """Pods by pool, for each policy."""
    seconds: float

    @property
    def expected(self) -> Counter[str]:
        """Nodes that should have been bought, by group."""
        total = sum(self.round.expected, Counter[str]())
        return Counter({pool: total[pool] for pool in POOLS if total[pool]})

    @property
    def spare(self) -> int:
        """Nodes bought and not needed.

        Pods of two policies take each other's nodes, and then the next unit's, as O3 lets them: there the sum
        tells.
        """
        if len(self.round.policies) > 1:
            return max(0, self.bought.total() - self.expected.total())
        return (self.bought - self.expected).total()

    @property
    def astray(self) -> int:
        """Pods that are not where their policy names them, or nowhere though they should be."""
        pairs = zip(self.placed, self.round.expected, strict=True)
        if len(self.round.policies) > 1:
            return sum(max(0, expected.total() - placed.total()) for placed, expected in pairs)
        return sum((expected - placed).total() for placed, expected in pairs)


def play(stage: Stage, round_: Round, *, kills: bool = False) -> Outcome:
    """Play it and leave the plane as it was."""
    names = [f"round-{round_.number}-{n}" for n in range(len(round_.policies))]
    began = monotonic()
    with _world(stage, round_, names), Record(stage.plane.api) as record:
        with _killing(stage, round_.number) if kills else nullcontext():
            _create_all(stage.plane, round_, names)
            _await(stage, lambda: _arrived(stage.plane, round_, names), "the pods", stage.patience)
        _await_quiet(stage, record)
        return Outcome(
            round_,
            tuple(story for name in names for story in record.of(name)),
            record.bought(),
            tuple(_placed(stage.plane, name) for name in names),
            monotonic() - began,
        )


def _arrived(plane: ControlPlane, round_: Round, names: list[str]) -> bool:
    found = (_placed(plane, name).total() for name in names)
    return all(n >= wanted.total() for n, wanted in zip(found, round_.expected, strict=True))


def _await(stage: Stage, question: Callable[[], bool], what: str, seconds: float) -> bool:
    """Whether it came true in time: the outcome tells what did not."""
    try:
        return stage.plane.wait(question, what=what, seconds=seconds)
    except TimeoutError:
        return False


def _await_quiet(stage: Stage, record: Record) -> None:
    last, since = record.bought(), monotonic()

    def quiet() -> bool:
        nonlocal last, since
        if record.bought() != last:
            last, since = record.bought(), monotonic()
        return monotonic() - since > QUIET

    _await(stage, quiet, "quiet", 60)


def _placed(plane: ControlPlane, namespace: str) -> Counter[str]:
    pools = {n["metadata"]["name"]: n["metadata"]["labels"]["pool"] for n in plane.api.items("/api/v1/nodes")}
    pods = plane.api.items(f"/api/v1/namespaces/{namespace}/pods")
    nodes = [pod["spec"].get("nodeName", "") for pod in pods]
    return Counter(pools[node] for node in nodes if node in pools)


@contextmanager
def _world(stage: Stage, round_: Round, names: list[str]) -> Iterator[None]:
    api = stage.plane.api
    for number in range(round_.free):
        stage.plane.create_node(f"dc-{round_.number}-{number}", {"pool": DC})
    for name, policy in zip(names, round_.policies, strict=True):
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        api.create(_manifest(name, policy))
    with out_of_stock(stage.plane, round_.out_of_stock) if round_.out_of_stock else nullcontext():
        yield
    for name in names:
        api.delete(f"/apis/{POLICY_API}/namespaces/{name}/resourcepolicies/gpus")
        for pod in api.items(f"/api/v1/namespaces/{name}/pods"):
            api.delete(f"/api/v1/namespaces/{name}/pods/{pod['metadata']['name']}", grace_seconds=0)
        api.delete(f"/api/v1/namespaces/{name}")
    for number in range(round_.free):
        api.delete(f"/api/v1/nodes/dc-{round_.number}-{number}")
    stage.plane.wait(lambda: not api.items("/api/v1/nodes"), what="the nodes to go", seconds=120)
    stage.plane.wait(lambda: not _left(stage), what="what was asked to be withdrawn", seconds=60)


def _left(stage: Stage) -> list[Object]:
    api, ours = stage.plane.api, "namespaces/resourcepolicy"
    paths = (f"/apis/autoscaling.x-k8s.io/v1/{ours}/provisioningrequests", f"/api/v1/{ours}/podtemplates")
    return [item for path in (*paths, f"/api/v1/{ours}/pods") for item in api.items(path)]


def _manifest(namespace: str, policy: Policy) -> Object:
    units = [
        {
            "resource": "ecs" if unit.pool == DC else "elastic",
            "nodeSelector": {"pool": unit.pool},
            **({} if unit.most is None else {"max": unit.most}),
        }
        for unit in policy.units
    ]
    metadata = {"name": "gpus", "namespace": namespace}
    return {
        "apiVersion": POLICY_API,
        "kind": "ResourcePolicy",
        "metadata": metadata,
        "spec": {"units": units},
    }


def _create_all(plane: ControlPlane, round_: Round, names: list[str]) -> None:
    """Wave after wave, the policies side by side."""
    threads = [
        threading.Thread(target=_create, args=(plane, name, policy, Random(f"{round_.number}/{name}")))  # noqa: S311
        for name, policy in zip(names, round_.policies, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _create(plane: ControlPlane, namespace: str, policy: Policy, dice: Random) -> None:
    pause = threading.Event()
    names = iter(f"pod-{n}" for n in range(policy.pods + 1))
    last = ""
    for wave in policy.waves:
        pause.wait(wave.after)
        for _ in range(wave.pods):
            last = next(names)
            plane.api.create(_pod(namespace, last))
    if policy.replaces:
        pause.wait(dice.uniform(0, 2))
        plane.api.delete(f"/api/v1/namespaces/{namespace}/pods/{last}", grace_seconds=0)
        plane.api.create(_pod(namespace, next(names)))


def _pod(namespace: str, name: str) -> Object:
    container = {"name": "c", "image": "none", "resources": {"limits": {GPU: "1"}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [container]},
    }


@contextmanager
def _killing(stage: Stage, seed: int) -> Iterator[None]:
    """SIGKILL to the watcher at random, and another one a moment later."""
    over, dice = threading.Event(), Random(seed)  # noqa: S311

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
