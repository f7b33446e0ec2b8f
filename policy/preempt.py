"""The preempt verb: the candidates of one unit, and when preemption comes before overflow (P1 to P3).

Owns both decisions; must not know the wire, nor how victims are chosen: kube-scheduler chooses them, in-tree.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from policy.fit import admits, has_free
from policy.objects import Pod
from policy.resourcepolicy import ResourcePolicy
from policy.snapshot import View
from policy.units import Asked, limit_reached, walk
from policy.usage import Group, MissingLabelError, Usage, group_of, total

__all__ = ["Choice", "decide", "may_help"]


@dataclass(frozen=True, slots=True)
class Choice:
    """The nodes on which preemption may go on, all of one unit; no nodes: no preemption."""

    unit: int | None = None
    group: Group = ()
    nodes: Sequence[str] = ()


def decide(
    pod: Pod,
    candidates: Mapping[str, Collection[str]],
    policy: ResourcePolicy,
    view: View,
    now: float,
) -> Choice:
    """The candidates of the first unit in order that preemption helps (P2).

    `candidates` maps node names to the uids of their victims. The walk is that of filter, with "the victims
    of a node are gone" in place of "a node has room", so that filter takes the node when they are.
    """
    try:
        group = group_of(pod.labels, policy)
    except MissingLabelError:
        return Choice()
    helped: dict[int, list[str]] = {}

    def helps(index: int) -> bool:
        members = view.nodes_in(policy, index)
        usage = view.usage(policy, index, group, but=pod.uid)
        helped[index] = [
            node
            for node, victims in candidates.items()
            if victims
            and node in members
            # P3: victims of the same policy free their slots
            and not limit_reached(
                policy,
                index,
                usage.without(_part(victims, policy, view, index, group)),
                pod.requests,
            )
        ]
        return bool(helped[index])

    history = view.history(pod.uid)
    outcome = walk(
        policy,
        Asked(
            closed=lambda index: (
                None
                if helps(index)
                else limit_reached(policy, index, view.usage(policy, index, group, but=pod.uid), pod.requests)
            ),
            has_room=lambda index: bool(helped[index]),
            terminating=lambda index: view.terminating(policy, index),
            preempting=lambda _: False,
            refused_since=history.refused_since,
            unscheduled_since=view.unscheduled_since(pod),
            now=now,
        ),
    )
    if outcome.unit is None:
        return Choice()
    return Choice(outcome.unit, group, helped[outcome.unit])


def _part(victims: Collection[str], policy: ResourcePolicy, view: View, unit: int, group: Group) -> Usage:
    """What the victims use of the unit and group."""
    shares = (view.share(policy, uid) for uid in victims)
    return total(
        share.requests
        for share in shares
        if share and share.counted and (share.unit, share.group) == (unit, group)
    )


def may_help(pod: Pod, policy: ResourcePolicy, unit: int, view: View) -> bool:
    """Whether a node of the unit would have room if every pod of lower priority left it (P1)."""
    if not pod.preempts:
        return False
    return any(_room_after_preemption(pod, name, view) for name in view.nodes_in(policy, unit))


def _room_after_preemption(pod: Pod, name: str, view: View) -> bool:
    node = view.nodes[name]
    staying, leaving = [], 0
    for other in view.pods_on(name):
        if other.priority >= pod.priority:
            staying.append(other)
        else:
            leaving += 1
    return bool(leaving) and admits(node, pod) and has_free(node, staying, pod)
