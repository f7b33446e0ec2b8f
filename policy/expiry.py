"""When a slot is given back though nobody said that its pod will not come (E7).

Owns that judgement on one reservation; must not know when it is made. A binding under way holds room that an
older view still shows as free: a pod whose unit has none for it is not on its way there. It may be on its way
to a node that takes no pods any more, by a cordon or a taint that came after it.
"""

from policy.fit import has_free, selects
from policy.objects import Pod
from policy.resourcepolicy import ResourcePolicy
from policy.snapshot import Reservation, View

__all__ = ["SEEN_AFTER", "is_idle"]

SEEN_AFTER = 5.0
"""Seconds in which the watch has certainly shown what made the scheduler place a pod."""


def is_idle(
    slot: Reservation,
    policy: ResourcePolicy,
    known: Pod | None,
    view: View,
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
    promise = view.history(slot.pod.uid).promise
    if age < SEEN_AFTER or nominated or (promise and promise.lives(nominated, now)):
        return False
    if age >= lasts:
        return True
    return seen and not shrank and not _holds_room(slot, policy, view)


def _holds_room(slot: Reservation, policy: ResourcePolicy, view: View) -> bool:
    nodes = (view.nodes[name] for name in view.nodes_in(policy, slot.unit))
    return any(
        selects(slot.pod, node) and has_free(node, view.pods_on(node.name), slot.pod) for node in nodes
    )
