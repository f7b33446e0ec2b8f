"""All that was seen of the pods, and how they looked at any moment.

An event is stamped as it arrives, by the clock on the wall, as the controller
manager stamps its log.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from dev.controlplane import Api, Object
from dev.harness.recorder import Recorder
from dev.soak.scale_down.checks import Looked
from policy.api import wellknown

__all__ = ["PODS", "PodRecorder"]

PODS = "/api/v1/namespaces/default/pods"


@dataclass(frozen=True, slots=True)
class Event:
    at: float
    kind: str
    pod: Object


class PodRecorder(Recorder):
    """`units` by the name of their nodes."""

    def __init__(self, api: Api, units: dict[str, int], selector: str) -> None:
        self._units = units
        self._events: dict[str, list[Event]] = {}
        super().__init__(api, {PODS: self._note}, labelSelector=selector)

    def present(self, prefix: str) -> list[str]:
        """The pods of this name that are there now and not being deleted."""
        return [pod.name for pod in self.looked(time.time(), prefix)]

    def looked(self, at: float, prefix: str) -> list[Looked]:
        """The pods of this name that were there at that moment and not being deleted."""
        with self.lock:
            histories = [events for name, events in self._events.items() if name.startswith(prefix)]
            found = [self._looked(at, events) for events in histories]
        return [pod for pod in found if pod]

    def written_after(self) -> list[float]:
        """For each pod that got a cost, the seconds since it was seen on its node."""
        with self.lock:
            histories = list(self._events.values())
        pairs = [(_first(events, _node), _first(events, _cost)) for events in histories]
        return [cost - bound for bound, cost in pairs if bound is not None and cost is not None]

    def _looked(self, at: float, events: list[Event]) -> Looked | None:
        last = next((event for event in reversed(events) if event.at <= at), None)
        if last is None or last.kind == "DELETED" or "deletionTimestamp" in last.pod["metadata"]:
            return None
        since = [_first(events, what) for what in (_node, _ready, _cost)]
        bound_for, ready_for, written_for = (0.0 if first is None else at - first for first in since)
        return Looked(
            name=last.pod["metadata"]["name"],
            unit=self._units.get(_node(last.pod)),
            ready=bool(_ready(last.pod)),
            cost=int(_cost(last.pod) or 0),
            bound_for=bound_for,
            ready_for=ready_for,
            written_for=written_for,
        )

    def _note(self, kind: str, pod: Object) -> None:
        self._events.setdefault(pod["metadata"]["name"], []).append(Event(time.time(), kind, pod))


def _first(events: list[Event], what: Callable[[Object], str]) -> float | None:
    return next((event.at for event in events if what(event.pod)), None)


def _node(pod: Object) -> str:
    node: str = pod["spec"].get("nodeName", "")
    return node


def _ready(pod: Object) -> str:
    """Any text at all, if it is."""
    conditions = pod["status"].get("conditions") or []
    return next((c["type"] for c in conditions if c["type"] == "Ready" and c["status"] == "True"), "")


def _cost(pod: Object) -> str:
    cost: str = pod["metadata"].get("annotations", {}).get(wellknown.POD_DELETION_COST, "")
    return cost
