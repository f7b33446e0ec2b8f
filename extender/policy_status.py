"""What the status of every policy should say now (L5).

Owns joining what was counted, what is expected of the autoscaler and what could not be written; must not know
when a status is written, or how. The conditions and the states are those of `policy.conditions`,
`policy.placement` and `unit_states`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from extender.cache import Cache
from extender.outlook import Outlook
from extender.unit_states import UnitState, growth_conditions, states
from policy.conditions import Condition, about_pods, accepted, rejected
from policy.match import is_sent
from policy.objects import Pod
from policy.occupancy import Free, Occupancy, free_room, occupancies
from policy.options import OnConflict
from policy.placement import NotWritten, labels_refused
from policy.resourcepolicy import ResourcePolicy, Unit

__all__ = ["Status", "Surveyor", "UnitStatus"]


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """One unit: what it is, what it holds, how many pods nodes were asked for, and its state."""

    unit: Unit
    occupancy: Occupancy
    asked: int
    state: UnitState


@dataclass(frozen=True, slots=True)
class Status:
    """What one policy's status should say."""

    generation: int
    conditions: tuple[Condition, ...]
    pending: int = 0
    """Pods that wait for a node."""
    units: tuple[UnitStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class Surveyor:
    """Looks at the cache."""

    cache: Cache
    managed_resources: Collection[str]
    on_conflict: OnConflict

    def statuses(self, outlook: Outlook, not_written: Collection[NotWritten]) -> dict[str, Status]:
        """Of every policy, by `namespace/name`."""
        with self.cache.lock:
            policies = list(self.cache.policies)
            pods = list(self.cache.pods())
            refused = {policy.key: policy for policy in self.cache.policies.rejected()}
            found = self._occupancies(policies, pods)
        conditions = self._about_pods(policies, pods)
        wanted = {}
        for policy in policies:
            pending, held = found[policy.key]
            about = (
                accepted(),
                *conditions[policy.key],
                *growth_conditions(policy, outlook),
                labels_refused(each for each in not_written if each.policy == policy.key),
            )
            units = _units(policy, held, outlook)
            wanted[policy.key] = Status(policy.generation, about, pending, units)
        for key, invalid in refused.items():
            condition = rejected(invalid, in_force=key in wanted)
            last = wanted.get(key, Status(0, (condition,)))
            now = (condition, *last.conditions[1:])
            wanted[key] = Status(invalid.generation, now, last.pending, last.units)
        return wanted

    def _occupancies(
        self, policies: Iterable[ResourcePolicy], pods: Iterable[Pod]
    ) -> dict[str, tuple[int, tuple[Occupancy, ...]]]:
        """By policy: how many pods wait for a node, and each unit."""
        governed: dict[str, list[Pod]] = {policy.key: [] for policy in policies}
        for pod in pods:
            policy = None if pod.finished else self.cache.policies.governing(pod)
            if policy is not None:
                governed[policy.key].append(pod)
        free = free_room(self.cache)
        return {policy.key: self._held(policy, governed[policy.key], free) for policy in policies}

    def _held(self, policy: ResourcePolicy, pods: list[Pod], free: Free) -> tuple[int, tuple[Occupancy, ...]]:
        asking = [pod for pod in pods if is_sent(pod, self.managed_resources)]
        pending = sum(not (pod.node_name or pod.terminating) for pod in asking)
        return pending, occupancies(policy, pods, asking, self.cache, free, self.managed_resources)

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


def _units(policy: ResourcePolicy, held: Iterable[Occupancy], outlook: Outlook) -> tuple[UnitStatus, ...]:
    occupied = tuple(held)
    return tuple(
        UnitStatus(unit, occupancy, outlook.of(policy.key, index).asked, state)
        for index, (unit, occupancy, state) in enumerate(
            zip(policy.units, occupied, states(policy, occupied, outlook), strict=True)
        )
    )
