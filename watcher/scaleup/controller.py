"""The scale-up loop of the watcher: observe, hold, plan, apply, publish (W1 to W5).

When it ends, holds and requests stay as they are: the next watcher goes on from them.
"""

import logging
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
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
    unmet_demands,
)
from watcher.scaleup.cluster_state import ClusterState, Observation, PolicyState, Timeouts
from watcher.scaleup.operator_log import OperatorLog
from watcher.scaleup.pod_holds import HoldChange, hold_changes
from watcher.scaleup.request_outcomes import backoff_after_deletion, backoff_after_refusal
from watcher.scaleup.request_tracker import RequestTracker
from watcher.scaleup.scaleup_status import AutoscalerHealth, LatestScaleUpStatus
from watcher.scaleup.scaleup_status_builder import build_scaleup_status
from watcher.scaleup.schedulable_pods import SchedulablePods
from watcher.scaleup.unit_backoff import UnitBackoff
from watcher.scaleup.unit_node_groups import NodeGroups

__all__ = ["ScaleUpController"]

log = logging.getLogger(__name__)

_SLOW_PERIOD = 2.0
"""Seconds between two reads of what changes slowly: node groups while no request is in flight, nodes."""
_FAST_PERIOD = 0.05
_PERMANENT = (400, 403, 422)


class ScaleUpController:
    """One thread's work. `clock` gives Unix seconds; `hold` writes holds and releases.

    `count` takes the policy's key and the outcome of each request: "asked", or its phase when it is deleted.
    """

    def __init__(
        self,
        cache: Cache,
        provisioner: Provisioner,
        hold: Callable[[Iterable[HoldChange]], None],
        clock: Callable[[], float],
        settings: Settings,
        latest_status: LatestScaleUpStatus,
        count: Callable[[str, str], None] = lambda _policy, _outcome: None,
    ) -> None:
        self._cache = cache
        self._provisioner = provisioner
        self._hold = hold
        self._clock = clock
        self._settings = settings
        self._latest_status = latest_status
        self._count = count
        own = settings.watcher
        self._tracker = RequestTracker(
            UnitBackoff(own.initial_backoff_seconds, own.max_backoff_seconds),
            Timeouts(
                own.request_timeout_seconds, own.max_node_provision_seconds, own.gpu_ready_timeout_seconds
            ),
        )
        self._operator_log = OperatorLog(clock)
        self._schedulable = SchedulablePods()
        self._schedulable_at = -math.inf
        self._groups = NodeGroups(own.node_groups, own.node_group_labels)
        self._unready_gpus: Sequence[str] = ()
        self._nodes_at = -math.inf
        self._requests: Sequence[Request] = ()
        self._requests_stale = True
        """Whether there may be requests that were not read yet."""
        self._status, self._status_at = UNKNOWN, -math.inf
        self._status_seen = False
        """Whether the autoscaler has ever written a status: until then nothing is held or requested (A8)."""

    def run(self, stop: Event) -> None:
        """Reconcile until `stop`."""
        self._requests_stale = True  # another leader may have created some meanwhile
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
                # A reconcile takes long where thousands of pods wait: leave the informers as much time.
                wait = max(self._period(), self._clock() - began)
            stop.wait(wait)

    def reconcile(self) -> None:
        """Bring holds and requests to what the policies want now, once."""
        available = self._settings.watcher.backend is not Backend.NONE and self._provisioner.available()
        # 1. Read the autoscaler's status first: sizes older than the conditions, so that a purchase is never
        # part of its own baseline, and conditions older than the pods, so that nobody waits for a bound pod.
        self._read_status(max_age=0 if available and self._in_flight() else _SLOW_PERIOD)
        # 2. Hold pods before the autoscaler acts on them by itself.
        with self._cache.lock:
            self._read_nodes()
            holds = self._hold_changes(available=available)
        self._hold(holds)
        # 3. Observe the requests and the cluster, as one immutable state.
        if available:
            self._read_requests()
        with self._cache.lock:
            state = self._tracker.update(self._observe())
            # 4. Plan.
            actions = self._plan(state) if available else self._only_observe(state)
        # 5. Apply.
        for action in actions:
            self._apply(action, state)
        # 6. Publish.
        self._publish(state, available=available)

    def _period(self) -> float:
        """Short after Accepted: the next step must come before the autoscaler's next loop."""
        period = self._settings.watcher.sync_period_seconds
        accepted = any(request.phase is RequestPhase.ACCEPTED for request in self._requests)
        return min(period, _FAST_PERIOD) if accepted else period

    def _in_flight(self) -> bool:
        return self._requests_stale or any(request.phase in IN_FLIGHT for request in self._requests)

    def _read_status(self, max_age: float) -> None:
        now = self._clock()
        if now - self._status_at >= max_age:
            self._status, self._status_at = self._provisioner.status(), now
            self._status_seen = self._status_seen or bool(self._status.updated)

    def _read_nodes(self) -> None:
        now, own = self._clock(), self._settings.watcher
        if now - self._nodes_at >= _SLOW_PERIOD:
            resources = own.managed_resources or ("nvidia.com/gpu",)
            self._unready_gpus = unready_gpus(self._cache, self._cache.policies, own.gpu_labels, resources)
            units = (unit for policy in self._cache.policies for unit in policy.units)
            keys = {key for unit in units for key in unit.node_selector}
            self._groups = self._groups.with_nodes(self._cache.nodes.values(), self._status, keys)
            self._nodes_at = now

    def _read_requests(self) -> None:
        if self._requests_stale or self._requests:
            self._requests = self._provisioner.requests()
            self._requests_stale = False

    def _observe(self) -> Observation:
        oldest = min((request.made_at for request in self._requests), default=math.inf)
        own = frozenset[str]().union(*(request.pods for request in self._requests))
        placed = self._by_policy(p for p in self._cache.pods() if _may_have_taken_place(p, own, oldest))
        pending = self._by_policy(p for p in self._cache.pods() if self._is_pending(p) and self._may_land(p))
        return Observation(
            now=self._clock(),
            view=self._cache,
            policies={p.key: PolicyState(p, pending[p.key], placed[p.key]) for p in self._cache.policies},
            requests=self._requests,
            status=self._status,
            groups=self._groups,
            unready_gpus=self._unready_gpus,
        )

    def _plan(self, state: ClusterState) -> Sequence[Action]:
        self._operator_log.state_observed(state)
        if state.now - self._schedulable_at >= _SLOW_PERIOD:
            self._schedulable_at = state.now
            self._operator_log.pods_released(self._schedulable.update(state))
        return plan_actions(state)

    def _only_observe(self, state: ClusterState) -> Sequence[Action]:
        self._operator_log.only_observed(unmet_demands(state))
        return ()

    def _apply(self, action: Action, state: ClusterState) -> None:
        self._requests_stale = True
        match action:
            case CreateRequest(demands):
                self._create(demands)
            case ScaleRequest(request, places):
                self._provisioner.scale(request, places)
            case MarkProvisioned(request):
                self._provisioner.mark_provisioned(request)
                self._operator_log.request_provisioned(request)
            case DeleteRequest():
                self._delete(action, state)

    def _create(self, demands: Sequence[Demand]) -> None:
        self._read_status(max_age=0)
        try:
            names = self._provisioner.create(demands, self._status)
        except ApiError as error:
            if error.status not in _PERMANENT:
                raise
            # A quota, or an admission policy: another unit may fare better, and other policies do.
            for demand in demands:
                self._tracker.backoff = backoff_after_refusal(
                    self._tracker.backoff, demand, error.message, self._clock()
                )
                self._operator_log.create_refused(demand, error.message)
        else:
            for name, demand in zip(names, demands, strict=True):
                self._tracker.created(name, self._status)
                self._count(demand.policy.key, "asked")
                self._operator_log.request_created(demand, name)

    def _delete(self, action: DeleteRequest, state: ClusterState) -> None:
        request, message = action.tracked.request, ""
        self._provisioner.delete(request)
        self._count(request.policy, request.phase)
        if action.reason is DeleteReason.FAILED:
            self._read_status(max_age=0)
            message = " ".join(filter(None, (request.message, self._status.troubles)))
        self._tracker.backoff = backoff_after_deletion(
            self._tracker.backoff, action, message, state, self._status
        )
        self._tracker.forget(request.name)
        self._operator_log.request_deleted(action, message)

    def _publish(self, state: ClusterState, *, available: bool) -> None:
        health = state.health if available and self._status_seen else AutoscalerHealth.NOT_SERVED
        if self._settings.watcher.backend is Backend.NONE:
            health = AutoscalerHealth.OFF
        # With the back-off that the actions left.
        scaleup_status = build_scaleup_status(replace(state, backoff=self._tracker.backoff), health)
        self._latest_status.publish(scaleup_status)
        self._operator_log.status_changed(scaleup_status, self._status)

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
        """Whether the extender does not refuse the pod everywhere: new nodes would be in vain (M4)."""
        rejects = self._settings.on_conflict is OnConflict.REJECT
        return not rejects or len(self._cache.policies.matching(pod)) <= 1

    def _hold_changes(self, *, available: bool) -> list[HoldChange]:
        now, ttl = self._clock(), self._settings.watcher.hold_ttl_seconds
        if not available or not self._status_seen or self._tracker.not_responding:
            return hold_changes(self._cache.pods(), (), now, ttl)
        pending = self._by_policy(pod for pod in self._cache.pods() if self._is_pending(pod))
        growing = [p for p in self._cache.policies if any(unit.waits_for_nodes for unit in p.units)]
        due = {pod.uid for policy in growing for pod in pending[policy.key]} - self._schedulable.uids
        return hold_changes(self._cache.pods(), due, now, ttl)


def _may_have_taken_place(pod: Pod, requested: Collection[str], oldest: float) -> bool:
    """Whether the pod was placed since the oldest request, so that it may have taken a place of one."""
    return bool(pod.node_name) and (pod.uid in requested or (pod.bound_at or 0.0) >= oldest)
