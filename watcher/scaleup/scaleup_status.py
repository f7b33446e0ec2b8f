"""What to expect of the autoscaler, unit by unit: nodes on their way, and why none come (L5)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock

__all__ = [
    "AutoscalerHealth",
    "BlockReason",
    "Blocked",
    "LatestScaleUpStatus",
    "ScaleUpStatus",
    "UnitScaleUp",
]


class AutoscalerHealth(StrEnum):
    """Whether there is an autoscaler that answers (A8, W5)."""

    UNKNOWN = "Unknown"
    """Not looked yet."""
    OFF = "Off"
    """Switched off by the setting: the watcher only observes."""
    NOT_SERVED = "NotServed"
    """The API of the back-end is not served, or no autoscaler has ever written its status."""
    DOWN = "Down"
    """It was there, and its status is not updated any more."""
    NOT_RESPONDING = "NotResponding"
    """Its status is updated, and it leaves requests unanswered."""
    SERVING = "Serving"


class BlockReason(StrEnum):
    """Why a unit cannot grow for now (W4)."""

    BACK_OFF = "BackOff"
    """The cloud refused, for want of stock or quota; the autoscaler waits before it tries again."""
    AT_MAXIMUM = "AtMaximum"
    """Its node groups have as many nodes as they may have."""
    REFUSED = "Refused"
    """The autoscaler found no way, and does not tell which of the two it is."""
    NOT_ARRIVED = "NotArrived"
    """Nodes were provisioned and have not taken their pods in time."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a unit is passed over."""

    reason: BlockReason
    message: str
    """In the autoscaler's words; empty if it has none."""
    until: float = math.inf
    """When it is tried again; infinite: as soon as the autoscaler says that its groups can grow."""


@dataclass(frozen=True, slots=True)
class UnitScaleUp:
    """Requests in flight for one unit, and why it cannot grow."""

    requested: int = 0
    """Pods that nodes were asked for and that have not arrived."""
    pods: frozenset[str] = frozenset()
    """The uids of those that wait for them now: pods that were asked for may be gone."""
    since: float | None = None
    """When the oldest of these requests was made."""
    blocked: Blocked | None = None

    @property
    def growable(self) -> bool:
        """Whether the watcher would ask for more nodes."""
        return self.blocked is None


_NOTHING = UnitScaleUp()


@dataclass(frozen=True, slots=True)
class ScaleUpStatus:
    """The result of one reconcile. Times are in Unix seconds."""

    health: AutoscalerHealth = AutoscalerHealth.UNKNOWN
    units: Mapping[tuple[str, int], UnitScaleUp] = field(default_factory=dict)
    """By the policy's key and the index of the unit; units that wait for no nodes are not in it (U4)."""
    unready_gpus: tuple[str, ...] = ()
    """Nodes that may keep the autoscaler from buying anything (kubernetes/autoscaler#10301)."""

    def of(self, policy: str, unit: int) -> UnitScaleUp:
        """The scale-up of a unit."""
        return self.units.get((policy, unit), _NOTHING)


class LatestScaleUpStatus:
    """Holds the last `ScaleUpStatus`: the scale-up thread writes it, others read it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._latest = ScaleUpStatus()

    def publish(self, status: ScaleUpStatus) -> None:
        """Replace the last one."""
        with self._lock:
            self._latest = status

    def latest(self) -> ScaleUpStatus:
        """The one published last."""
        with self._lock:
            return self._latest
