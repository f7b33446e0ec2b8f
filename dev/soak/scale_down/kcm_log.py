"""What the controller manager logged of its choices: when, in which ReplicaSet, and which pods.

Facts: replica_set.go and controller_utils.go of Kubernetes 1.37 at verbosity 2; klog
leaves out the year.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

__all__ = ["VERBOSITY", "Logged", "choices"]

VERBOSITY = "--v=2"
STAMP = re.compile(r"^I(\d{4} \d\d:\d\d:\d\d\.\d{6}) ")
TOO_MANY = re.compile(r'"Too many replicas" replicaSet="[^/]+/([^"]+)"')
DELETING = re.compile(r'"Deleting pod" controller="([^"]+)" pod="[^/]+/([^"]+)"')


@dataclass(slots=True)
class Logged:
    at: float
    replica_set: str
    pods: list[str] = field(default_factory=list)


def choices(lines: Iterable[str], now: datetime) -> list[Logged]:
    """In their order; `now` tells year and zone."""
    found: list[Logged] = []
    for line in lines:
        if chosen := TOO_MANY.search(line):
            found.append(Logged(_time(line, now), chosen[1]))
        elif deleting := DELETING.search(line):
            # Several ReplicaSets may be at work at once: the last choice of this one.
            of_this = (one for one in reversed(found) if one.replica_set == deleting[1])
            if last := next(of_this, None):
                last.pods.append(deleting[2])
    return found


def _time(line: str, now: datetime) -> float:
    stamp = STAMP.match(line)
    if not stamp:
        raise ValueError(f"no klog line: {line}")
    read = datetime.strptime(f"{now.year} {stamp[1]}", "%Y %m%d %H:%M:%S.%f").replace(
        tzinfo=now.tzinfo or UTC
    )
    return read.timestamp()
