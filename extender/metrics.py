"""The metrics of the server.

Owns names, help texts and labels; must not know when anything is counted.
"""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["Metrics"]

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)


class Metrics:
    """One registry, so that tests do not share counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        seconds = Histogram(
            "resourcepolicy_extender_request_duration_seconds",
            "Time to answer kube-scheduler, by verb.",
            ["verb"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        outcomes = Counter(
            "resourcepolicy_extender_requests_total",
            "Answers, by verb and outcome: passed, placed, or the reason of a refusal or error.",
            ["verb", "outcome"],
            registry=self.registry,
        )
        # To find the child of some labels costs more than to count. There are few, and they are kept.
        self._seconds_of = cache(seconds.labels)
        self._outcomes_of = cache(outcomes.labels)
        self.requeues = Counter(
            "resourcepolicy_requeues_total",
            "Pods that were woken because only our state had changed.",
            registry=self.registry,
        )
        self.reservations = Gauge(
            "resourcepolicy_reservations",
            "Slots held for pods that are not bound yet.",
            registry=self.registry,
        )
        self.objects = Gauge(
            "resourcepolicy_cached_objects",
            "Objects in the cache, by resource.",
            ["resource"],
            registry=self.registry,
        )
        self.age = Gauge(
            "resourcepolicy_cache_staleness_seconds",
            "Time since the last moment of which everything has certainly arrived, by resource.",
            ["resource"],
            registry=self.registry,
        )

    def answered(self, verb: str, outcome: str, seconds: float) -> None:
        """Count one answer."""
        self._seconds_of(verb).observe(seconds)
        self._outcomes_of(verb, outcome).inc()
