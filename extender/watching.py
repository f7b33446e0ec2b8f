"""The watcher's composition: everything that `resourcepolicy watch` consists of, joined.

Owns construction and the order of starting and stopping; contains no logic of its own. A signal ends it:
holds and requests stay, and the next watcher goes on from them (W3).
"""

import logging
import math
import time
from pathlib import Path
from threading import Event

from extender.backends import autoscaler_of
from extender.cache import Cache
from extender.clock import SteadyClock
from extender.connection import connect
from extender.counted import Counted
from extender.events import Events
from extender.holds import Holds
from extender.informers import Informers
from extender.leading import identity, lease_of, together
from extender.notices import notices
from extender.outlook import OutlookBoard
from extender.placement import Placement
from extender.policy_status import Surveyor
from extender.reporting import Reporting
from extender.settings import Settings
from extender.status import StatusWriter
from extender.waits import Waits
from extender.watcher import Watcher
from extender.watcher_metrics import WatcherMetrics

__all__ = ["watch"]

log = logging.getLogger(__name__)


def watch(kubeconfig: Path | None, settings: Settings, stop: Event, metrics: WatcherMetrics) -> None:
    """Watch until `stop` is set."""
    own, clock = settings.watcher, SteadyClock()
    # Three connections: closing the first, to wake its watches, must not cut off a write, and what is written
    # with the second, by whatever thread, ends with the lead that is kept with the third.
    watching, writing, leading = (connect(kubeconfig) for _ in range(3))
    lease = lease_of(leading, own.lease, settings.lease_duration, time.monotonic)
    if lease is not None:
        writing.write_only_while(lambda: lease.held)
    # No call of the scheduler's comes here: all timers are derived from the API (O9).
    cache = Cache(clock, settings.kinds, settings.reservation, remembers_since=math.inf)
    informers = Informers(watching, cache)
    autoscaler = Counted(autoscaler_of(settings, writing), metrics.request)
    board = OutlookBoard()
    watcher = Watcher(cache, autoscaler, Holds(writing, time.monotonic).write, clock, settings, board)
    placement = Placement(writing, cache, time.monotonic, own.managed_resources)
    surveyor = Surveyor(cache, own.managed_resources, settings.on_conflict)
    status, events = StatusWriter(writing, clock), Events(writing, clock, identity())
    sinks = (metrics.show, status.write, lambda report: events.tell(notices(report)))
    reporting = Reporting(surveyor, board, placement, sinks, status.forget)
    waits = Waits(cache, board, time.monotonic, metrics)
    informers.start()
    try:
        while not informers.synced() and not stop.wait(0.05):
            pass
        log.info("watching; back-end: %s", own.backend)
        together(stop, lease, watcher.run, placement.run, reporting.run, waits.run)
    finally:
        informers.stop()
        writing.close()
        leading.close()
    log.info("ended; holds and requests stay for the next watcher")
