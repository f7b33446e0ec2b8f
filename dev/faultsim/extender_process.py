"""Our server as extender/server.py composes it: the real cache, verbs and requeues, on simulated watches."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from cluster.cache.cache import Cache
from cluster.kube.client import KubeClient
from cluster.kube.leader_election import Lease
from cluster.kube.reflector import Reflector
from cluster.settings import Settings
from dev.faultsim.apiserver_model import ApiServer, Object, Resource
from dev.faultsim.extender_client import Answer
from dev.faultsim.scheduler_cache import Ticket
from dev.faultsim.virtual_clock import Loop
from dev.faultsim.watch_model import Sink, Watch
from extender.cache_staleness import CacheStaleness
from extender.metrics import Metrics
from extender.placement_recorder import PlacementRecorder
from extender.readiness import Readiness
from extender.requeue import Requeue
from extender.service import Extender, NotReady
from policy.api.objects import Node, Pod
from policy.api.options import NodeKinds
from policy.api.resourcepolicy import ResourcePolicy

__all__ = ["RESERVATION_SECONDS", "REVIEWED", "STALENESS", "Build", "Server"]

_SETTINGS = Settings()
RESERVATION_SECONDS = _SETTINGS.reservation_ttl_seconds
STALENESS = _SETTINGS.max_cache_staleness_seconds
_PERIOD = 0.1
_RECORDER_PERIOD = 0.2
_FRESHNESS_PERIOD = 2.0
_IDLE_PERIOD = 2.0
"""Between rounds when nothing asks for one: timers run out all the same."""
_METRICS = Metrics()


@dataclass(frozen=True, slots=True)
class Build:
    """The classes that a server is made of: the real ones, or mutants."""

    cache: type[Cache] = Cache
    extender: type[Extender] = Extender
    requeue: type[Requeue] = Requeue
    readiness: type[Readiness] = Readiness
    freshness: type[CacheStaleness] = CacheStaleness
    handover_grace_seconds: float = _SETTINGS.handover_grace_seconds


REVIEWED = Build()


@dataclass(slots=True)
class Lead:
    """What readiness reads of a Lease."""

    held: bool
    held_since: float


class _Asked:
    """The connection by which freshness asks how far the API server is."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api

    def get(self, path: str, query: Mapping[str, str], seconds: float) -> bytes:
        """A list of at most one object, of which the version matters."""
        del path, query, seconds
        return b'{"metadata":{"resourceVersion":"%d"}}' % self._api.version


class Server:
    """One process, which answers while it has the lead."""

    def __init__(
        self,
        loop: Loop,
        api: ApiServer,
        lags: tuple[float, float, float],
        requeue: Callable[[Pod], bool],
        record: Callable[[Pod, str], bool],
        build: Build = REVIEWED,
        *,
        leads: bool = True,
    ) -> None:
        self.lead = Lead(leads, loop.now)
        self.started_at = loop.now
        self.cache = build.cache(loop.clock, NodeKinds(), RESERVATION_SECONDS, remembers_since=loop.now)
        self._loop = loop
        nodes, pods, policies = lags
        self.watches: Mapping[str, Watch] = {
            "nodes": Watch(loop, api, Resource.NODES, self._nodes(), nodes),
            "pods": Watch(loop, api, Resource.PODS, self._pods(), pods),
            "policies": Watch(loop, api, Resource.POLICIES, self._policies(), policies),
        }
        # A watch here shows of itself what readiness reads of a reflector.
        reflectors = cast(list[Reflector[object, object]], list(self.watches.values()))
        self._freshness = build.freshness(
            cast(KubeClient, _Asked(api)), dict(zip(self.watches, reflectors, strict=True)), loop.clock
        )
        readiness = build.readiness(
            reflectors,
            self._freshness.oldest,
            staleness=_SETTINGS.max_cache_staleness_seconds,
            pods=reflectors[1],
            lease=cast(Lease, self.lead),
        )
        self.not_ready_reason = readiness.not_ready_reason
        self._patch = requeue
        self._owes = False
        self._extender = build.extender(
            self.cache,
            loop.clock,
            self.not_ready_reason,
            unknown_node_seconds=0,
            handover_grace_seconds=build.handover_grace_seconds,
        )
        not_ready_reason, resolve_inflight = self._extender.not_ready_reason, self._extender.resolve_inflight
        self._requeue = build.requeue(
            self.cache, loop.clock, self._requeued, not_ready_reason, _METRICS, resolve_inflight
        )
        self._recorder = PlacementRecorder(self.cache, record)
        self._records_at = math.inf
        self._stopped = False
        self._answers_since = math.inf
        self._due_at = math.inf
        self._look_again()
        self._ask_how_far()

    @property
    def behind(self) -> float:
        """How old its view is in truth, in seconds."""
        return self._loop.now - min(self._loop.now, *(watch.behind_since for watch in self.watches.values()))

    @property
    def current(self) -> bool:
        """Whether its view is the truth."""
        return all(watch.current for watch in self.watches.values())

    def take_lead(self) -> None:
        self.lead.held, self.lead.held_since = True, self._loop.now
        self.watches["pods"].list_again()

    def stop(self) -> None:
        self._stopped = True
        for watch in self.watches.values():
            watch.stop()

    def filter(self, pod: Pod, candidates: Sequence[str]) -> Answer:
        """As app.Application answers it."""
        try:
            filtered = self._extender.filter(pod, candidates)
        except NotReady as not_ready:
            return Answer(error=str(not_ready))
        self._answers_since = min(self._answers_since, self._loop.now)
        self._look_soon()
        if filtered is None:
            return Answer(candidates)
        decision, policy = filtered.decision, filtered.policy
        if decision.refused is not None:
            refusals = decision.refused.reasons.values()
            texts = sorted({refusal.text for refusal in refusals})
            return Answer(refusal=", ".join(texts), reasons=frozenset(refusal.reason for refusal in refusals))
        if decision.unit is None:
            return Answer(decision.nodes)
        unit = policy.units[decision.unit].fingerprint
        ticket = Ticket(policy.key, unit, decision.group, policy.generation, self._answers_since)
        return Answer(decision.nodes, ticket=ticket)

    def preempt(self, pod: Pod, victims: Mapping[str, Sequence[str]], protected: Collection[str]) -> Answer:
        """As app.Application answers it."""
        try:
            preempted = self._extender.preempt(pod, victims, protected)
        except NotReady as not_ready:
            return Answer(error=str(not_ready))
        self._look_soon()
        if preempted is None:
            return Answer(tuple(victims))
        walk = preempted.decision.selection
        waits = [walk.waits.reason] if walk and walk.waits else []
        return Answer(preempted.decision.nodes, reasons=frozenset(waits))

    # The threads. Rounds of requeue, every 0.1 s, and of the recorder are left out if they would do nothing.

    def _ask_how_far(self) -> None:
        if not self._stopped:
            self._freshness.round()
            self._loop.after(_FRESHNESS_PERIOD, self._ask_how_far)

    def _requeued(self, pod: Pod) -> bool:
        done = self._patch(pod)
        self._owes = not done
        return done

    def _look_soon(self) -> None:
        if self.cache.placement_records.unrecorded and math.isinf(self._records_at):
            self._records_at = self._loop.now + _RECORDER_PERIOD
            self._loop.at(self._records_at, self._record)
        if (self.cache.changes or self._owes) and self._due_at > self._loop.now + _PERIOD:
            self._due_at = self._loop.now + _PERIOD
            self._loop.at(self._due_at, self._look)

    def _record(self) -> None:
        self._records_at = math.inf
        if not self._stopped:
            self._recorder.round()

    def _look(self) -> None:
        if self._stopped or self._loop.now < self._due_at:
            return
        self._due_at = math.inf
        self._owes = False
        self._requeue.round()
        self._look_soon()

    def _look_again(self) -> None:
        if not self._stopped:
            self._requeue.round()
            self._look_soon()
            self._loop.after(_IDLE_PERIOD, self._look_again)

    # What the informers do with what arrives.

    def _nodes(self) -> Sink:
        cache = self.cache
        return Sink(
            self._then(lambda items: cache.replace_nodes(cast(Sequence[Node], items))),
            self._each(lambda node: cache.upsert_node(cast(Node, node))),
            self._each(lambda node: cache.remove_node(cast(Node, node).name)),
        )

    def _pods(self) -> Sink:
        cache = self.cache
        return Sink(
            self._then(lambda items: cache.replace_pods(cast(Sequence[Pod], items))),
            self._each(lambda pod: cache.upsert_pod(cast(Pod, pod))),
            self._each(lambda pod: cache.remove_pod(cast(Pod, pod))),
            self._begin_list_of_pods,
        )

    def _begin_list_of_pods(self) -> None:
        with self.cache.lock:
            self.cache.begin_list_of_pods()

    def _policies(self) -> Sink:
        cache = self.cache
        return Sink(
            self._then(lambda items: cache.replace_policies(cast(Sequence[ResourcePolicy], items))),
            self._each(lambda policy: cache.upsert_policy(cast(ResourcePolicy, policy))),
            self._each(lambda policy: cache.remove_policy(cast(ResourcePolicy, policy).key)),
        )

    def _then(self, take: Callable[[Sequence[Object]], None]) -> Callable[[Sequence[Object]], None]:
        def taking(items: Sequence[Object]) -> None:
            with self.cache.lock:
                take(items)
            self._look_soon()

        return taking

    def _each(self, take: Callable[[Object], None]) -> Callable[[Object], None]:
        def taking(item: Object) -> None:
            with self.cache.lock:
                take(item)
            self._look_soon()

        return taking
