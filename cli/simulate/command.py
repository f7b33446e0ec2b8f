"""What `resourcepolicy simulate` does."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import click

from cli import options
from cli.cluster.offline_extender import OfflineExtender
from cli.cluster.snapshot import ClusterSnapshot, snapshot_time
from cli.cluster.source import selected_cluster
from cli.errors import CommandError
from cli.simulate.arrivals import Arrivals, arrivals, policies_in
from cli.simulate.text import SHOWN
from cluster.settings import Settings, load_settings
from policy.api.duration import parse_duration
from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.matching import governing
from policy.simulation.node_scaleup import most_common, node_like, template
from policy.simulation.result import SimulationResult
from policy.simulation.simulator import Scenario, Simulation
from policy.simulation.summary import conclude, counts

__all__ = ["Progress", "simulate"]

_PATIENCE = 1.0


@dataclass(slots=True)
class _Setting:
    """What all simulations of one command share."""

    cluster: ClusterSnapshot
    settings: Settings
    now: float
    nodes_start: float | None
    scale: Sequence[str]
    pod: str | None
    add_nodes: Sequence[str]


@click.command()
@click.option(
    "--policy",
    metavar="FILE",
    help="The policy to try, in place of the one of that name in the cluster. Without it: the cluster's own.",
)
@options.SNAPSHOT
@options.LIVE
@options.KUBECONFIG
@click.option(
    "--scale",
    multiple=True,
    metavar="NAME=N",
    help="A workload and how many pods it is to have; may be repeated. NAMESPACE/NAME if two are called so.",
)
@click.option(
    "--pod",
    metavar="FILE",
    help="A Deployment, Job, Pod, ... that is not in the cluster yet; as many pods as it says, or --scale.",
)
@click.option(
    "--add-nodes", multiple=True, metavar="UNIT=N", help="N more nodes in a unit, like those that it has."
)
@click.option(
    "--nodes-start",
    metavar="DURATION",
    help="Let the nodes that an autoscaler is asked for come after this time. Without it: they never come.",
)
@click.option("--compare", metavar="FILE", help="Another policy, played in the same way, side by side.")
@options.CONFIG
@click.option(
    "--output", "-o", "form", type=click.Choice(["text", "json", "html"]), default="text", show_default=True
)
def simulate(
    policy: str | None,
    snapshot: str | None,
    kubeconfig: Path | None,
    scale: Sequence[str],
    pod: str | None,
    add_nodes: Sequence[str],
    nodes_start: str | None,
    compare: str | None,
    config: Path | None,
    form: str,
    *,
    live: bool,
) -> None:
    """See what a policy would do, before it does it.

    Nothing is asked of the cluster but what it holds. Pods arrive one by one, as after `kubectl scale`, and
    each is answered as the extender would answer kube-scheduler; in-tree, resources, taints, node selectors
    and required node affinity are looked at. It tells how many pods land in each unit, when they spill, what
    stays pending and why, what an autoscaler would be asked for, and what scale-in takes first.

    Example: resourcepolicy simulate --policy web.yaml --snapshot cluster.yaml --scale web=12
    """
    cluster = selected_cluster(snapshot, kubeconfig, live=live)
    if cluster is None:
        raise CommandError("simulate needs a cluster; give --snapshot FILE, - for stdin, or --live")
    settings, now = load_settings(config), snapshot_time(cluster)
    setting = _Setting(cluster, settings, now, _seconds(nodes_start), scale, pod, add_nodes)
    played = [_played(setting, policy)]
    if compare:
        played.append(_played(setting, compare))
    click.echo(SHOWN[form](played))


def _seconds(written: str | None) -> float | None:
    try:
        return None if written is None else parse_duration(written)
    except ValueError as error:
        raise CommandError(f"--nodes-start: {error}") from None


def _played(setting: _Setting, name: str | None) -> tuple[str, list[SimulationResult]]:
    """One play; what it is called, and the answers for each policy that governs a pod of it."""
    cluster = setting.cluster
    mine = policies_in(name, setting.now, cluster.policies) if name else []
    replaced = {policy.key for policy in mine}
    there = [*mine, *(policy for policy in cluster.policies if policy.key not in replaced)]
    coming = arrivals(setting.scale, setting.pod, cluster, setting.now, there)
    simulated = OfflineExtender(cluster.nodes, cluster.pods, there, setting.settings, setting.now)
    waiting = [
        replace(pod, nominated_node="")
        for pod in cluster.pods
        if not (pod.node_name or pod.finished or pod.terminating or pod.gated)
    ]
    simulation = Simulation(simulated, Scenario(coming.new, waiting, setting.nodes_start))
    subjects = mine or _governing([*coming.new, *waiting], there)
    notes = (*_add_nodes(setting, simulated, subjects, coming), *_ungoverned(coming, waiting, there, setting))
    before = {policy.key: counts(simulated, policy) for policy in subjects}
    with Progress(len(coming.new) + len(waiting)) as progress:
        simulation.progress = progress
        simulation.run()
    outcomes = [
        conclude(
            simulation,
            policy,
            before[policy.key],
            coming.scaled,
            coming.excess,
            (*notes, *_not_sent(setting, simulated, [*coming.new, *waiting], policy)),
        )
        for policy in subjects
    ]
    return name or "the cluster's policies", outcomes


def _governing(pods: Sequence[Pod], there: Sequence[ResourcePolicy]) -> list[ResourcePolicy]:
    """The policies that are meant to govern any of the pods."""
    keys = {policy.key for pod in pods if (policy := governing(pod, there)) is not None}
    return [policy for policy in there if policy.key in keys]


def _ungoverned(
    coming: Arrivals, waiting: Sequence[Pod], there: Sequence[ResourcePolicy], setting: _Setting
) -> tuple[str, ...]:
    """What arrives without a policy, or that nothing does: an answer of zeros says neither."""
    if not (coming.new or waiting or setting.scale or setting.pod):
        return ("nothing arrives; say what is to: --scale NAME=N, or --pod FILE",)
    without = [pod for pod in coming.new if governing(pod, there) is None]
    if not without:
        return ()
    note = (
        f"no policy governs {len(without)} of the pods that arrive, for example {without[0].name} in "
        f"namespace {without[0].namespace}: compare namespace and labels with the selector (M1, M2)"
    )
    return (note,)


def _not_sent(
    setting: _Setting, simulated: OfflineExtender, pods: Sequence[Pod], policy: ResourcePolicy
) -> tuple[str, ...]:
    """M8, where it keeps pods from their policy."""
    there = [pod for pod in pods if not simulated.sends(pod) and governing(pod, (policy,))]
    if not there:
        return ()
    resources = " or ".join(setting.settings.watcher.managed_resources)
    note = (
        f"{len(there)} pod(s) request no {resources}, for example {there[0].name}: kube-scheduler does not "
        "ask about them, and they go wherever there is room (M8). If yours asks, give a --config whose "
        "watcher.managed_resources says so"
    )
    return (note,)


def _add_nodes(
    setting: _Setting, simulated: OfflineExtender, subjects: Sequence[ResourcePolicy], coming: Arrivals
) -> tuple[str, ...]:
    """Nodes like those that the unit has, and a note where there is none to take after."""
    notes = []
    for written in setting.add_nodes:
        policy, unit, number = _addition(written, subjects)
        pod = next((p for p in coming.new if simulated.governing(p) == policy), None)
        model = (
            template(policy, unit, simulated.view, pod) if pod else most_common(policy, unit, simulated.view)
        )
        if model is None:
            raise CommandError(
                f"--add-nodes {written}: units[{unit}] has no node to take the size from; "
                "let a pod arrive (--scale) that a node is to hold"
            )
        if not model.like:
            notes.append(f"units[{unit}] has no node: each added one is taken to hold one pod")
        for index in range(number):
            simulated.add_node(node_like(model, f"added-{policy.name}-{unit}-{index}"))
    return tuple(notes)


def _addition(written: str, subjects: Sequence[ResourcePolicy]) -> tuple[ResourcePolicy, int, int]:
    place, _, number = written.partition("=")
    name, _, unit = place.rpartition("/")
    if not (unit.isdecimal() and number.isdecimal()):
        raise CommandError(f"--add-nodes {written}: write UNIT=N, a unit's index and how many nodes: 1=4")
    named = [policy for policy in subjects if name in ("", policy.name)]
    if len(named) != 1:
        names = ", ".join(policy.name for policy in subjects) or "none"
        raise CommandError(f"--add-nodes {written}: write POLICY/UNIT=N; the policies here: {names}")
    if int(unit) >= len(named[0].units):
        last = len(named[0].units) - 1
        raise CommandError(f"--add-nodes {written}: {named[0].name} has units 0 to {last}; write one of them")
    return named[0], int(unit), int(number)


class Progress:
    """A bar on stderr, if it is a terminal and the play takes long."""

    def __init__(self, total: int) -> None:
        self._started = time.monotonic()
        self._bar = click.progressbar(length=total, label="pods", file=sys.stderr)
        self._shown = False
        self._one_play = 0

    def __call__(self, done: int, total: int) -> None:
        if not sys.stderr.isatty() or (done % 100 and done != total):
            return
        if not self._shown and time.monotonic() - self._started < _PATIENCE:
            return
        if not self._shown:
            self._bar.__enter__()
            self._shown = True
        self._bar.update(done - self._one_play)
        self._one_play = done

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._bar.__exit__(None, None, None)
