"""What the scheduler counts for a pod.

Owns the sum over containers, init containers, sidecars, pod-level resources and overhead, as the scheduler's
`resourcehelper.PodRequests` forms it (component-helpers/resource); knows neither JSON nor what the sum is
for.
"""

from collections import Counter
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
    running: Counter[str] = Counter()
    for requests in containers:
        running.update(requests)
    starting, sidecars = _starting(init_containers)
    running.update(sidecars)
    total = {**(running | starting), **(pod_level or {})}
    for name, amount in (overhead or {}).items():
        total[name] = total.get(name, 0) + amount
    return total


def _starting(init_containers: Iterable[InitContainer]) -> tuple[Counter[str], Counter[str]]:
    """Peak of start-up: each init container runs beside the sidecars started before it."""
    peak: Counter[str] = Counter()
    sidecars: Counter[str] = Counter()
    for init in init_containers:
        beside = sidecars + Counter(init.requests)
        peak |= beside
        if init.sidecar:
            sidecars = beside
    return peak, sidecars
