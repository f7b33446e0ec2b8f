"""The watcher's loop: look at the cluster, decide, hold, ask, tidy (W1 to W5).

Ending it leaves holds and requests as they are: the next watcher goes on from them.
"""

import logging
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from threading import Event

from cluster.cache.cache import Cache
from cluster.kube.client import ApiError, Unreachable
from cluster.kube.reflector import Backoff
from cluster.settings import Backend, Settings
from policy.api.objects import Pod
from policy.api.options import OnConflict
from policy.scaleup.demand import Demand
from policy.scaleup.unready_gpus import unready_gpus
from watcher.provisioner.autoscaler_status import UNKNOWN
from watcher.provisioner.interface import IN_FLIGHT, Provisioner, Request, RequestPhase
from watcher.provisioner.request_manifests import OWNED
from watcher.scaleup.actions import (
    Action,
    CreateRequest,
    DeleteReason,
    DeleteRequest,
    MarkProvisioned,
    ScaleRequest,
    plan_actions,
    wanted,
)
from watcher.scaleup.cluster_state import ClusterState, PolicyState
from watcher.scaleup.node_groups import NodeGroups
from watcher.scaleup.operator_log import OperatorLog
from watcher.scaleup.pod_holds import HoldChange, hold_changes
from watcher.scaleup.request_outcomes import record_outcome, record_refusal
from watcher.scaleup.request_tracker import RequestTracker
from watcher.scaleup.scaleup_status import AutoscalerHealth, LatestScaleUpStatus
from watcher.scaleup.scaleup_status_builder import build_scaleup_status
from watcher.scaleup.schedulable_pods import SchedulablePods
from watcher.scaleup.unit_backoff import UnitBackoff

__all__ = ["ScaleUpController"]

log = logging.getLogger(__name__)

_STATUS_EVERY = 2.0
"""Seconds between two looks at what changes slowly: the autoscaler's groups while nothing is asked, GPUs."""
_URGENT = 0.05
_FOR_GOOD = (400, 403, 422)


class ScaleUpController:
    """`clock` gives Unix seconds; `hold` writes holds and releases."""

    def __init__(
        self,
        cache: Cache,
        autoscaler: Provisioner,
        hold: Callable[[Iterable[HoldChange]], None],
        clock: Callable[[], float],
        settings: Settings,
        board: LatestScaleUpStatus,
    ) -> None:
        self._cache = cache
        self._autoscaler = autoscaler
        self._hold = hold
        self._clock = clock
        self._settings = settings
        self._board = board
        own = settings.watcher
        self._tracker = RequestTracker(
            UnitBackoff(own.initial_backoff_seconds, own.max_backoff_seconds),
            own.request_timeout_seconds,
            own.max_node_provision_seconds,
            own.gpu_ready_timeout_seconds,
        )
        self._operator_log = OperatorLog(clock)
        self._overlooked = SchedulablePods()
        self._groups = NodeGroups(own.node_groups, own.node_group_labels)
        self._requests: Sequence[Request] = ()
        self._status, self._status_at = UNKNOWN, -math.inf
        self._lost_gpus: Sequence[str] = ()
        self._nodes_at = self._overlooked_at = -math.inf
        self._met = False
        """Whether the autoscaler has ever told anything: until then nothing is held or asked for (A8)."""
        self._stale = True
        """Whether there may be requests that were not read yet."""

    def run(self, stop: Event) -> None:
        """Round after round until `stop`."""
        self._stale = True  # another leader may have asked meanwhile
        backoff = Backoff(first=self._settings.watcher.sync_period_seconds)
        while not stop.is_set():
            began = self._clock()
            try:
                self.round()
            except (ApiError, Unreachable) as error:
                wait = backoff.failed()
                log.warning("watcher: %s; next try in %.1f s", error, wait)
            except Exception:
                wait = backoff.failed()
                log.exception("watcher: a bug; next try in %.1f s", wait)
            else:
                backoff.reset()
                # A round may take long where thousands of pods wait: leave the informers as much time.
                wait = max(self._period(), self._clock() - began)
            stop.wait(wait)

    def round(self) -> None:
        """One look and what follows from it."""
        works = self._works()
        # In this order: sizes older than the answers, so that a purchase is never part of its own baseline,
        # and answers older than the pods, so that a pod that was bound is not waited for.
        self._read_status(older_than=0 if works and self._in_flight() else _STATUS_EVERY)
        with self._cache.lock:
            self._look_at_nodes()
            holds = self._holds(works=works and self._met and not self._tracker.deaf)
        self._hold(holds)
        if works:
            self._grow()
        else:
            self._observe()

    def _period(self) -> float:
        """Short while an answer is half there: what follows must come before the autoscaler's next loop."""
        urgent = any(request.answer is RequestPhase.ACCEPTED for request in self._requests)
        return (
            min(self._settings.watcher.sync_period_seconds, _URGENT)
            if urgent
            else self._settings.watcher.sync_period_seconds
        )

    def _in_flight(self) -> bool:
        return self._stale or any(request.answer in IN_FLIGHT for request in self._requests)

    def _works(self) -> bool:
        return self._settings.watcher.backend is not Backend.NONE and self._autoscaler.available()

    def _grow(self) -> None:
        if self._stale or self._requests:
            self._requests = self._autoscaler.requests()
            self._stale = False
        with self._cache.lock:
            state = self._sight()
            self._tracker.look(state)
            self._operator_log.look(state, self._tracker)
            self._look_for_overlooked(state)
            todo = plan_actions(state, self._tracker)
        for step in todo:
            self._take(step, state)
        self._publish(state, _presence(state, self._tracker) if self._met else AutoscalerHealth.NOT_SERVED)

    def _read_status(self, older_than: float) -> None:
        now = self._clock()
        if now - self._status_at >= older_than:
            self._status, self._status_at = self._autoscaler.status(), now
            self._met = self._met or bool(self._status.updated)

    def _look_at_nodes(self) -> None:
        now, own = self._clock(), self._settings.watcher
        if now - self._nodes_at >= _STATUS_EVERY:
            resources = own.managed_resources or ("nvidia.com/gpu",)
            self._lost_gpus = unready_gpus(self._cache, self._cache.policies, own.gpu_labels, resources)
            units = (unit for policy in self._cache.policies for unit in policy.units)
            keys = {key for unit in units for key in unit.node_selector}
            self._groups = self._groups.learning(self._cache.nodes.values(), self._status, keys)
            self._nodes_at = now

    def _look_for_overlooked(self, state: ClusterState) -> None:
        if state.now - self._overlooked_at >= _STATUS_EVERY:
            self._overlooked_at = state.now
            self._operator_log.overlooked(self._overlooked.look(state, self._tracker))

    def _publish(self, state: ClusterState, presence: AutoscalerHealth) -> None:
        scaleup_status = build_scaleup_status(state, self._tracker, presence)
        self._board.publish(scaleup_status)
        self._operator_log.prospects(scaleup_status, self._status)

    def _observe(self) -> None:
        with self._cache.lock:
            state = self._sight()
            self._tracker.look(state)
            found = wanted(state, self._tracker)
        self._operator_log.would_ask(found)
        off = self._settings.watcher.backend is Backend.NONE
        self._publish(state, AutoscalerHealth.OFF if off else AutoscalerHealth.NOT_SERVED)

    def _take(self, step: Action, state: ClusterState) -> None:
        self._stale = True
        match step:
            case CreateRequest(demands):
                self._ask(demands)
            case ScaleRequest(request, places):
                self._autoscaler.shrink(request, places)
            case MarkProvisioned(request):
                self._autoscaler.settle(request)
                self._operator_log.settled(request)
            case DeleteRequest(request, why):
                self._autoscaler.withdraw(request)
                said = ""
                if why is DeleteReason.FAILED:
                    self._read_status(older_than=0)
                    said = " ".join(filter(None, (request.message, self._status.troubles)))
                record_outcome(request, why, said, state, self._tracker, self._status)
                self._tracker.forget(request.name)
                self._operator_log.withdrawn(request, why, said)

    def _ask(self, demands: Sequence[Demand]) -> None:
        self._read_status(older_than=0)
        try:
            names = self._autoscaler.ask(demands, self._status)
        except ApiError as error:
            if error.status not in _FOR_GOOD:
                raise
            # A quota, or an admission policy: another unit may fare better, and other policies do.
            for demand in demands:
                record_refusal(demand, error.message, self._tracker, self._clock())
                self._operator_log.refused(demand, error.message)
        else:
            for name, demand in zip(names, demands, strict=True):
                self._tracker.asked(name, self._status)
                self._operator_log.asked(demand, name)

    def _sight(self) -> ClusterState:
        oldest = min((request.made_at for request in self._requests), default=math.inf)
        own = frozenset[str]().union(*(request.pods for request in self._requests))
        placed = self._by_policy(p for p in self._cache.pods() if _is_arrival(p, own, oldest))
        waiting = self._by_policy(p for p in self._cache.pods() if self._is_open(p) and self._may_land(p))
        return ClusterState(
            now=self._clock(),
            view=self._cache,
            governed={p.key: PolicyState(p, waiting[p.key], placed[p.key]) for p in self._cache.policies},
            requests=self._requests,
            status=self._status,
            groups=self._groups,
            lost_gpus=self._lost_gpus,
        )

    def _by_policy(self, pods: Iterable[Pod]) -> dict[str, tuple[Pod, ...]]:
        found: dict[str, list[Pod]] = {policy.key: [] for policy in self._cache.policies}
        for pod in pods:
            policy = self._cache.policies.governing(pod)
            if policy is not None:
                found[policy.key].append(pod)
        return {key: tuple(governed) for key, governed in found.items()}

    def _is_open(self, pod: Pod) -> bool:
        """Whether the pod waits for a node, and the extender is asked about it (M8)."""
        managed = self._settings.watcher.managed_resources
        ours = OWNED.items() <= pod.labels.items()  # a placeholder, whatever policies our namespace has
        return not (pod.node_name or pod.finished or pod.terminating or ours) and (
            not managed or any(name in pod.requests for name in managed)
        )

    def _may_land(self, pod: Pod) -> bool:
        """Whether the extender does not refuse the pod everywhere: growth would be in vain (M4)."""
        rejects = self._settings.on_conflict is OnConflict.REJECT
        return not rejects or len(self._cache.policies.matching(pod)) <= 1

    def _holds(self, *, works: bool) -> list[HoldChange]:
        now, lasting = self._clock(), self._settings.watcher.hold_ttl_seconds
        if not works:
            return hold_changes(self._cache.pods(), (), now, lasting)
        waiting = self._by_policy(pod for pod in self._cache.pods() if self._is_open(pod))
        growing = [p for p in self._cache.policies if any(unit.waits_for_nodes for unit in p.units)]
        due = {pod.uid for policy in growing for pod in waiting[policy.key]} - self._overlooked.uids
        return hold_changes(self._cache.pods(), due, now, lasting)


def _is_arrival(pod: Pod, asked: Collection[str], oldest: float) -> bool:
    """Whether the pod was placed while requests live, so that it may have taken a place of one."""
    return bool(pod.node_name) and (pod.uid in asked or (pod.bound_at or 0.0) >= oldest)


def _presence(state: ClusterState, memory: RequestTracker) -> AutoscalerHealth:
    if memory.deaf:
        return AutoscalerHealth.NOT_RESPONDING
    unheard = any(memory.unanswered(request, state) for request in state.requests)
    return AutoscalerHealth.DOWN if unheard or memory.silent(state.now) else AutoscalerHealth.SERVING
