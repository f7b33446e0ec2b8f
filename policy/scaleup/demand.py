"""Which unit an autoscaler should scale up, and for which pending pods (W1 to W4)."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scaleup.planner import plan
from policy.scheduling.node_fit import Shape, shape_of
from policy.scheduling.snapshot import ClusterView

__all__ = ["Demand", "demands", "wants_nodes"]


@dataclass(frozen=True, slots=True)
class Demand:
    """Room wanted in one unit for these pods, which need the same of a node."""

    policy: ResourcePolicy
    unit: int
    pods: tuple[Pod, ...]


def wants_nodes(pod: Pod) -> bool:
    """Whether the scheduler found no node for the pod: the condition that autoscalers act on."""
    return pod.unschedulable and not (pod.node_name or pod.finished or pod.terminating)


def demands(
    policy: ResourcePolicy,
    pending: Iterable[Pod],
    view: ClusterView,
    now: float,
    requested: Mapping[str, int],
    stuck: Callable[[Pod, int], bool] = lambda *_: False,
    spare: Callable[[Pod, int], int] = lambda *_: 0,
) -> list[Demand]:
    """What to ask for now, never for a pod that was asked for already (W3).

    `pending` are the pods governed by `policy` that want nodes, `requested` maps the uid of a pod to the unit
    that was asked to grow for it, `stuck` tells whether a unit cannot grow for a pod for now (W4).
    """

    def grows(pod: Pod, index: int) -> bool:
        return policy.units[index].waits_for_nodes and not stuck(pod, index)

    wanted: defaultdict[tuple[int, Shape], list[Pod]] = defaultdict(list)
    for pod, unit in plan(policy, pending, view, now, requested, grows, spare).needs_nodes:
        wanted[unit, shape_of(pod)].append(pod)
    return [Demand(policy, unit, tuple(alike)) for (unit, _), alike in wanted.items()]
