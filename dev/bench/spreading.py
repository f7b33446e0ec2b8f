"""How evenly a real kube-scheduler spreads pods over one unit when it is given all of its nodes, or some.

Facts: the pods are those of a service, so that the scheduler's default constraints spread them over nodes and
zones; every node has room for all that comes to it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.bench.schedulers import PODS, Variant, bind, extending, pile_up, set_up
from dev.bench.stacks import ours
from dev.controlplane import ControlPlane, Object

__all__ = ["Spread", "spreads", "told"]

_ZONE = "topology.kubernetes.io/zone"
_SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "live", "namespace": "default"},
    "spec": {"selector": {"app": "live"}, "ports": [{"port": 80}]},
}
_HEAD = """# Spreading

`python -m dev.bench spreading` wrote this: {machine}.

A real kube-scheduler with {nodes} KWOK nodes in one unit and in three zones, and {pods} pods of one service,
which it spreads by its default constraints. The last columns say on how many nodes there were so many pods.

"""


@dataclass(frozen=True, slots=True)
class Spread:
    """Where the pods of one run went."""

    variant: str
    nodes: Counter[int]
    """How many nodes have so many pods."""
    zones: Sequence[int]
    """Pods of each."""


def spreads(nodes: int, pods: int, note: Callable[[str], None]) -> Iterator[Spread]:
    """One run of each variant."""
    with ControlPlane() as plane:
        set_up(plane, nodes, ["one"])
        plane.api.create(_SERVICE)
        for variant in _variants(plane.directory):
            pile_up(plane, variant, pods)
            with extending(plane, variant):
                bind(plane, pods)
            spread = _spread(variant.name, plane.api.items("/api/v1/nodes"), plane.api.items(PODS))
            note(f"{spread.variant}: {dict(spread.nodes)}, {spread.zones}")
            yield spread


def told(found: Iterable[Spread], machine: str) -> str:
    """The results as Markdown."""
    runs = list(found)
    counts = sorted({count for run in runs for count in run.nodes})
    nodes, pods = sum(runs[0].nodes.values()), sum(runs[0].zones)
    lines = [["", "pods by zone", *(f"{count} pod(s)" for count in counts)]]
    lines += [["---"] * len(lines[0])]
    lines += [
        [run.variant, ", ".join(map(str, run.zones)), *(str(run.nodes[c]) for c in counts)] for run in runs
    ]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return _HEAD.format(machine=machine, nodes=nodes, pods=pods) + text


def _variants(directory: Path) -> Sequence[Variant]:
    return (
        Variant("no extender, percentageOfNodesToScore 0", percentage=0),
        Variant("no extender, percentageOfNodesToScore 100"),
        Variant("scored_nodes: all", ours("all", directory)),
        Variant("scored_nodes: sampled", ours("sampled", directory, scored_nodes="sampled")),
    )


def _spread(variant: str, nodes: Iterable[Object], pods: Iterable[Object]) -> Spread:
    zone_of = {node["metadata"]["name"]: node["metadata"]["labels"][_ZONE] for node in nodes}
    on = Counter(dict.fromkeys(zone_of, 0))
    on.update(pod["spec"]["nodeName"] for pod in pods)
    zones = Counter[str]()
    for name, count in on.items():
        zones[zone_of[name]] += count
    return Spread(variant, Counter(on.values()), [zones[zone] for zone in sorted(zones)])
