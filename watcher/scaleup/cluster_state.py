"""What one reconcile sees: policies with their pods, requests, the autoscaler's status.

`Observation` is what was read. `ClusterState` adds what only a comparison with earlier reconciles shows.
Both are immutable, and planning reads nothing else.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.accounting import recorded_unit
from policy.scheduling.snapshot import ClusterView
from watcher.provisioner.autoscaler_status import UNKNOWN, AutoscalerStatus, Size
from watcher.provisioner.interface import Request, shape_of
from watcher.scaleup.node_groups import NodeGroups
from watcher.scaleup.scaleup_status import Blocked
from watcher.scaleup.unit_backoff import UnitBackoff

__all__ = ["ClusterState", "Observation", "PolicyState", "Target", "Timeouts", "TrackedRequest"]

_NONE_KNOWN = NodeGroups()


@dataclass(frozen=True, slots=True)
class PolicyState:
    """A policy and the pods that it governs."""

    policy: ResourcePolicy
    pending: tuple[Pod, ...] = ()
    """Those without a node."""
    placed: tuple[Pod, ...] = ()
    """Those that were bound since the oldest request was made."""


@dataclass(frozen=True, slots=True)
class Target:
    """The unit that a request is for, as the policy has it now."""

    state: PolicyState
    index: int

    @property
    def policy(self) -> ResourcePolicy:
        """The policy of the unit."""
        return self.state.policy


@dataclass(frozen=True, slots=True)
class Observation:
    """What one reconcile read from the cache and the API."""

    now: float
    view: ClusterView
    policies: Mapping[str, PolicyState]
    """By the policy's key."""
    requests: Sequence[Request] = ()
    status: AutoscalerStatus = UNKNOWN
    groups: NodeGroups = _NONE_KNOWN
    unready_gpus: Collection[str] = ()
    """Names of nodes that say they have a GPU and offer none."""

    def target_of(self, request: Request) -> Target | None:
        """The policy and unit of a request; None if either is gone."""
        state = self.policies.get(request.policy)
        index = recorded_unit(request.record, state.policy) if state else None
        return None if state is None or index is None else Target(state, index)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds; see the settings of these names."""

    request: float
    node_provision: float
    gpu_ready: float


@dataclass(frozen=True, slots=True)
class TrackedRequest:
    """A request, resolved against its policy and unit, with its account (A4)."""

    request: Request
    target: Target | None
    """None: its policy or unit is gone."""
    places: int
    """How many pods it still brings room for."""
    waiting: tuple[Pod, ...]
    """Its own pods that may count on its places: alike pods may have taken some."""
    wanted: int
    """How many of its places any pod waits for."""
    sizes_before: Mapping[str, Size]
    """The size of each node group before the request was served; empty if that is not known."""
    backed_off_before: Collection[str] | None
    """The groups that were in back-off before the request was served; None if that is not known."""
    accepted_seen_at: float | None
    """When it was first seen Accepted, without more."""
    idle_since: float | None
    """Since when no pod wants what it brings."""
    full_since: float | None
    """Since when we see its unit full, with nothing to come: others have what it brought."""
    unanswered: bool
    """Whether it has waited too long for the first word of an answer."""
    autoscaler_alive: bool
    """Whether the autoscaler has done a loop since the request was made."""

    @property
    def name(self) -> str:
        """The request's name."""
        return self.request.name

    @property
    def spare(self) -> int:
        """Places in flight that none of its own pods waits for any more."""
        return self.places - len(self.waiting)


@dataclass(frozen=True, slots=True)
class ClusterState:
    """All that planning depends on."""

    now: float
    view: ClusterView
    policies: Mapping[str, PolicyState]
    """By the policy's key."""
    requests: Sequence[TrackedRequest]
    status: AutoscalerStatus
    groups: NodeGroups
    backoff: UnitBackoff
    timeouts: Timeouts
    unready_gpus: tuple[str, ...]
    """Nodes that have offered no GPU for so long that they do not merely boot."""
    not_responding: bool
    """The autoscaler lives and does not answer: it must not be kept from acting by itself (A1, A8)."""
    down: bool
    """The autoscaler was there and has shown no life for long."""

    def tracked(self, name: str) -> TrackedRequest | None:
        """The request of that name."""
        return next((request for request in self.requests if request.name == name), None)

    def requested_units(self, policy: ResourcePolicy, requests: Sequence[TrackedRequest]) -> dict[str, int]:
        """The unit that was asked to grow for each waiting pod of the policy, by uid (W3)."""
        return {
            pod.uid: request.target.index
            for request in requests
            if request.target is not None and request.target.policy.key == policy.key
            for pod in request.waiting
        }

    def serving(self, target: Target | None) -> frozenset[str]:
        """The names of the groups that may bring nodes of a unit; none if none is known to."""
        if target is None:
            return frozenset()
        return self.serving_unit(target.policy, target.index)

    def serving_unit(self, policy: ResourcePolicy, unit: int) -> frozenset[str]:
        """As `serving`."""
        return frozenset(group.name for group in self.groups.possible(policy.units[unit], self.status))

    def blocked(self, policy: ResourcePolicy, unit: int) -> Blocked | None:
        """Why a unit is passed over, for pods of some shape at least (W4)."""
        by_autoscaler = self.groups.blocked(policy.units[unit], self.status)
        return by_autoscaler or self.backoff.blocked(policy, unit, self.now)

    def blocked_for(self, policy: ResourcePolicy) -> Callable[[Pod, int], bool]:
        """Whether a unit cannot grow for a pod for now."""
        barred = {i for i, unit in enumerate(policy.units) if self.groups.blocked(unit, self.status)}
        failed = set(self.backoff.known(policy))

        def blocked(pod: Pod, unit: int) -> bool:
            if unit in barred or unit not in failed:
                return unit in barred
            return self.backoff.blocked(policy, unit, self.now, shape_of(pod)) is not None

        return blocked
