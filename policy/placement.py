"""What has to be written on placed pods: their deletion cost (L2).

Owns where a pod counts as placed, and which pods are written at all; must not know when, or how. The place is
that by which it is counted (U5, L3).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from policy.deletion_cost import MARK, correction, cost_of
from policy.objects import Pod
from policy.resourcepolicy import ResourcePolicy
from policy.snapshot import View
from policy.usage import RECORD

__all__ = ["Change", "changes", "lacks_record", "place_of"]


@dataclass(frozen=True, slots=True)
class Change:
    """What one pod's metadata lacks; None removes a key."""

    pod: Pod
    annotations: Mapping[str, str | None] = field(default_factory=dict)


def changes(
    pods: Iterable[Pod],
    governing: Callable[[Pod], ResourcePolicy | None],
    view: View,
    may_be_recorded: Callable[[Pod], bool],
) -> Iterator[Change]:
    """For each pod that is not as its policy, or having none, wants it.

    `may_be_recorded` says whether a pod was bound so lately that its record (L3) may be on its way.
    """
    for pod in pods:
        if not pod.node_name or pod.finished or pod.terminating:
            continue
        policy = governing(pod)
        if policy is None:
            cost = 0 if MARK in pod.annotations else None
        elif lacks_record(pod, policy, view) and may_be_recorded(pod):
            cost = None
        else:
            place = place_of(pod, policy, view)
            cost = None if place is None else cost_of(place)
        annotations = {} if cost is None else correction(pod.annotations, cost)
        if annotations:
            yield Change(pod, annotations)


def place_of(pod: Pod, policy: ResourcePolicy, view: View) -> int | None:
    """The unit of a placed pod; after the last one if its node is in none; None if that cannot be told."""
    share = view.share(policy, pod.uid)
    if share is not None:
        return share.unit
    return len(policy.units) if pod.node_name in view.nodes else None


def lacks_record(pod: Pod, policy: ResourcePolicy, view: View) -> bool:
    """Whether only a record tells the unit of a placed pod, and it has none (L3)."""
    if RECORD in pod.annotations:
        return False
    units = [i for i in range(len(policy.units)) if pod.node_name in view.nodes_in(policy, i)]
    return len(units) > 1 or any(any(policy.units[i].marks) for i in units)
