"""What may be expected of the autoscaler, unit by unit: nodes on their way, and why none come."""

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
    """Whether anybody is there to ask (A8, W5)."""

    UNKNOWN = "Unknown"
    """Not looked yet."""
    OFF = "Off"
    """Switched off by the setting: only observed."""
    NOT_SERVED = "NotServed"
    """The back-end has nothing to speak to: the API is not served, or no autoscaler has ever said a word."""
    DOWN = "Down"
    """It was there and shows no life any more."""
    NOT_RESPONDING = "NotResponding"
    """It lives, and leaves requests unanswered."""
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
    """Nodes were promised and have not taken their pods in time."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """A unit that is passed over."""

    reason: BlockReason
    message: str
    """In the autoscaler's own words; empty if it has none."""
    until: float = math.inf
    """When it is asked again; never earlier than the autoscaler lifts it, if that is what it waits for."""


@dataclass(frozen=True, slots=True)
class UnitScaleUp:
    """What is under way for one unit."""

    requested: int = 0
    """Pods that nodes were asked for and that have not arrived."""
    pods: frozenset[str] = frozenset()
    """The uids of those that wait for them now: pods that were asked for may be gone."""
    since: float | None = None
    """When the oldest of these requests was made."""
    blocked: Blocked | None = None

    @property
    def growable(self) -> bool:
        """Whether it would be asked for more."""
        return self.blocked is None


_NOTHING = UnitScaleUp()


@dataclass(frozen=True, slots=True)
class ScaleUpStatus:
    """One round's findings. Times are in Unix seconds."""

    health: AutoscalerHealth = AutoscalerHealth.UNKNOWN
    units: Mapping[tuple[str, int], UnitScaleUp] = field(default_factory=dict)
    """By the policy's key and the index of the unit; units that wait for no nodes are not in it (U4)."""
    unready_gpus: tuple[str, ...] = ()
    """Nodes that may keep the autoscaler from buying anything (kubernetes/autoscaler#10301)."""

    def of(self, policy: str, unit: int) -> UnitScaleUp:
        """What is under way for a unit."""
        return self.units.get((policy, unit), _NOTHING)


class LatestScaleUpStatus:
    """Where the watcher's thread puts the scaleup_status and others read it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._latest = ScaleUpStatus()

    def publish(self, scaleup_status: ScaleUpStatus) -> None:
        """Replace what was there."""
        with self._lock:
            self._latest = scaleup_status

    def latest(self) -> ScaleUpStatus:
        """What was published last."""
        with self._lock:
            return self._latest
