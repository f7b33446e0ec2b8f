"""The watcher's composition: everything that `resourcepolicy watch` consists of, joined.

Owns construction and the order of starting and stopping; contains no logic of its own. A signal ends it:
holds and requests stay, and the next watcher goes on from them (W3).
"""

import logging
import math
import time
from pathlib import Path
from threading import Event

from cluster.cache.cache import Cache
from cluster.cache.informers import Informers
from cluster.cache.pod_change_queue import News
from cluster.kube.client import connect
from cluster.kube.clock import SteadyClock
from cluster.kube.leader_election import identity, lease_of, together
from cluster.settings import Settings
from watcher.podmetadata.controller import Placement
from watcher.provisioner.factory import autoscaler_of
from watcher.provisioner.instrumented import Counted
from watcher.scaleup.controller import Watcher
from watcher.scaleup.pod_holds import Holds
from watcher.scaleup.scaleup_status import OutlookBoard
from watcher.status.builder import Surveyor
from watcher.status.controller import Reporting
from watcher.status.event_recorder import Events
from watcher.status.event_rules import notices
from watcher.status.writer import StatusWriter
from watcher.telemetry.metrics import WatcherMetrics
from watcher.telemetry.overflow_counter import Overflow
from watcher.telemetry.pod_latency import Waits

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
    news = News()
    informers = Informers(watching, cache, news)
    autoscaler = Counted(autoscaler_of(settings, writing), metrics.request)
    board = OutlookBoard()
    watcher = Watcher(cache, autoscaler, Holds(writing, time.monotonic).write, clock, settings, board)
    placement = Placement(writing, cache, news, time.monotonic, own.managed_resources)
    surveyor = Surveyor(cache, own.managed_resources, settings.on_conflict)
    status, events = StatusWriter(writing, clock), Events(writing, clock, identity())
    sinks = (metrics.show, status.write, lambda report: events.tell(notices(report)))
    reporting = Reporting(surveyor, board, placement, sinks, status.forget)
    waits = Waits(cache, board, time.monotonic, metrics)
    overflow = Overflow(cache, own.managed_resources, clock, metrics.overflowed)
    informers.start()
    try:
        while not informers.synced() and not stop.wait(0.05):
            pass
        log.info("watching; back-end: %s", own.backend)
        together(stop, lease, watcher.run, placement.run, reporting.run, waits.run, overflow.run)
    finally:
        informers.stop()
        writing.close()
        leading.close()
    log.info("ended; holds and requests stay for the next watcher")
