"""The log lines of the scale-up controller, each written once: what was requested, for whom, the result."""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from policy.api.objects import Pod
from policy.scaleup.demand import Demand, wants_nodes
from policy.scaleup.planner import free_nodes
from watcher.provisioner.autoscaler_status import AutoscalerStatus
from watcher.provisioner.interface import Request, RequestPhase
from watcher.scaleup.actions import DeleteReason
from watcher.scaleup.cluster_state import ClusterState, TrackedRequest
from watcher.scaleup.scaleup_status import AutoscalerHealth, Blocked, BlockReason, ScaleUpStatus

__all__ = ["OperatorLog"]

log = logging.getLogger(__name__)

_GRACE_SECONDS = 30.0
"""Seconds that the scheduler gets to use a free node that was bought for a pod."""
_NAMED = 3
"""Pods of a demand that a line names."""


@dataclass(slots=True)
class OperatorLog:
    """`clock` gives Unix seconds."""

    clock: Callable[[], float]
    _pending_since: dict[str, float] = field(default_factory=dict)
    _units: dict[str, str] = field(default_factory=dict)
    """Of each request, in words."""
    _written: set[tuple[str, str]] = field(default_factory=set)
    _free_since: dict[str, float] = field(default_factory=dict)
    """Since when a node that was bought for the pod stands free."""
    _health: AutoscalerHealth = AutoscalerHealth.UNKNOWN
    _blocked: dict[tuple[str, int], BlockReason] = field(default_factory=dict)
    _unready_gpus: tuple[str, ...] = ()
    _wanted: tuple[str, ...] = ()

    def observed(self, state: ClusterState) -> None:
        """Write what has changed by itself since the last reconcile."""
        self._note_pending(pod for each in state.policies.values() for pod in each.pending)
        live = {request.name for request in state.requests}
        self._written = {(name, what) for name, what in self._written if name in live}
        for request in state.requests:
            self._units[request.name] = _unit(request)
            self._answered(request.request)
            self._unanswered(request, state)
            self._unused(request, state)

    def published(self, scaleup_status: ScaleUpStatus, status: AutoscalerStatus) -> None:
        """Write what has changed in the status of units and of the autoscaler."""
        if scaleup_status.health is not self._health:
            self._log_health(self._health, scaleup_status.health, status)
            self._health = scaleup_status.health
        if scaleup_status.unready_gpus != self._unready_gpus:
            self._unready_gpus = scaleup_status.unready_gpus
            self._log_unready_gpus()
        blocked = {place: growth.blocked for place, growth in scaleup_status.units.items() if growth.blocked}
        for (policy, unit), why in blocked.items():
            if self._blocked.get((policy, unit)) is not why.reason:
                self._log_blocked(policy, unit, why)
        for policy, unit in self._blocked.keys() - blocked.keys() & scaleup_status.units.keys():
            log.info("unit %d of %s: no longer passed over", unit, policy)
        self._blocked = {place: why.reason for place, why in blocked.items()}

    def created(self, demand: Demand, name: str) -> None:
        """A request was made."""
        log.info("%s: asked for %s; %s", name, _words(demand), self._age(demand.pods))

    def refused(self, demand: Demand, message: str) -> None:
        """The API server took no request for a demand."""
        log.warning("could not ask for %s: %s", _words(demand), message)

    def marked_provisioned(self, request: Request) -> None:
        """A request was taken back because it had been served without a word."""
        what = "its placeholders are removed" if request.shown else "it is deleted, as its answer was lost"
        log.info(
            "%s: a node group was told to grow, %.1f s after the request: taken as provisioned, and %s",
            request.name,
            self.clock() - request.made_at,
            what,
        )

    def deleted(self, request: Request, reason: DeleteReason, message: str) -> None:
        """A request was deleted; the autoscaler may have said why it failed."""
        log.log(
            logging.WARNING
            if reason in (DeleteReason.FAILED, DeleteReason.OVERDUE, DeleteReason.LOST)
            else logging.INFO,
            "%s: withdrawn %.1f s after it was made, for %d pod(s) in %s: %s%s",
            request.name,
            self.clock() - request.made_at,
            len(request.pods),
            self._units.pop(request.name, "a unit that is gone"),
            reason,
            f" ({message})" if message else "",
        )

    def left_to_autoscaler(self, pods: Iterable[Pod]) -> None:
        """Pods that the scheduler leaves pending beside a free node are held no longer."""
        for pod in pods:
            log.warning(
                "%s/%s stays pending though a node is free for it, as far as we can tell: it is left to "
                "cluster-autoscaler, which may take another unit; see the pod's events",
                pod.namespace,
                pod.name,
            )

    def would_create(self, found: Iterable[Demand]) -> None:
        """What would be asked for if anybody could be asked; said once per change."""
        words = tuple(sorted(map(_words, found)))
        if words != self._wanted:
            self._wanted = words
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

    def _once(self, request: Request, what: str) -> bool:
        """Whether this is news."""
        news = (request.name, what) not in self._written
        self._written.add((request.name, what))
        return news

    def _answered(self, request: Request) -> None:
        answers = (RequestPhase.ACCEPTED, RequestPhase.PROVISIONED)
        if request.phase in answers and self._once(request, request.phase):
            said = f"{request.phase} {request.message}".strip()
            log.info("%s: %s, %.1f s after it was made", request.name, said, self.clock() - request.made_at)

    def _unanswered(self, tracked: TrackedRequest, state: ClusterState) -> None:
        request = tracked.request
        if tracked.unanswered and self._once(request, "unanswered"):
            log.warning(
                "%s: no answer for %.0f s; %s",
                request.name,
                state.now - request.made_at,
                "cluster-autoscaler works, but not on requests: is --enable-provisioning-requests on?"
                if tracked.autoscaler_alive
                else f"cluster-autoscaler shows no life (last seen: {state.status.updated or 'never'})",
            )

    def _unused(self, tracked: TrackedRequest, state: ClusterState) -> None:
        """A node came, is ready and free, and is not used: the extender or the scheduler refuses it."""
        request, target = tracked.request, tracked.target
        if target is None or request.phase is not RequestPhase.PROVISIONED:
            return
        for pod in tracked.waiting:
            free = next(free_nodes(state.view, target.policy, target.index, pod), "")
            if not free:
                self._free_since.pop(pod.uid, None)
                continue
            since = self._free_since.setdefault(pod.uid, state.now)
            if state.now - since > _GRACE_SECONDS and self._once(request, pod.uid):
                log.warning(
                    "%s: %s/%s stays pending though node %s of %s is free: see the pod's events",
                    request.name,
                    pod.namespace,
                    pod.name,
                    free,
                    self._units[request.name],
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
    target = tracked.target
    return f"unit {target.index} of {target.policy.key}" if target else "a unit that is gone"
