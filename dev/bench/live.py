"""A real kube-scheduler on KWOK nodes: pods bound per second, and whose CPU a pod costs."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from dev.bench.machine import used
from dev.bench.schedulers import Variant, bind, extending, pile_up, set_up
from dev.bench.stacks import brief, ceiling, kinds
from dev.controlplane import ControlPlane

__all__ = ["Measured", "measure", "told"]

_PROGRAMS = ("kube-scheduler", "kube-apiserver", "etcd", "kube-controller-manager", "kwok")
_POOLS = ("dc", "cloud")
_QUIET_SECONDS = 3.0
_IDLE_SECONDS = 10.0
_SETTLE_SECONDS = 20.0
"""New nodes make work for a while."""
_NONE, _WITH_MOST = "no extender", "ours, filter"
_HEAD = """# Whole schedulers

`python -m dev.bench live` wrote this: {machine}; load of the machine before: {loads[0]:.2f},
after: {loads[1]:.2f} (its own share is about 2).

A real kube-scheduler, apiserver and etcd with {nodes} KWOK nodes; {pods} pods are there when the scheduler
starts. Pods bound per second: median of {rounds} runs (lowest to highest). The other columns are milliseconds
of CPU per pod, by program, from the start of the scheduler until 3 s after the last pod was bound. With
nothing to do the plane takes {idle} ms a second, for the heartbeats of its nodes above all: a run that lasts
longer has more of it in each pod. Every variant has percentageOfNodesToScore 100, which order needs.
*ceiling* is `dev/bench/ceiling.py`, which answers with half of the names and reads nothing else: what is lost
with it is lost with any extender. *brief* is with the settings `refused_nodes: one` and
`scored_nodes: sampled`.

"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one variant."""

    variant: str
    nodes: int
    bound_at: Sequence[float]
    cpu_ms: dict[str, float]
    """Milliseconds per pod, by program, until all was quiet again."""
    idle_ms: float
    """Milliseconds a second that all programs take with nothing to do."""

    @property
    def pods(self) -> int:
        return len(self.bound_at)

    @property
    def rate(self) -> float:
        """Pods a second, the slow first tenth left out."""
        ordered = sorted(self.bound_at)
        first = len(ordered) // 10
        return (len(ordered) - 1 - first) / (ordered[-1] - ordered[first])


def measure(
    peer: Path, nodes: int, pods: int, rounds: int, note: Callable[[str], None]
) -> Iterator[Measured]:
    """Each variant in turn, `rounds` times."""
    with ControlPlane() as plane:
        set_up(plane, nodes, _POOLS)
        idle = _idle(plane)
        variants = _variants(peer, plane.directory)
        for number in range(rounds):
            first = number % len(variants)
            for variant in (*variants[first:], *variants[:first]):
                measured = _run(plane, variant, pods, idle)
                note(f"{variant.name}: {measured.rate:.0f} pods/s")
                yield measured


def _variants(peer: Path, directory: Path) -> Sequence[Variant]:
    ours, go, _ = kinds(peer, directory)
    return (
        Variant(_NONE),
        Variant("ceiling, filter", ceiling()),
        Variant("Go, filter", go),
        Variant(_WITH_MOST, ours),
        Variant("ours, filter, brief", brief(directory)),
        Variant("Go, filter + prioritize", go, prioritized=True),
        Variant("ours, filter + prioritize", ours, prioritized=True),
    )


def _run(plane: ControlPlane, variant: Variant, pods: int, idle: float) -> Measured:
    pile_up(plane, variant, pods)
    with extending(plane, variant) as group:
        groups = _groups(plane, group)
        before = _cpu_ms(groups)
        times = bind(plane, pods)
        groups["kube-scheduler"] = plane.pid("kube-scheduler")
        time.sleep(_QUIET_SECONDS)
        after = _cpu_ms(groups)
    nodes = len(plane.api.items("/api/v1/nodes"))
    cpu = {name: (after[name] - before.get(name, 0.0)) / pods for name in after}
    return Measured(variant.name, nodes, times, cpu, idle)


def _idle(plane: ControlPlane) -> float:
    """Milliseconds of CPU a second while no pod comes."""
    groups = {name: plane.pid(name) for name in _PROGRAMS}
    time.sleep(_SETTLE_SECONDS)
    before, began = sum(_cpu_ms(groups).values()), time.monotonic()
    time.sleep(_IDLE_SECONDS)
    return (sum(_cpu_ms(groups).values()) - before) / (time.monotonic() - began)


def _cpu_ms(groups: Mapping[str, int]) -> dict[str, float]:
    return {name: used(group).cpu_seconds * 1e3 for name, group in groups.items()}


def _groups(plane: ControlPlane, extender: int | None) -> dict[str, int]:
    groups = {name: plane.pid(name) for name in _PROGRAMS if name != "kube-scheduler"}
    return groups if extender is None else {"extender": extender, **groups}


def told(measured: Iterable[Measured], machine: str, loads: tuple[float, float]) -> str:
    """The results as Markdown."""
    runs: defaultdict[str, list[Measured]] = defaultdict(list)
    for one in measured:
        runs[one.variant].append(one)
    none = median(run.rate for run in runs[_NONE])
    names = list(runs[_WITH_MOST][0].cpu_ms)
    rows = [["", "pods/s (lowest to highest)", "of no extender", *names, "all"], ["---"] * (len(names) + 4)]
    rows += [_row(variant, listed, none, names) for variant, listed in runs.items()]
    pods, nodes = runs[_NONE][0].pods, runs[_NONE][0].nodes
    text = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    idle, rounds = f"{runs[_NONE][0].idle_ms:.0f}", len(runs[_NONE])
    head = _HEAD.format(machine=machine, loads=loads, pods=pods, nodes=nodes, rounds=rounds, idle=idle)
    return head + text


def _row(variant: str, listed: Sequence[Measured], none: float, names: Sequence[str]) -> list[str]:
    rates = [run.rate for run in listed]
    cpu = {name: median(run.cpu_ms.get(name, 0.0) for run in listed) for name in names}
    share = f"{median(rates) / none:.2f}"
    speed = f"{median(rates):.0f} ({min(rates):.0f} to {max(rates):.0f})"
    return [variant, speed, share, *(f"{cpu[name]:.1f}" for name in names), f"{sum(cpu.values()):.1f}"]
