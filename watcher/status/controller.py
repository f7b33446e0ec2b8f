"""Tells, once a second, what became of the policies: one look for all who report it (L5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event

from cluster.kube.periodic import repeat
from watcher.podmetadata.controller import PodMetadataController
from watcher.scaleup.scaleup_status import LatestScaleUpStatus
from watcher.status.builder import StatusBuilder, StatusReport

__all__ = ["StatusController"]

_PERIOD = 1.0

Sink = Callable[[StatusReport], None]


@dataclass(frozen=True, slots=True)
class StatusController:
    """One thread's work."""

    builder: StatusBuilder
    latest_status: LatestScaleUpStatus
    placement: PodMetadataController
    sinks: Sequence[Sink]
    begin: Callable[[], None] = lambda: None
    """Called before the first round: another leader may have written meanwhile."""

    def run(self, stop: Event) -> None:
        """Round after round until `stop`."""
        self.begin()
        repeat("reporting", _PERIOD, self.reconcile, stop)

    def reconcile(self) -> None:
        """Look, and tell each sink."""
        report = self.builder.report(self.latest_status.latest(), self.placement.not_written)
        for publish in self.sinks:
            publish(report)
