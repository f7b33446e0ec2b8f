"""What the status of every policy should say now (L5)."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from cluster.cache.cache import Cache
from policy.api.objects import Pod
from policy.api.options import OnConflict
from policy.api.resourcepolicy import ResourcePolicy, Unit
from policy.podmetadata.desired_metadata import SkippedLabel
from policy.scaleup.demand import wants_nodes
from policy.scheduling.matching import is_managed
from policy.status.conditions import Condition, about_pods, accepted, labels_refused, rejected
from policy.status.unit_capacity import FreeCapacity, UnitCapacity, unit_capacities
from watcher.scaleup.scaleup_status import ScaleUpStatus
from watcher.status.unit_status import UnitState, growth_conditions, states

__all__ = ["PolicyStatus", "StatusBuilder", "StatusReport", "UnitStatus"]


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """One unit: what it is, what it holds, how many pods nodes were asked for, and its state."""

    unit: Unit
    occupancy: UnitCapacity
    requested: int
    state: UnitState


@dataclass(frozen=True, slots=True)
class PolicyStatus:
    """What one policy's status should say."""

    generation: int
    conditions: tuple[Condition, ...]
    pending: int = 0
    """Pods that wait for a node."""
    units: tuple[UnitStatus, ...] = ()
    uid: str = field(default="", compare=False)
    """The policy's."""
    waiting: tuple[Pod, ...] = field(default=(), compare=False)
    """The pods for which the scheduler found no node, by name."""


@dataclass(frozen=True, slots=True)
class StatusReport:
    """One look."""

    statuses: Mapping[str, PolicyStatus]
    """By `namespace/name`."""
    policies: Mapping[str, ResourcePolicy]
    """Those in force, by `namespace/name`."""
    scaleup_status: ScaleUpStatus


@dataclass(frozen=True, slots=True)
class _Found:
    """What the cache tells of one policy."""

    units: tuple[UnitCapacity, ...]
    pending: int
    waiting: tuple[Pod, ...]


@dataclass(frozen=True, slots=True)
class StatusBuilder:
    """Looks at the cache."""

    cache: Cache
    managed_resources: Collection[str]
    on_conflict: OnConflict

    def report(self, scaleup_status: ScaleUpStatus, not_written: Collection[SkippedLabel]) -> StatusReport:
        """The status of every policy, and what it rests on."""
        with self.cache.lock:
            policies = list(self.cache.policies)
            pods = list(self.cache.pods())
            refused = {policy.key: policy for policy in self.cache.policies.rejected()}
            found = self._found(policies, pods)
        about_pods = self._about_pods(policies, pods)
        statuses = {}
        for policy in policies:
            conditions = (
                accepted(),
                *about_pods[policy.key],
                *growth_conditions(policy, scaleup_status),
                labels_refused(each for each in not_written if each.policy == policy.key),
            )
            statuses[policy.key] = _status(policy, found[policy.key], conditions, scaleup_status)
        for key, invalid in refused.items():
            condition = rejected(invalid, in_force=key in statuses)
            last = statuses.get(key, PolicyStatus(0, ()))
            now = (condition, *last.conditions[1:])
            statuses[key] = replace(last, generation=invalid.generation, conditions=now, uid=invalid.uid)
        return StatusReport(statuses, {policy.key: policy for policy in policies}, scaleup_status)

    def _found(self, policies: Iterable[ResourcePolicy], pods: Iterable[Pod]) -> dict[str, _Found]:
        governed: dict[str, list[Pod]] = {policy.key: [] for policy in policies}
        for pod in pods:
            policy = None if pod.finished else self.cache.policies.governing(pod)
            if policy is not None:
                governed[policy.key].append(pod)
        room = FreeCapacity(self.cache)
        return {policy.key: self._held(policy, governed[policy.key], room) for policy in policies}

    def _held(self, policy: ResourcePolicy, pods: list[Pod], room: FreeCapacity) -> _Found:
        asking = [pod for pod in pods if is_managed(pod, self.managed_resources)]
        pending = [pod for pod in asking if not (pod.node_name or pod.terminating)]
        return _Found(
            unit_capacities(policy, pods, asking, self.cache, room, self.managed_resources),
            pending=len(pending),
            waiting=tuple(sorted(filter(wants_nodes, pending), key=lambda pod: pod.name)),
        )

    def _about_pods(
        self, policies: Iterable[ResourcePolicy], pods: Iterable[Pod]
    ) -> Mapping[str, tuple[Condition, ...]]:
        """Namespace by namespace: policies of one never meet pods of another (M1)."""
        local: dict[str, tuple[list[ResourcePolicy], list[Pod]]] = {}
        for policy in policies:
            local.setdefault(policy.namespace, ([], []))[0].append(policy)
        for pod in pods:
            if pod.namespace in local:
                local[pod.namespace][1].append(pod)
        return {
            key: conditions
            for neighbours, inhabitants in local.values()
            for key, conditions in about_pods(
                neighbours, inhabitants, self.managed_resources, self.on_conflict
            ).items()
        }


def _status(
    policy: ResourcePolicy, found: _Found, conditions: tuple[Condition, ...], scaleup_status: ScaleUpStatus
) -> PolicyStatus:
    units = tuple(
        UnitStatus(unit, occupancy, scaleup_status.of(policy.key, index).requested, state)
        for index, (unit, occupancy, state) in enumerate(
            zip(policy.units, found.units, states(policy, found.units, scaleup_status), strict=True)
        )
    )
    return PolicyStatus(policy.generation, conditions, found.pending, units, policy.uid, found.waiting)
