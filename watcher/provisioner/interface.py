"""What the watcher needs of an autoscaler: to ask for a unit's growth, and to hear what became of it.

One back-end uses ProvisioningRequests, the other placeholder pods (docs/design/autoscaler.md).
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from policy.api.objects import Pod
from policy.scaleup.demand import Demand
from watcher.provisioner.autoscaler_status import AutoscalerStatus, Size

__all__ = ["IN_FLIGHT", "MAX_DEMANDS", "Provisioner", "Request", "RequestPhase", "shape_key"]

MAX_DEMANDS = 32
"""Demands that one request may hold: the podSets of a ProvisioningRequest."""


class RequestPhase(StrEnum):
    """How far a request has come. The values are those of the metric.

    unsent -> sent -> accepted -> provisioned | failed
                      accepted -> scaled up: no further condition, and its group grew -> provisioned
    unsent -> placeholders pending -> scaled up -> provisioned
    """

    UNSENT = "unsent"
    """Cut off by a crash before it reached the autoscaler, or read by it without its template."""
    SENT = "asked"
    ACCEPTED = "accepted"
    PLACEHOLDERS_PENDING = "shown"
    """The autoscaler sees placeholder pods and sets no condition: a node group grows, or none does."""
    SCALED_UP = "bought"
    """A group grew for it. The autoscaler still sees the request and might serve it again (A5)."""
    PROVISIONED = "provisioned"
    """The resize was accepted, or capacity was found: not that a node is ready (A7)."""
    FAILED = "failed"


IN_FLIGHT = (
    RequestPhase.SENT,
    RequestPhase.ACCEPTED,
    RequestPhase.PLACEHOLDERS_PENDING,
    RequestPhase.SCALED_UP,
)


@dataclass(frozen=True, slots=True)
class Request:
    """A demand that was put to the autoscaler, as the API tells it: all that a restart needs (W3)."""

    name: str
    policy: str
    """The policy's key."""
    record: str
    """The unit, as `record_of` writes it: still right when units were reordered."""
    pods: frozenset[str]
    """Uids."""
    shape: str
    bundle: str
    """Requests of one bundle were asked together, and one answer is for all of them."""
    phase: RequestPhase
    made_at: float
    granted: int | None = None
    """How many of the pods it brings room for; None: for all."""
    accepted_at: float | None = None
    """When the autoscaler accepted it, by its own clock, in whole seconds."""
    served_at: float | None = None
    """When it said that it provides for it, likewise; or when we concluded it, by the API server's clock."""
    placeholders: int = 0
    """How many placeholder pods stand for its pods; 0 with the other back-end."""
    sizes: Mapping[str, Size] = field(default_factory=dict)
    """The size of each group when it was asked; empty if that was unknown."""
    message: str = ""


def shape_key(pod: Pod) -> str:
    """Pods of one shape can stand for each other in a request."""
    tolerations = sorted([t.key, t.operator, t.value, t.effect] for t in pod.tolerations)
    affinity = [dataclasses.astuple(terms) for terms in pod.affinity]
    parts = [sorted(pod.requests.items()), sorted(pod.node_selector.items()), tolerations, affinity]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


class Provisioner(Protocol):
    """Every call may raise ApiError or Unreachable: the watcher tries again."""

    def available(self) -> bool:
        """Whether asking has any prospect of an answer (A8)."""

    def status(self) -> AutoscalerStatus:
        """What the autoscaler tells about itself."""

    def requests(self) -> Sequence[Request]:
        """Every request of ours that still lives, those of an earlier process included."""

    def create(self, demands: Sequence[Demand], status: AutoscalerStatus) -> Sequence[str]:
        """Put demands for one unit and return a name for each; asking twice for the same is asking once (A3).

        `status` is what the autoscaler tells at that time: what it buys for them is not in it yet.
        """

    def scale(self, request: Request, places: int) -> None:
        """Ask for no more than so many places, if what was asked can still be changed."""

    def mark_provisioned(self, request: Request) -> None:
        """Take a request out of the autoscaler's state and keep it on record as provisioned, as granted."""

    def delete(self, request: Request) -> None:
        """Remove every trace of a request."""
