"""The reconcile loop of scale-up: observe, plan, apply, publish (W1 to W5).

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
    wanted_demands,
)
from watcher.scaleup.cluster_state import ClusterState, Observation, PolicyState, Timeouts
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

_SLOW_PERIOD = 2.0
"""Seconds between two looks at what changes slowly: the autoscaler's groups while nothing is asked, GPUs."""
_URGENT_PERIOD = 0.05
_PERMANENT = (400, 403, 422)


class ScaleUpController:
    """`clock` gives Unix seconds; `hold_pods` writes holds and releases."""

    def __init__(
        self,
        cache: Cache,
        provisioner: Provisioner,
        hold_pods: Callable[[Iterable[HoldChange]], None],
        clock: Callable[[], float],
        settings: Settings,
        latest_status: LatestScaleUpStatus,
    ) -> None:
        self._cache = cache
        self._provisioner = provisioner
        self._hold_pods = hold_pods
        self._clock = clock
        self._settings = settings
        self._latest_status = latest_status
        own = settings.watcher
        self._tracker = RequestTracker(
            UnitBackoff(own.initial_backoff_seconds, own.max_backoff_seconds),
            Timeouts(
                own.request_timeout_seconds, own.max_node_provision_seconds, own.gpu_ready_timeout_seconds
            ),
        )
        self._operator_log = OperatorLog(clock)
        self._schedulable = SchedulablePods()
        self._groups = NodeGroups(own.node_groups, own.node_group_labels)
        self._requests: Sequence[Request] = ()
        self._status, self._status_at = UNKNOWN, -math.inf
        self._unready_gpus: Sequence[str] = ()
        self._nodes_at = self._schedulable_at = -math.inf
        self._not_responding = False
        self._autoscaler_seen = False
        """Whether the autoscaler has ever told anything: until then nothing is held or asked for (A8)."""
        self._requests_stale = True
        """Whether there may be requests that were not read yet."""

    def run(self, stop: Event) -> None:
        """Reconcile again and again until `stop`."""
        self._requests_stale = True  # another leader may have made some meanwhile
        backoff = Backoff(first=self._settings.watcher.sync_period_seconds)
        while not stop.is_set():
            began = self._clock()
            try:
                self.reconcile()
            except (ApiError, Unreachable) as error:
                wait = backoff.failed()
                log.warning("watcher: %s; next try in %.1f s", error, wait)
            except Exception:
                wait = backoff.failed()
                log.exception("watcher: a bug; next try in %.1f s", wait)
            else:
                backoff.reset()
                # It may take long where thousands of pods wait: leave the informers as much time.
                wait = max(self._period(), self._clock() - began)
            stop.wait(wait)

    def reconcile(self) -> None:
        """Observe, plan, apply, publish."""
        asks = self._settings.watcher.backend is not Backend.NONE and self._provisioner.available()
        # In this order: sizes older than the answers, so that a purchase is never part of its own baseline,
        # and answers older than the pods, so that a pod that was bound is not waited for.
        self._read_status(older_than=0 if asks and self._in_flight() else _SLOW_PERIOD)
        self._hold_pods(self._plan_holds(holding=asks and self._autoscaler_seen and not self._not_responding))
        if asks:
            self._read_requests()
        with self._cache.lock:
            state = self._tracker.update(self._observe())
            actions = plan_actions(state) if asks else []
            self._log_state(state, asks=asks)
        self._not_responding = state.not_responding
        for action in actions:
            self._apply(action, state)
        self._publish(state, asks=asks)

    def _period(self) -> float:
        """Short while an answer is half there: what follows must come before the autoscaler's next loop."""
        period = self._settings.watcher.sync_period_seconds
        urgent = any(request.phase is RequestPhase.ACCEPTED for request in self._requests)
        return min(period, _URGENT_PERIOD) if urgent else period

    def _in_flight(self) -> bool:
        return self._requests_stale or any(request.phase in IN_FLIGHT for request in self._requests)

    def _read_requests(self) -> None:
        if self._requests_stale or self._requests:
            self._requests = self._provisioner.requests()
            self._requests_stale = False

    def _read_status(self, older_than: float) -> None:
        now = self._clock()
        if now - self._status_at >= older_than:
            self._status, self._status_at = self._provisioner.status(), now
            self._autoscaler_seen = self._autoscaler_seen or bool(self._status.updated)

    def _plan_holds(self, *, holding: bool) -> list[HoldChange]:
        with self._cache.lock:
            self._look_at_nodes()
            return self._holds(holding=holding)

    def _look_at_nodes(self) -> None:
        now, own = self._clock(), self._settings.watcher
        if now - self._nodes_at >= _SLOW_PERIOD:
            resources = own.managed_resources or ("nvidia.com/gpu",)
            self._unready_gpus = unready_gpus(self._cache, self._cache.policies, own.gpu_labels, resources)
            units = (unit for policy in self._cache.policies for unit in policy.units)
            keys = {key for unit in units for key in unit.node_selector}
            self._groups = self._groups.learning(self._cache.nodes.values(), self._status, keys)
            self._nodes_at = now

    def _log_state(self, state: ClusterState, *, asks: bool) -> None:
        if not asks:
            self._operator_log.would_create(wanted_demands(state))
            return
        self._operator_log.observed(state)
        if state.now - self._schedulable_at >= _SLOW_PERIOD:
            self._schedulable_at = state.now
            self._operator_log.left_to_autoscaler(self._schedulable.update(state))

    def _publish(self, state: ClusterState, *, asks: bool) -> None:
        scaleup_status = build_scaleup_status(state, self._health(state, asks=asks))
        self._latest_status.publish(scaleup_status)
        self._operator_log.published(scaleup_status, self._status)

    def _health(self, state: ClusterState, *, asks: bool) -> AutoscalerHealth:
        if self._settings.watcher.backend is Backend.NONE:
            return AutoscalerHealth.OFF
        if not (asks and self._autoscaler_seen):
            return AutoscalerHealth.NOT_SERVED
        if state.not_responding:
            return AutoscalerHealth.NOT_RESPONDING
        down = state.down or any(request.unanswered for request in state.requests)
        return AutoscalerHealth.DOWN if down else AutoscalerHealth.SERVING

    def _apply(self, action: Action, state: ClusterState) -> None:
        self._requests_stale = True
        match action:
            case CreateRequest(demands):
                self._create(demands)
            case ScaleRequest(request, places):
                self._provisioner.scale(request, places)
            case MarkProvisioned(request):
                self._provisioner.mark_provisioned(request)
                self._operator_log.marked_provisioned(request)
            case DeleteRequest(request, reason):
                self._delete(request, reason, state)

    def _create(self, demands: Sequence[Demand]) -> None:
        self._read_status(older_than=0)
        try:
            names = self._provisioner.create(demands, self._status)
        except ApiError as error:
            if error.status not in _PERMANENT:
                raise
            # A quota, or an admission policy: another unit may fare better, and other policies do.
            for demand in demands:
                record_refusal(demand, error.message, self._tracker.backoff, self._clock())
                self._operator_log.refused(demand, error.message)
        else:
            for name, demand in zip(names, demands, strict=True):
                self._tracker.requested(name, self._status)
                self._operator_log.created(demand, name)

    def _delete(self, request: Request, reason: DeleteReason, state: ClusterState) -> None:
        self._provisioner.delete(request)
        message = ""
        if reason is DeleteReason.FAILED:
            self._read_status(older_than=0)
            message = " ".join(filter(None, (request.message, self._status.troubles)))
        record_outcome(request, reason, message, state, self._status)
        self._tracker.forget(request.name)
        self._operator_log.deleted(request, reason, message)

    def _observe(self) -> Observation:
        oldest = min((request.made_at for request in self._requests), default=math.inf)
        own = frozenset[str]().union(*(request.pods for request in self._requests))
        pods = self._cache.pods()
        placed = self._by_policy(pod for pod in pods if _is_arrival(pod, own, oldest))
        pending = self._by_policy(pod for pod in pods if self._is_pending(pod) and self._may_land(pod))
        return Observation(
            now=self._clock(),
            view=self._cache,
            policies={p.key: PolicyState(p, pending[p.key], placed[p.key]) for p in self._cache.policies},
            requests=self._requests,
            status=self._status,
            groups=self._groups,
            unready_gpus=self._unready_gpus,
        )

    def _by_policy(self, pods: Iterable[Pod]) -> dict[str, tuple[Pod, ...]]:
        found: dict[str, list[Pod]] = {policy.key: [] for policy in self._cache.policies}
        for pod in pods:
            policy = self._cache.policies.governing(pod)
            if policy is not None:
                found[policy.key].append(pod)
        return {key: tuple(governed) for key, governed in found.items()}

    def _is_pending(self, pod: Pod) -> bool:
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

    def _holds(self, *, holding: bool) -> list[HoldChange]:
        now, lasting = self._clock(), self._settings.watcher.hold_ttl_seconds
        if not holding:
            return hold_changes(self._cache.pods(), (), now, lasting)
        waiting = self._by_policy(pod for pod in self._cache.pods() if self._is_pending(pod))
        needs_nodes = [p for p in self._cache.policies if any(unit.waits_for_nodes for unit in p.units)]
        due = {pod.uid for policy in needs_nodes for pod in waiting[policy.key]} - self._schedulable.uids
        return hold_changes(self._cache.pods(), due, now, lasting)


def _is_arrival(pod: Pod, own: Collection[str], oldest: float) -> bool:
    """Whether the pod was placed while requests live, so that it may have taken a place of one."""
    return bool(pod.node_name) and (pod.uid in own or (pod.bound_at or 0.0) >= oldest)
