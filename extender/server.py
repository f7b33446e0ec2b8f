"""The server's composition: everything that `resourcepolicy serve` consists of, joined."""

import gc
import logging
import time
from pathlib import Path
from threading import Event, Thread

from cluster.cache.cache import Cache
from cluster.cache.informers import Informers
from cluster.kube.client import connect
from cluster.kube.clock import SteadyClock
from cluster.kube.leader_election import lease_named
from cluster.settings import Settings
from extender.cache_staleness import CacheStaleness
from extender.http.app import Application
from extender.metrics import Metrics
from extender.placement_recorder import PlacementRecorder
from extender.pod_patcher import PodPatcher
from extender.readiness import Readiness
from extender.requeue import Requeue
from extender.service import Extender

__all__ = ["Server"]

log = logging.getLogger(__name__)

_LISTING_SECONDS = 30.0
"""The first lists leave no garbage, and collections in the middle of them cost a tenth of their time."""


class Server:
    """Construct in the process that serves, after any fork: `start` starts threads."""

    def __init__(self, kubeconfig: Path | None, settings: Settings) -> None:
        clock = SteadyClock()
        self._stop = Event()
        self._leading: Thread | None = None
        connection = connect(kubeconfig)
        self._cache = Cache(clock, settings.kinds, settings.reservation_ttl_seconds, remembers_since=clock())
        self._informers = Informers(connection, self._cache)
        self._metrics = Metrics()
        pods = self._informers.reflectors["pods"]
        self._lease = lease_named(
            connection, settings.lease, settings.lease_duration_seconds, time.monotonic, pods.list_again
        )
        self._freshness = CacheStaleness(connection, self._informers.reflectors, time.monotonic)
        self._readiness = Readiness(
            self._informers.reflectors.values(),
            self._freshness.oldest,
            staleness=settings.max_cache_staleness_seconds,
            pods=pods,
            lease=self._lease,
        )
        annotator = PodPatcher(connection, clock)
        self._recorder = PlacementRecorder(self._cache, annotator.record)
        extender = Extender(
            self._cache,
            clock,
            self._readiness.not_ready_reason,
            on_conflict=settings.on_conflict,
            outside_units=settings.outside_units,
            scored_nodes=settings.scored_nodes,
            unknown_node_seconds=settings.unknown_node_wait_seconds,
            handover_grace_seconds=settings.handover_grace_seconds,
        )
        self._requeue = Requeue(
            self._cache,
            clock,
            annotator.requeue,
            extender.not_ready_reason,
            self._metrics,
            extender.resolve_inflight,
        )
        self.application = Application(
            extender,
            self._metrics,
            extender.not_ready_reason,
            settings.body_limit_bytes,
            self._refresh,
            settings.refused_nodes,
        )

    def start(self) -> None:
        """Begin to watch; requests are answered with an error until the first lists are in (E4)."""
        self._informers.start()
        self._freshness.start()
        self._requeue.start()
        self._recorder.start()
        if self._lease is not None:
            self._leading = Thread(target=self._lease.run, args=(self._stop,), name="lease")
            self._leading.start()
        Thread(target=self._keep_memory_low, name="gc-freeze", daemon=True).start()

    def stop(self) -> None:
        """Give the lead back, then end every thread."""
        self._stop.set()
        if self._leading is not None:
            self._leading.join(timeout=5)
        self._requeue.stop()
        self._recorder.stop()
        self._freshness.stop()
        self._informers.stop()

    def _keep_memory_low(self) -> None:
        """Keep the first lists out of garbage collection (docs/design/python-stack.md, section 4c)."""
        gc.freeze()
        gc.disable()
        until = time.monotonic() + _LISTING_SECONDS
        while not self._informers.synced():
            if time.monotonic() > until:
                gc.enable()
            time.sleep(0.05)
        log.info("synced")
        gc.enable()
        gc.collect()
        gc.freeze()

    def _refresh(self) -> None:
        with self._cache.lock:
            counts = {
                "nodes": len(self._cache.nodes),
                "pods": len(self._cache.pods()),
                "resourcepolicies": len(self._cache.policies),
            }
            self._metrics.reservations.set(len(self._cache.reservations()))
        for resource, count in counts.items():
            self._metrics.objects.labels(resource).set(count)
            self._metrics.age.labels(resource).set(self._freshness.age(resource))
