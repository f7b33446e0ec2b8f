"""When a slot is given back though nobody said that its pod will not come, and when a refusal leaves it (E7).

A binding in flight holds room that an older view still shows as free: a pod whose unit has none for it is not
on its way there.
"""

from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.filter import NodeRefusals
from policy.scheduling.inflight_bindings import has_room
from policy.scheduling.node_fit import has_free
from policy.scheduling.refusals import Reason
from policy.scheduling.snapshot import ClusterView, Reservation

__all__ = ["SEEN_AFTER", "is_idle", "may_get", "outlives"]

SEEN_AFTER = 5.0
"""Seconds in which the watch has certainly shown what made the scheduler place a pod."""

_FOR_NOW = (Reason.WAITING_FOR_BINDINGS, Reason.EARLIER_UNIT_FIRST)
"""Refusals that say nothing about the unit of the nominated node."""


def is_idle(
    slot: Reservation,
    policy: ResourcePolicy,
    known: Pod | None,
    view: ClusterView,
    now: float,
    *,
    seen: bool,
    shrank: bool,
    lasts: float,
) -> bool:
    """Whether nobody will use the slot.

    `known` is the pod as the watch shows it, None if it does not. `seen`: whether the watch has told of pods
    since `SEEN_AFTER` seconds after the slot was handed out. `shrank`: whether the unit lost a node since;
    the binding may be to that one, whose room is gone with it. `lasts`: the seconds that it is held at most.
    """
    if seen and known is None:
        return True  # it was gone before the watch began
    age = now - slot.made_at
    nominated = (known or slot.pod).nominated_node
    nomination = view.history(slot.pod.uid).nomination
    comes = may_get(slot.pod, nominated, view) if nominated else nomination and nomination.is_live("", now)
    if age < SEEN_AFTER or comes:
        return False
    if age >= lasts:
        return True
    return seen and not shrank and not has_room(slot.pod, policy, slot.unit, view)


def may_get(pod: Pod, nominated: str, view: ClusterView) -> bool:
    """Whether the pod has room on the node that it is nominated to, or will have it when others leave.

    Those who stay may have come since: pods of higher priority pass a nomination, and kube-scheduler does not
    always end one that is passed.
    """
    node = view.nodes.get(nominated)
    if node is None:
        return bool(view.unknown([nominated]))
    staying = [p for p in view.pods_on(nominated) if p.priority >= pod.priority and not p.terminating]
    return has_free(node, staying, pod)


def outlives(
    slot: Reservation, pod: Pod, refused: NodeRefusals, policy: ResourcePolicy, view: ClusterView, now: float
) -> bool:
    """Whether the pod keeps its slot though it was refused: others may be leaving a node of the unit for it.

    After a restart, or an edit, only the nomination tells. Everybody has left once the pod fits there: what
    refuses it then is the policy, and may do so for ever.
    """
    if view.history(pod.uid).holds(pod.nominated_node, now):
        return True
    if slot.policy != policy.key or pod.nominated_node not in view.nodes_in(policy, slot.unit):
        return False
    return pod.nominated_node not in refused.nodes or refused.first.reason in _FOR_NOW
