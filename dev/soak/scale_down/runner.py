"""The plane on which the rounds are played, and what came of them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from dev.controlplane import QUICK_HPA, ControlPlane, CustomMetrics, PlaneOptions
from dev.demo.fixtures import METRIC
from dev.demo.load_generator import Load
from dev.harness.programs import Programs
from dev.soak.scale_down.checks import Choice, Looked
from dev.soak.scale_down.fixtures import POOL, SELECTOR, UNITS, policy
from dev.soak.scale_down.kcm_log import VERBOSITY, Logged, choices
from dev.soak.scale_down.recorder import PodRecorder
from dev.soak.scale_down.rounds import Round, Stage

__all__ = ["Outcome", "played"]

CONTROLLERS = "kube-controller-manager"
TOLERANCE = "--horizontal-pod-autoscaler-tolerance=0.01"  # so that every number of replicas is reached


@dataclass(frozen=True, slots=True)
class Outcome:
    choices: tuple[Choice, ...]
    written_after: tuple[float, ...]
    """Seconds from a pod's binding to its cost."""


def played(
    rounds: int,
    seed: int,
    told: Callable[[], object],
    *,
    by_hand: bool,
    costs: bool = True,
    ready_after: float = 0.0,
) -> Outcome:
    """Without `costs` the watcher does not run: what Kubernetes does by itself."""
    with _stage(costs=costs) as stage:
        for number in range(rounds):
            Round(stage, f"round-{number}", by_hand, ready_after).play(seed + number)
            told()
        lines = stage.plane.log(CONTROLLERS).read_text().splitlines()
        logged = choices(lines, datetime.now(UTC).astimezone())
        made = tuple(_choice(stage.sight, one) for one in logged if one.pods)
        return Outcome(made, tuple(stage.sight.written_after()))


@contextmanager
def _stage(*, costs: bool) -> Iterator[Stage]:
    flags = {CONTROLLERS: (*QUICK_HPA[CONTROLLERS], TOLERANCE, VERBOSITY)}
    with ExitStack() as opened:
        plane = opened.enter_context(ControlPlane(PlaneOptions(flags=flags)))
        load = Load(plane.api)
        opened.enter_context(CustomMetrics(plane, {METRIC: load}))
        programs = opened.enter_context(Programs(plane))
        programs.install()
        units = _create_nodes(plane)
        programs.start_extender()
        if costs:
            programs.start_watcher()
        plane.api.create(policy())
        yield Stage(plane, load, opened.enter_context(PodRecorder(plane.api, units, SELECTOR)))


def _create_nodes(plane: ControlPlane) -> dict[str, int]:
    """The unit of each node."""
    units = {}
    for unit, (pool, count) in enumerate(UNITS.items()):
        for number in range(count):
            name = f"{pool}-{number}"
            plane.create_node(name, {POOL: pool})
            units[name] = unit
    return units


def _choice(sight: PodRecorder, logged: Logged) -> Choice:
    there = {pod.name: pod for pod in sight.looked(logged.at, f"{logged.replica_set}-")}
    # One that we had not seen yet was new: on no node, as far as we know.
    went = tuple(there.pop(name, Looked(name, None, ready=False, cost=0)) for name in logged.pods)
    return Choice(logged.at, logged.replica_set, went, tuple(there.values()))
