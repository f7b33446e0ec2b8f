"""Tells, once a second, what became of the policies: one look for all who report it (L5).

Owns the pace; must not know what is found, nor how it is told.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event

from cluster.kube.periodic import repeat
from watcher.podmetadata.controller import Placement
from watcher.scaleup.scaleup_status import OutlookBoard
from watcher.status.builder import Report, Surveyor

__all__ = ["Reporting"]

_PERIOD = 1.0

Sink = Callable[[Report], None]


@dataclass(frozen=True, slots=True)
class Reporting:
    """One thread's work."""

    surveyor: Surveyor
    board: OutlookBoard
    placement: Placement
    sinks: Sequence[Sink]
    begin: Callable[[], None] = lambda: None
    """Called before the first round: another leader may have written meanwhile."""

    def run(self, stop: Event) -> None:
        """Round after round until `stop`."""
        self.begin()
        repeat("reporting", _PERIOD, self.round, stop)

    def round(self) -> None:
        """Look, and tell each sink."""
        report = self.surveyor.report(self.board.latest(), self.placement.not_written)
        for tell in self.sinks:
            tell(report)
