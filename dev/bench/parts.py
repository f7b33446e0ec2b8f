"""Where a filter call spends its time inside our application: its parts, timed in this process.

Facts: each call gets names that were just decoded, as hashing a name the second time is free.
"""

import gc
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter
from typing import TypeVar

import msgspec

from cluster.cache.cache import Cache
from cluster.kube.clock import SteadyClock
from cluster.kube.decode import NodeObject, PodObject, node_of, pod_of
from dev.bench.cells import Cell
from dev.bench.cluster import Shape, node_name, request
from extender.http import wire
from extender.http.app import Application
from extender.metrics import Metrics
from extender.service import Extender
from policy.api.options import NodeKinds, RefusedNodes, ScoredNodes
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.filter import FilterDecision

__all__ = ["Parts", "parts"]

_PODS = 8
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parts:
    """Medians, in microseconds."""

    cell: Cell
    brief: bool
    """With `refused_nodes: one` and `scored_nodes: sampled`."""
    decoding: float
    deciding: float
    encoding: float
    whole: float
    """Of the application, with what it logs and counts."""


def parts(cells: list[Cell], nodes: int, repeats: int) -> Iterator[Parts]:
    """Of each cell, in a cluster of so many nodes; with everything told, and brief."""
    cache = _cache(Shape(nodes))
    for cell in cells:
        for brief in (False, True):
            yield _Timed(cache, cell, brief, repeats).found()


def _cache(shape: Shape) -> Cache:
    clock = SteadyClock()
    cache = Cache(clock, NodeKinds(), 300.0, clock())
    with cache.lock:
        cache.replace_nodes(node_of(msgspec.json.decode(o, type=NodeObject)) for o in shape.objects("nodes"))
        written = map(json.loads, shape.objects("resourcepolicies"))
        cache.replace_policies(map(ResourcePolicy.from_manifest, written))
        cache.replace_pods(pod_of(msgspec.json.decode(o, type=PodObject)) for o in shape.objects("pods"))
    gc.collect()
    gc.freeze()
    return cache


class _Timed:
    """One cell and one way to answer."""

    def __init__(self, cache: Cache, cell: Cell, brief: bool, repeats: int) -> None:  # noqa: FBT001
        self._cell = cell
        self._brief = brief
        self._repeats = repeats
        self._refused = RefusedNodes.ONE if brief else RefusedNodes.ALL
        scored = ScoredNodes.SAMPLED if brief else ScoredNodes.ALL
        self._extender = Extender(
            cache, SteadyClock(), lambda: "", scored_nodes=scored, handover_grace_seconds=0.0
        )
        names = [node_name(index) for index in range(cell.names)]
        self._bodies = [request(cell.app, names, number) for number in range(_PODS)]

    def found(self) -> Parts:
        application = Application(self._extender, Metrics(), lambda: "", 1 << 30, refused_nodes=self._refused)
        return Parts(
            self._cell,
            self._brief,
            decoding=self._median(lambda body: body, wire.decode_candidates),
            deciding=self._median(wire.decode_candidates, self._decide),
            encoding=self._median(self._decided, self._encode),
            whole=self._median(lambda body: body, partial(application.reply, "/filter")),
        )

    def _median(self, prepare: Callable[[bytes], T], timed: Callable[[T], object]) -> float:
        took = []
        for number in range(self._repeats):
            value = prepare(self._bodies[number % _PODS])
            began = perf_counter()
            timed(value)
            took.append((perf_counter() - began) * 1e6)
        return median(took)

    def _decide(self, asked: wire.Candidates) -> object:
        return self._extender.filter(asked.pod, asked.names)

    def _decided(self, body: bytes) -> tuple[wire.Candidates, FilterDecision]:
        asked = wire.decode_candidates(body)
        filtered = self._extender.filter(asked.pod, asked.names)
        if filtered is None:
            raise AssertionError("no policy governs the pods that are asked about")
        return asked, filtered.decision

    def _encode(self, decided: tuple[wire.Candidates, FilterDecision]) -> object:
        asked, decision = decided
        if decision.refused is None:
            return wire.encode_kept(asked, decision.nodes)
        return wire.encode_refused(asked, decision.refused, self._refused)
