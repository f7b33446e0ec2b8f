"""A real kube-scheduler on KWOK nodes: pods bound per second, and whose CPU a pod costs.

Owns the scenario: pods pile up while the scheduler is down, then it starts. Must not know how extenders work.
Facts: the scheduler reads its configuration once, so it is restarted for every variant, the plane is not.
"""

import json
import re
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import yaml

from bench.cluster import POLICY_API
from bench.machine import used
from bench.stacks import Kind, Stack, kinds
from controlplane import ControlPlane, Object
from controlplane.scheduler import SHIPPED, scheduler_configuration

__all__ = ["Measured", "measure", "told"]

_PODS = "/api/v1/namespaces/default/pods"
_MANIFESTS = Path(__file__).parents[1] / "manifests"
_ACCOUNT = ("resourcepolicy", "resourcepolicy-extender")
_AT_ONCE = 8
_SECONDS = 300
_PROGRAMS = ("kube-scheduler", "kube-apiserver", "etcd", "kube-controller-manager", "kwok")
_POOLS = ("dc", "cloud")
_QUIET_SECONDS = 3.0
_NONE, _WITH_MOST = "no extender", "ours, filter"
_BOUND = re.compile(rb'^I\d+ (\d+):(\d+):([\d.]+) .*"Successfully bound pod to node"', re.MULTILINE)
_HEAD = """# Whole schedulers

`python -m bench live` wrote this: {machine}; load of the machine before: {loads[0]:.2f},
after: {loads[1]:.2f} (its own share is about 2).

A real kube-scheduler, apiserver and etcd with {nodes} KWOK nodes; {pods} pods are there when the scheduler
starts. Pods bound per second: median of {rounds} runs (lowest to highest). The other columns are milliseconds
of CPU per pod, by program, from the start of the scheduler until 3 s after the last pod was bound.

"""


@dataclass(frozen=True, slots=True)
class _Variant:
    """An extender, or none, and the verbs that it is asked."""

    name: str
    kind: Kind | None = None
    prioritized: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one variant."""

    variant: str
    nodes: int
    bound_at: Sequence[float]
    cpu_ms: dict[str, float]
    """Milliseconds per pod, by program, until all was quiet again."""

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
        _set_up(plane, nodes)
        variants = _variants(peer, plane.directory)
        for number in range(rounds):
            first = number % len(variants)
            for variant in (*variants[first:], *variants[:first]):
                measured = _run(plane, variant, pods)
                note(f"{variant.name}: {measured.rate:.0f} pods/s")
                yield measured


def _variants(peer: Path, directory: Path) -> Sequence[_Variant]:
    ours, go, _ = kinds(peer, directory)
    return (
        _Variant(_NONE),
        _Variant("Go, filter", go),
        _Variant(_WITH_MOST, ours),
        _Variant("Go, filter + prioritize", go, prioritized=True),
        _Variant("ours, filter + prioritize", ours, prioritized=True),
    )


def _set_up(plane: ControlPlane, nodes: int) -> None:
    for name in ("namespace", "crd", "rbac"):
        plane.api.apply(yaml.safe_load_all((_MANIFESTS / f"{name}.yaml").read_text()))
    units = [{"resource": "ecs", "nodeSelector": {"pool": pool}} for pool in _POOLS]
    metadata = {"name": "live", "namespace": "default"}
    spec = {"selector": {"app": "live"}, "units": units}
    plane.api.create({"apiVersion": POLICY_API, "kind": "ResourcePolicy", "metadata": metadata, "spec": spec})

    def create(index: int) -> None:
        plane.create_node(f"node-{index:05}.zone-b", {"pool": _POOLS[index % 2]}, gpus=8)

    with ThreadPoolExecutor(_AT_ONCE) as creating:
        list(creating.map(create, range(nodes)))
    plane.wait(lambda: _all_up(plane, nodes), what="the nodes to be up", seconds=_SECONDS)


def _all_up(plane: ControlPlane, nodes: int) -> bool:
    listed = plane.api.items("/api/v1/nodes")
    return len(listed) == nodes and not any(node["spec"].get("taints") for node in listed)


def _run(plane: ControlPlane, variant: _Variant, pods: int) -> Measured:
    plane.kill("kube-scheduler")
    _clear(plane)
    _configure(plane, variant)
    run = f"run-{secrets.token_hex(3)}"  # KWOK still deletes pods of the last one, by their names
    with ThreadPoolExecutor(_AT_ONCE) as creating:
        list(creating.map(lambda index: plane.api.create(_pod(run, index)), range(pods)))
    with _extender(plane, variant) as group:
        groups = _groups(plane, group)
        before = {name: used(one).cpu_seconds for name, one in groups.items()}
        times = _bindings(plane, pods)
        groups["kube-scheduler"] = plane.pid("kube-scheduler")
        time.sleep(_QUIET_SECONDS)
        cpu = {name: used(one).cpu_seconds - before.get(name, 0.0) for name, one in groups.items()}
    nodes = len(plane.api.items("/api/v1/nodes"))
    return Measured(variant.name, nodes, times, {name: cpu[name] * 1e3 / pods for name in cpu})


@contextmanager
def _extender(plane: ControlPlane, variant: _Variant) -> Iterator[int | None]:
    """The process group of the extender, if the variant has one."""
    if variant.kind is None:
        yield None
        return
    kubeconfig = plane.service_account_kubeconfig(*_ACCOUNT)
    stack = Stack(variant.kind, kubeconfig, plane.extender_address[1], plane.directory)
    try:
        stack.wait_ready()
        yield stack.group
    finally:
        stack.kill()


def _groups(plane: ControlPlane, extender: int | None) -> dict[str, int]:
    groups = {name: plane.pid(name) for name in _PROGRAMS if name != "kube-scheduler"}
    return groups if extender is None else {"extender": extender, **groups}


def _configure(plane: ControlPlane, variant: _Variant) -> None:
    """The shipped configuration with the extender taken out, or asked for scores, too."""
    shipped: Object = yaml.safe_load(SHIPPED.read_text())["extenders"][0]
    if variant.prioritized:
        shipped |= {"prioritizeVerb": "prioritize", "weight": 1000}
    extenders = [shipped] if variant.kind else []
    written = scheduler_configuration(plane.kubeconfig, plane.extender_address[1], extenders)
    (plane.directory / "kube-scheduler.json").write_text(json.dumps(written))


def _clear(plane: ControlPlane) -> None:
    plane.api.request("DELETE", _PODS, {"gracePeriodSeconds": 0})
    plane.wait(lambda: not plane.api.items(_PODS, limit="1"), what="the pods to be gone", seconds=_SECONDS)


def _pod(run: str, index: int) -> Object:
    room = {"cpu": "100m", "memory": "64Mi", "nvidia.com/gpu": "1"}
    resources = {"requests": room, "limits": {"nvidia.com/gpu": "1"}}
    container = {"name": "main", "image": "model", "resources": resources}
    metadata = {"name": f"{run}-{index:05}", "namespace": "default", "labels": {"app": "live"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def _bindings(plane: ControlPlane, pods: int) -> list[float]:
    """Start the scheduler, and wait until it has bound them all; the second of each, as its log has it."""
    log = plane.log("kube-scheduler")
    start = log.stat().st_size
    plane.start_program("kube-scheduler")

    def bound() -> list[float] | None:
        with log.open("rb") as lines:
            lines.seek(start)
            found = [_seconds(*match) for match in _BOUND.findall(lines.read())]
        return found if len(found) == pods else None

    return plane.wait(bound, what=f"{pods} pods to be bound", seconds=_SECONDS)


def _seconds(hours: bytes, minutes: bytes, seconds: bytes) -> float:
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


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
    return _HEAD.format(machine=machine, loads=loads, pods=pods, nodes=nodes, rounds=len(runs[_NONE])) + text


def _row(variant: str, listed: Sequence[Measured], none: float, names: Sequence[str]) -> list[str]:
    rates = [run.rate for run in listed]
    cpu = {name: median(run.cpu_ms.get(name, 0.0) for run in listed) for name in names}
    share = f"{median(rates) / none:.2f}"
    speed = f"{median(rates):.0f} ({min(rates):.0f} to {max(rates):.0f})"
    return [variant, speed, share, *(f"{cpu[name]:.1f}" for name in names), f"{sum(cpu.values()):.1f}"]
