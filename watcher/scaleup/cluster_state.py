"""The immutable state of one reconcile: what was read, and the same with each request resolved."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy, Unit
from policy.scheduling.snapshot import ClusterView
from watcher.provisioner.autoscaler_status import UNKNOWN, AutoscalerStatus, NodeGroup, Size
from watcher.provisioner.interface import Request, shape_key
from watcher.scaleup.scaleup_status import AutoscalerHealth, Blocked
from watcher.scaleup.unit_backoff import UnitBackoff
from watcher.scaleup.unit_node_groups import NodeGroups

__all__ = ["ClusterState", "Observation", "PolicyState", "Timeouts", "TrackedRequest", "UnitRef"]

_NO_GROUPS = NodeGroups()


@dataclass(frozen=True, slots=True)
class PolicyState:
    """A policy and the pods that it governs."""

    policy: ResourcePolicy
    pending: tuple[Pod, ...] = ()
    """Pods without a node."""
    placed: tuple[Pod, ...] = ()
    """Pods bound since the oldest request was made."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one reconcile read from the API and the cache."""

    now: float
    view: ClusterView
    policies: Mapping[str, PolicyState]
    """By the policy's key."""
    requests: Sequence[Request] = ()
    status: AutoscalerStatus = UNKNOWN
    groups: NodeGroups = _NO_GROUPS
    unready_gpus: Sequence[str] = ()
    """Names of nodes with a GPU label that offer no GPU."""


@dataclass(frozen=True, slots=True)
class UnitRef:
    """A unit of a policy that exists."""

    policy_state: PolicyState
    index: int

    @property
    def policy(self) -> ResourcePolicy:
        """The policy that has the unit."""
        return self.policy_state.policy

    @property
    def spec(self) -> Unit:
        """The unit as the policy declares it."""
        return self.policy.units[self.index]


@dataclass(frozen=True, slots=True)
class TrackedRequest:
    """A request with everything that planning needs to know of it."""

    request: Request
    unit: UnitRef | None
    """None: the policy or the unit is gone."""
    places: int
    """How many pods it still brings capacity for."""
    needed: int
    """How many of these places a pending pod waits for."""
    waiting: tuple[Pod, ...]
    """The pods of the request that may count on its places."""
    unanswered: bool
    """Sent, and without a condition for longer than the request timeout."""
    loop_seen: bool
    """The autoscaler has started a loop since the request was first seen."""
    accepted_seen_at: float | None
    """When we first saw it Accepted, without more."""
    idle_since: float | None
    """Since when no pod waits for its places."""
    taken_since: float | None
    """Since when all nodes of the unit are there, and none has room for a pod of the request."""
    sizes_before: Mapping[str, Size]
    """The size of each group before the request was served; empty if unknown."""
    backed_off_before: frozenset[str] | None
    """The groups in back-off before the request was served; None if unknown."""

    @property
    def spare(self) -> int:
        """Places that none of its own pods waits for."""
        return self.places - len(self.waiting)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The settings of the same names, in seconds."""

    request_timeout_seconds: float
    max_node_provision_seconds: float
    gpu_ready_timeout_seconds: float


@dataclass(frozen=True, slots=True)
class ClusterState:
    """All that one reconcile plans from."""

    now: float
    view: ClusterView
    policies: Mapping[str, PolicyState]
    """By the policy's key."""
    requests: tuple[TrackedRequest, ...]
    status: AutoscalerStatus
    groups: NodeGroups
    backoff: UnitBackoff
    timeouts: Timeouts
    health: AutoscalerHealth
    unready_gpus: tuple[str, ...]
    """Nodes with a GPU label that have offered no GPU for longer than the timeout."""

    def possible_groups(self, unit: UnitRef) -> frozenset[str]:
        """The names of the groups that may bring nodes of a unit; empty if none is known."""
        return frozenset(group.name for group in self.groups.possible(unit.spec, self.status))

    def candidate_groups(self, unit: UnitRef | None) -> Sequence[NodeGroup]:
        """The groups that may grow for a unit; none for a unit that is gone."""
        return self.groups.candidates(unit.spec, self.status) if unit else ()

    def blocked(self, unit: UnitRef) -> Blocked | None:
        """Why a unit is passed over, for pods of some shape at least (W4)."""
        by_groups = self.groups.blocked(unit.spec, self.status)
        return by_groups or self.backoff.blocked(unit.policy, unit.index, self.now)

    def cannot_grow(self, policy: ResourcePolicy) -> Callable[[Pod, int], bool]:
        """A predicate: whether a unit of the policy cannot grow for a pod now."""
        blocked = {i for i, unit in enumerate(policy.units) if self.groups.blocked(unit, self.status)}
        failed = set(self.backoff.failed_units(policy))

        def cannot_grow(pod: Pod, unit: int) -> bool:
            if unit in blocked or unit not in failed:
                return unit in blocked
            return self.backoff.blocked(policy, unit, self.now, shape_key(pod)) is not None

        return cannot_grow

    def requested_units(self, policy: ResourcePolicy, requests: Iterable[TrackedRequest]) -> dict[str, int]:
        """By uid: the unit that was asked to grow for each waiting pod of the policy (W3)."""
        return {
            pod.uid: tracked.unit.index
            for tracked in requests
            if tracked.unit is not None and tracked.unit.policy.key == policy.key
            for pod in tracked.waiting
        }
