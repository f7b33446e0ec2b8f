"""What kube-scheduler did in a world, attempt by attempt, as its own log tells.

Its loop tries one pod at a time, so the log's order is the order in which it decided; pods that fit nowhere,
and those about which it asks nobody, are in it, too.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["FLAGS", "Left", "Tried", "happened"]

FLAGS = ("-v=3", "--logging-format=json")
"""With which kube-scheduler logs each attempt, and the pods that left."""

_TRIES = "Attempting to schedule pod"
_REFUSED = "Unable to schedule pod; no fit; waiting"
_TOOK = "Attempting to bind pod to node"
_LEFT = "Delete event for scheduled pod"


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt for one pod."""

    at: float
    pod: str
    node: str = ""
    """Where it was placed; empty: nowhere."""
    told: str = ""
    """Why nowhere: the message of the pod's event."""
    until: float = 0.0
    """When it had ended: the server decided between the two."""


@dataclass(frozen=True, slots=True)
class Left:
    """A pod is gone from its node."""

    at: float
    pod: str


def happened(log: Path, namespace: str, since: float) -> tuple[Tried | Left, ...]:
    """In order. An attempt that ended in an error has decided nothing, and is left out."""
    found: dict[int, Tried | Left] = {}
    begun: dict[str, tuple[int, float]] = {}
    for number, (at, said, pod, line) in enumerate(_lines(log, namespace)):
        if at < since:
            continue
        if said == _LEFT:
            found[number] = Left(at, pod)
        elif said == _TRIES:
            begun[pod] = number, at
        elif pod in begun:
            place, start = begun.pop(pod)
            node = line["node"]["name"] if said == _TOOK else ""
            found[place] = Tried(start, pod, node, line.get("err", ""), at)
    return tuple(found[number] for number in sorted(found))


def _lines(log: Path, namespace: str) -> Iterator[tuple[float, str, str, dict[str, Any]]]:
    marked = f'"namespace":"{namespace}"'
    with log.open() as lines:
        for text in lines:
            if marked in text:
                line = json.loads(text)
                if line["msg"] in {_TRIES, _REFUSED, _TOOK, _LEFT}:
                    yield line["ts"] / 1000, line["msg"], line["pod"]["name"], line
