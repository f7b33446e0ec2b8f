"""The watcher's log for operators: what was requested, for whom, what came of it, after how many seconds.

Each line is written once per change.
"""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from policy.api.objects import Pod
from policy.scaleup.demand import Demand, wants_nodes
from policy.scaleup.planner import free_nodes
from watcher.provisioner.autoscaler_status import AutoscalerStatus
from watcher.provisioner.interface import Request, RequestPhase
from watcher.scaleup.actions import DeleteReason, DeleteRequest
from watcher.scaleup.cluster_state import ClusterState, TrackedRequest
from watcher.scaleup.scaleup_status import AutoscalerHealth, Blocked, BlockReason, ScaleUpStatus

__all__ = ["OperatorLog"]

log = logging.getLogger(__name__)

_BINDING_GRACE = 30.0
"""Seconds that the scheduler has to use a free node that was bought for a pod."""
_NAMED = 3
"""Pods of a demand that a line names."""
_WARNED = (DeleteReason.FAILED, DeleteReason.OVERDUE, DeleteReason.NODES_TAKEN)


@dataclass(slots=True)
class OperatorLog:
    """`clock` gives Unix seconds."""

    clock: Callable[[], float]
    _pending_since: dict[str, float] = field(default_factory=dict)
    _logged: set[tuple[str, str]] = field(default_factory=set)
    """Request and line."""
    _free_since: dict[str, float] = field(default_factory=dict)
    """By uid of a pod: since when a node that was bought for it is free."""
    _health: AutoscalerHealth = AutoscalerHealth.UNKNOWN
    _blocked: dict[tuple[str, int], BlockReason] = field(default_factory=dict)
    _unready_gpus: tuple[str, ...] = ()
    _unmet: tuple[str, ...] = ()

    def state_observed(self, state: ClusterState) -> None:
        """Log what has changed since the last reconcile."""
        self._note_pending(pod for policy_state in state.policies.values() for pod in policy_state.pending)
        names = {tracked.request.name for tracked in state.requests}
        self._logged = {(name, line) for name, line in self._logged if name in names}
        for tracked in state.requests:
            self._log_answered(tracked.request)
            self._log_unanswered(tracked, state)
            self._log_unused_nodes(tracked, state)

    def status_changed(self, scaleup_status: ScaleUpStatus, status: AutoscalerStatus) -> None:
        """Log what has changed in the scale-up status."""
        if scaleup_status.health is not self._health:
            self._log_health(self._health, scaleup_status.health, status)
            self._health = scaleup_status.health
        if scaleup_status.unready_gpus != self._unready_gpus:
            self._unready_gpus = scaleup_status.unready_gpus
            self._log_unready_gpus()
        blocked = {place: unit.blocked for place, unit in scaleup_status.units.items() if unit.blocked}
        for (policy, unit), why in blocked.items():
            if self._blocked.get((policy, unit)) is not why.reason:
                self._log_blocked(policy, unit, why)
        for policy, unit in self._blocked.keys() - blocked.keys() & scaleup_status.units.keys():
            log.info("unit %d of %s: no longer passed over", unit, policy)
        self._blocked = {place: why.reason for place, why in blocked.items()}

    def request_created(self, demand: Demand, name: str) -> None:
        """A request was created for a demand."""
        log.info("%s: asked for %s; %s", name, _words(demand), self._age(demand.pods))

    def create_refused(self, demand: Demand, message: str) -> None:
        """The API server refused to create a request for a demand."""
        log.warning("could not ask for %s: %s", _words(demand), message)

    def request_provisioned(self, request: Request) -> None:
        """A request was marked provisioned, as its group grew and no condition told so."""
        what = (
            "its placeholders are removed"
            if request.placeholders
            else "it is deleted, as its answer was lost"
        )
        log.info(
            "%s: a node group was told to grow, %.1f s after the request: taken as provisioned, and %s",
            request.name,
            self.clock() - request.made_at,
            what,
        )

    def request_deleted(self, action: DeleteRequest, message: str) -> None:
        """A request was deleted; `message` is what the autoscaler said about its failure."""
        request = action.tracked.request
        log.log(
            logging.WARNING if action.reason in _WARNED else logging.INFO,
            "%s: withdrawn %.1f s after it was made, for %d pod(s) in %s: %s%s",
            request.name,
            self.clock() - request.made_at,
            len(request.pods),
            _unit(action.tracked),
            action.reason,
            f" ({message})" if message else "",
        )

    def pods_released(self, pods: Iterable[Pod]) -> None:
        """The scheduler leaves pods pending beside a free node: they are not held any more."""
        for pod in pods:
            log.warning(
                "%s/%s stays pending though a node is free for it, as far as we can tell: it is left to "
                "cluster-autoscaler, which may take another unit; see the pod's events",
                pod.namespace,
                pod.name,
            )

    def only_observed(self, unmet: Iterable[Demand]) -> None:
        """Demands for which nobody can be asked; logged once per change."""
        words = tuple(sorted(map(_words, unmet)))
        if words != self._unmet:
            self._unmet = words
            log.info("not asked, only observed: %s", "; ".join(words) or "nothing is wanted any more")

    def _note_pending(self, pods: Iterable[Pod]) -> None:
        now = self.clock()
        wanting = {pod.uid for pod in pods if wants_nodes(pod)}
        self._pending_since = {uid: self._pending_since.get(uid, now) for uid in wanting}

    def _age(self, pods: Sequence[Pod]) -> str:
        now = self.clock()
        seen = min((self._pending_since.get(pod.uid, now) for pod in pods), default=now)
        since = min((pod.unscheduled_since or now for pod in pods), default=now)
        return (
            f"{now - seen:.1f} s after we saw the first unschedulable ({now - since:.0f} s by its condition)"
        )

    def _is_new(self, request: Request, line: str) -> bool:
        """Whether the line was not logged for the request before; it counts as logged now."""
        new = (request.name, line) not in self._logged
        self._logged.add((request.name, line))
        return new

    def _log_answered(self, request: Request) -> None:
        answered = (RequestPhase.ACCEPTED, RequestPhase.PROVISIONED)
        if request.phase in answered and self._is_new(request, request.phase):
            answer = f"{request.phase} {request.message}".strip()
            log.info("%s: %s, %.1f s after it was made", request.name, answer, self.clock() - request.made_at)

    def _log_unanswered(self, tracked: TrackedRequest, state: ClusterState) -> None:
        request = tracked.request
        if tracked.unanswered and self._is_new(request, "unanswered"):
            log.warning(
                "%s: no answer for %.0f s; %s",
                request.name,
                state.now - request.made_at,
                "cluster-autoscaler works, but not on requests: is --enable-provisioning-requests on?"
                if tracked.loop_seen
                else f"cluster-autoscaler shows no life (last seen: {state.status.updated or 'never'})",
            )

    def _log_unused_nodes(self, tracked: TrackedRequest, state: ClusterState) -> None:
        """Bought, ready and free, and not used: the extender or the scheduler refuses the node."""
        request = tracked.request
        if tracked.unit is None or request.phase is not RequestPhase.PROVISIONED:
            return
        for pod in tracked.waiting:
            node = next(free_nodes(state.view, tracked.unit.policy, tracked.unit.index, pod), "")
            if not node:
                self._free_since.pop(pod.uid, None)
                continue
            since = self._free_since.setdefault(pod.uid, state.now)
            if state.now - since > _BINDING_GRACE and self._is_new(request, pod.uid):
                log.warning(
                    "%s: %s/%s stays pending though node %s of %s is free: see the pod's events",
                    request.name,
                    pod.namespace,
                    pod.name,
                    node,
                    _unit(tracked),
                )

    def _log_health(self, before: AutoscalerHealth, now: AutoscalerHealth, status: AutoscalerStatus) -> None:
        if now is AutoscalerHealth.NOT_RESPONDING:
            log.warning("holds are released until cluster-autoscaler answers a request")
        elif now is AutoscalerHealth.DOWN:
            log.warning(
                "cluster-autoscaler shows no life since %s; holds stay for when it is back", status.updated
            )
        elif now is AutoscalerHealth.NOT_SERVED and (status.unreadable or not status.updated):
            log.warning(
                "no pod is held and nothing asked for: ConfigMap cluster-autoscaler-status %s",
                f"cannot be read: {status.unreadable}"
                if status.unreadable
                else "is not there, so cluster-autoscaler does not run, or runs with "
                "--write-status-configmap=false",
            )
        elif now is AutoscalerHealth.SERVING and before is not AutoscalerHealth.UNKNOWN:
            log.info("cluster-autoscaler is there and answers: pods are held and nodes asked for")

    def _log_unready_gpus(self) -> None:
        if self._unready_gpus:
            log.warning(
                "%s: labelled as having a GPU, and offering none. Later versions of cluster-autoscaler buy "
                "nothing while there is such a node that they do not manage (kubernetes/autoscaler#10301): "
                "mend its driver, or take the label away",
                ", ".join(self._unready_gpus),
            )
        else:
            log.info("every node that is labelled as having a GPU offers one again")

    def _log_blocked(self, policy: str, unit: int, why: Blocked) -> None:
        until = (
            "until the autoscaler lifts it"
            if why.until == math.inf
            else f"for {why.until - self.clock():.0f} s"
        )
        log.warning("unit %d of %s is passed over %s: %s %s", unit, policy, until, why.reason, why.message)


def _words(demand: Demand) -> str:
    unit = demand.policy.units[demand.unit]
    where = ",".join(f"{key}={value}" for key, value in sorted(unit.node_selector.items())) or "any node"
    more = ", ..." if len(demand.pods) > _NAMED else ""
    names = ", ".join(pod.name for pod in demand.pods[:_NAMED]) + more
    return f"{len(demand.pods)} pod(s) in unit {demand.unit} ({where}) of {demand.policy.key}: {names}"


def _unit(tracked: TrackedRequest) -> str:
    if tracked.unit is None:
        return "a unit that is gone"
    return f"unit {tracked.unit.index} of {tracked.request.policy}"
