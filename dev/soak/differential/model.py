"""One random world: what there is, what arrives, and in which order."""

from dataclasses import dataclass

from dev.controlplane import NodeGroup, Object

__all__ = ["GONE_AFTER", "TIMEOUT", "Arrival", "World"]

TIMEOUT = 5.0
"""Seconds of each timer: the time in which all pods of a world arrive must be shorter."""
GONE_AFTER = 30.0
"""Seconds that terminating pods take to go: Kubernetes' default grace, with which `simulate` reckons."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A Deployment gets so many replicas."""

    name: str
    replicas: int


@dataclass(frozen=True, slots=True)
class World:
    """Everything about one world. Its namespace and its nodes' label `world` carry its name."""

    seed: int
    name: str
    nodes: tuple[Object, ...]
    before: tuple[Object, ...]
    """Pods that are on their nodes before there is a policy."""
    policies: tuple[Object, ...]
    """In the order in which they are made."""
    deployments: tuple[Object, ...]
    """With the replicas that they have before the snapshot."""
    leaving: tuple[str, ...]
    """Pods of `before` that are terminating when the others arrive."""
    arrivals: tuple[Arrival, ...]
    group: NodeGroup | None = None
    """What cluster-autoscaler may buy for it."""

    @property
    def timed(self) -> bool:
        """Whether pods may wait for a timer."""
        return any("timeout" in policy["spec"].get("whenTryNextUnits", ()) for policy in self.policies)
