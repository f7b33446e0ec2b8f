"""The watcher's composition: everything that `resourcepolicy watch` consists of, joined.

A signal ends it:
holds and requests stay, and the next watcher goes on from them (W3).
"""

import logging
import math
import time
from pathlib import Path
from threading import Event

from cluster.cache.cache import Cache
from cluster.cache.informers import Informers
from cluster.cache.pod_change_queue import PodChangeQueue
from cluster.kube.client import connect
from cluster.kube.clock import SteadyClock
from cluster.kube.leader_election import identity, lease_named, run_while_leading
from cluster.settings import Settings
from watcher.podmetadata.controller import PodMetadataController
from watcher.provisioner.factory import make_provisioner
from watcher.scaleup.controller import ScaleUpController
from watcher.scaleup.pod_holds import HoldWriter
from watcher.scaleup.scaleup_status import LatestScaleUpStatus
from watcher.status.builder import StatusBuilder
from watcher.status.controller import StatusController
from watcher.status.event_recorder import EventRecorder
from watcher.status.event_rules import event_specs
from watcher.status.writer import StatusWriter
from watcher.telemetry.metrics import WatcherMetrics
from watcher.telemetry.overflow_counter import OverflowCounter
from watcher.telemetry.pod_latency import PodLatency

__all__ = ["watch"]

log = logging.getLogger(__name__)


def watch(kubeconfig: Path | None, settings: Settings, stop: Event, metrics: WatcherMetrics) -> None:
    """Watch until `stop` is set."""
    own, clock = settings.watcher, SteadyClock()
    # Three connections: closing the first, to wake its watches, must not cut off a write, and what is written
    # with the second, by whatever thread, ends with the lead that is kept with the third.
    watching, writing, leading = (connect(kubeconfig) for _ in range(3))
    lease = lease_named(leading, own.lease, settings.lease_duration_seconds, time.monotonic)
    if lease is not None:
        writing.write_only_while(lambda: lease.held)
    # No call of the scheduler's comes here: all timers are derived from the API (O9).
    cache = Cache(clock, settings.kinds, settings.reservation_ttl_seconds, remembers_since=math.inf)
    news = PodChangeQueue()
    informers = Informers(watching, cache, news)
    autoscaler = make_provisioner(settings, writing)
    latest_status = LatestScaleUpStatus()
    watcher = ScaleUpController(
        cache,
        autoscaler,
        HoldWriter(writing, time.monotonic).write,
        clock,
        settings,
        latest_status,
        metrics.request,
    )
    placement = PodMetadataController(writing, cache, news, time.monotonic, own.managed_resources)
    builder = StatusBuilder(cache, own.managed_resources, settings.on_conflict)
    status, events = StatusWriter(writing, clock), EventRecorder(writing, clock, identity())
    sinks = (metrics.show, status.write, lambda report: events.publish(event_specs(report)))
    reporting = StatusController(builder, latest_status, placement, sinks, status.forget)
    waits = PodLatency(cache, latest_status, time.monotonic, metrics)
    overflow = OverflowCounter(cache, own.managed_resources, clock, metrics.overflowed)
    informers.start()
    try:
        while not informers.synced() and not stop.wait(0.05):
            pass
        log.info("watching; back-end: %s", own.backend)
        run_while_leading(stop, lease, watcher.run, placement.run, reporting.run, waits.run, overflow.run)
    finally:
        informers.stop()
        writing.close()
        leading.close()
    log.info("ended; holds and requests stay for the next watcher")
