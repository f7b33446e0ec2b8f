"""The metrics of the watcher, and where they are served.

What is the case now is read from
the last report, so that a policy that is gone leaves no series behind.
"""

import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily

from watcher.status.builder import PolicyStatus, StatusReport
from watcher.status.unit_status import UnitStateType

__all__ = ["WatcherMetrics", "serve_metrics"]

_SECONDS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
_CURRENT = 10.0
"""Seconds for which a report holds."""
_UNIT = ("policy", "unit")


class WatcherMetrics:
    """One registry, so that tests do not share counts. `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry()
        self._now = _Now(clock)
        self.registry.register(self._now)
        self._requested = Histogram(
            "resourcepolicy_pod_scale_up_request_seconds",
            "Time from a pod's first refusal to the request for nodes, by policy and unit.",
            _UNIT,
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._bound = Histogram(
            "resourcepolicy_pod_scheduling_seconds",
            "Time from a pod's first refusal to its binding, by policy and unit ('outside' for none).",
            _UNIT,
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._overflowed = Counter(
            "resourcepolicy_overflowed_pods_total",
            "Pods placed in a later unit than the first, by policy and unit ('outside' for none).",
            _UNIT,
            registry=self.registry,
        )
        self._requests = Counter(
            "resourcepolicy_node_requests_total",
            "Requests for nodes, by policy and outcome: 'asked' when one is made, and what was answered "
            "when it ends: provisioned, failed, or asked for in vain.",
            ("policy", "outcome"),
            registry=self.registry,
        )

    def show(self, report: StatusReport) -> None:
        """What is the case now."""
        self._now.show(report)

    def requested(self, policy: str, unit: int, seconds: float) -> None:
        """One pod's time, in seconds."""
        self._requested.labels(policy, str(unit)).observe(seconds)

    def bound(self, policy: str, place: str, seconds: float) -> None:
        """One pod's time, in seconds."""
        self._bound.labels(policy, place).observe(seconds)

    def overflowed(self, policy: str, place: str) -> None:
        """A pod was placed in a unit after the first, or outside all."""
        self._overflowed.labels(policy, place).inc()

    def request(self, policy: str, outcome: str) -> None:
        """A request was made, or ended."""
        self._requests.labels(policy, outcome).inc()


class _Now:
    """A collector of prometheus_client."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._shown: tuple[float, StatusReport] | None = None

    def show(self, report: StatusReport) -> None:
        self._shown = self._clock(), report

    def collect(self) -> Iterator[GaugeMetricFamily]:
        pods = GaugeMetricFamily(
            "resourcepolicy_unit_pods",
            "Pods that count, by policy and unit.",
            labels=_UNIT,
        )
        nodes = GaugeMetricFamily("resourcepolicy_unit_nodes", "Nodes, by policy and unit.", labels=_UNIT)
        requested = GaugeMetricFamily(
            "resourcepolicy_unit_requested_pods",
            "Pods that nodes were asked for and that have not arrived, by policy and unit.",
            labels=_UNIT,
        )
        state = GaugeMetricFamily(
            "resourcepolicy_unit_state", "1 for the state of each unit.", labels=(*_UNIT, "state")
        )
        pending = GaugeMetricFamily(
            "resourcepolicy_pending_pods", "Pods that wait for a node, by policy.", labels=("policy",)
        )
        for key, status in self._statuses().items():
            pending.add_metric((key,), status.pending)
            for index, unit in enumerate(status.units):
                where = key, str(index)
                pods.add_metric(where, unit.occupancy.pods)
                nodes.add_metric(where, unit.occupancy.nodes)
                requested.add_metric(where, unit.requested)
                for each in UnitStateType:
                    state.add_metric((*where, each), each is unit.state.state)
        yield from (pods, nodes, requested, state, pending)

    def _statuses(self) -> Mapping[str, PolicyStatus]:
        """None by one who leads no more, or else two replicas would tell the same pods."""
        if self._shown is None or self._clock() - self._shown[0] > _CURRENT:
            return {}
        return self._shown[1].statuses


def serve_metrics(metrics: WatcherMetrics, bind: str) -> None:
    """Serve them at http://HOST:PORT/metrics from now on, in a thread.

    Raises:
        OSError: nobody may listen there.
    """
    host, _, port = bind.rpartition(":")
    start_http_server(int(port), host.strip("[]"), metrics.registry)
