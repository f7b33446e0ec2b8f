"""The resources that the scheduler counts for a pod.

The sum over containers, init containers, sidecars, pod-level resources and overhead, as the scheduler's
`resourcehelper.PodRequests` computes it (component-helpers/resource).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["InitContainer", "total_requests"]

Amounts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class InitContainer:
    """The requests of an init container; a sidecar is one that restarts always and so keeps running."""

    requests: Amounts
    sidecar: bool = False


def total_requests(
    containers: Iterable[Amounts],
    init_containers: Iterable[InitContainer] = (),
    overhead: Amounts | None = None,
    pod_level: Amounts | None = None,
) -> dict[str, int]:
    """The larger of start-up and running, the pod's own figure where it gives one, plus overhead."""
    running: dict[str, int] = {}
    for requests in containers:
        running = _sum(running, requests)
    starting, sidecars = _starting(init_containers)
    total = {**_larger(_sum(running, sidecars), starting), **(pod_level or {})}
    return _sum(total, overhead or {})


def _starting(init_containers: Iterable[InitContainer]) -> tuple[Amounts, Amounts]:
    """Peak of start-up: each init container runs beside the sidecars started before it."""
    peak: Amounts = {}
    sidecars: Amounts = {}
    for init in init_containers:
        beside = _sum(sidecars, init.requests)
        peak = _larger(peak, beside)
        if init.sidecar:
            sidecars = beside
    return peak, sidecars


def _sum(one: Amounts, other: Amounts) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in one.keys() | other.keys()}


def _larger(one: Amounts, other: Amounts) -> dict[str, int]:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in one.keys() | other.keys()}
