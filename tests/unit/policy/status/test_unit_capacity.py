"""What a unit holds and whether it takes another pod: the sums behind the status (L5)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pytest

from policy.api.objects import Node, Pod
from policy.api.quantity import format_quantity
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.matching import governing
from policy.scheduling.refusals import Reason
from policy.status.unit_capacity import FreeCapacity, UnitCapacity, unit_capacities
from tests.builders import a_node, a_pod, a_policy, a_snapshot, a_unit
from tests.unit.policy.cases import GPU

EIGHT = a_node("dc-1", "dc", allocatable={GPU: "8", "cpu": "64"})
GROUPED = a_policy(a_unit("dc", max=2), match_label_keys=["job"])
TWO_GPUS = {GPU: "2"}


def held(
    policy: ResourcePolicy, pods: Collection[Pod], nodes: Collection[Node] = (EIGHT,), unit: int = 0
) -> UnitCapacity:
    view = a_snapshot(policy, nodes=nodes, pods=pods)
    own = [pod for pod in pods if governing(pod, [policy]) and not pod.finished]
    return unit_capacities(policy, own, own, view, FreeCapacity(view), [GPU])[unit]


def placed(name: str, gpus: str = "2", **labels: str) -> Pod:
    return a_pod(name, on="dc-1", requests={GPU: gpus}, labels=labels)


def asking(gpus: str = "2", **labels: str) -> Pod:
    return a_pod("asking", requests={GPU: gpus}, labels=labels)


@pytest.mark.parametrize(
    ("policy", "pods", "nodes", "expected"),
    [
        pytest.param(a_policy(), [], [EIGHT], True, id="L5: a node, and nobody there"),
        pytest.param(a_policy(), [], [], False, id="L5: no node"),
        pytest.param(a_policy(), [asking()], [EIGHT], True, id="L5: a node with room for the pod that waits"),
        pytest.param(
            a_policy(), [asking("9")], [EIGHT], False, id="L5: a node too small for the pod that waits"
        ),
        pytest.param(
            a_policy(), [placed("a", "7"), asking("2")], [EIGHT], False, id="L5: too little left for it"
        ),
        pytest.param(
            a_policy(), [a_pod("a", requests={GPU: "9"}, terminating=True)], [EIGHT], True,
            id="L5: a pod that is leaving waits for nothing",
        ),
        pytest.param(
            GROUPED, [a_pod("a", requests={GPU: "9"})], [EIGHT], True,
            id="L5, C2: nor does one that lacks the label of its group",
        ),
        pytest.param(
            a_policy(), [placed("a", "7"), asking("2"), a_pod("b", requests={GPU: "1"})], [EIGHT], True,
            id="L5: of two that wait one fits",
        ),
        pytest.param(
            a_policy(), [placed("a", "4"), placed("b", "4")], [EIGHT], False,
            id="L5: nobody waits, and another one like those that are there does not fit",
        ),
        pytest.param(
            a_policy(selector={"app": "web"}),
            [placed("a", "8"), a_pod("b", labels={"app": "web"}, requests=TWO_GPUS)],
            [EIGHT],
            False,
            id="L5: pods that are not governed take room, too",
        ),
        pytest.param(
            a_policy(a_unit("dc", max=1)), [placed("a"), asking()], [EIGHT], False, id="L5: none behind a cap"
        ),
        pytest.param(
            a_policy(), [], [a_node("dc-1", "dc", unschedulable=True)], False, id="L5: a cordoned node"
        ),
        pytest.param(
            a_policy(), [placed("a", "0")], [a_node("dc-1", "dc", allocatable={"pods": "1"})], False,
            id="L5: no pod more than a node takes",
        ),
    ],
)  # fmt: skip
def test_whether_a_unit_has_room(
    policy: ResourcePolicy, pods: Collection[Pod], nodes: Collection[Node], *, expected: bool
) -> None:
    assert held(policy, pods, nodes).room is expected


@pytest.mark.parametrize(
    ("policy", "pods", "expected"),
    [
        pytest.param(a_policy(), [placed("a")], None, id="L5: without caps no unit is exhausted"),
        pytest.param(a_policy(a_unit("dc", max=2)), [placed("a")], None, id="L5: one below max"),
        pytest.param(
            a_policy(a_unit("dc", max=1)),
            [placed("a")],
            Reason.MAX_REACHED,
            id="L5: at max, though nobody waits",
        ),
        pytest.param(a_policy(a_unit("dc", max=0)), [], Reason.MAX_REACHED, id="L5: closed by a max of 0"),
        pytest.param(
            a_policy(a_unit("dc", max_resources={GPU: "3"})),
            [placed("a"), asking()],
            Reason.MAX_RESOURCES_REACHED,
            id="L5: the next pod would exceed maxResources",
        ),
        pytest.param(
            a_policy(a_unit("dc", max_resources={GPU: "3"})),
            [placed("a"), asking(), a_pod("small", requests={GPU: "1"})],
            None,
            id="L5: a smaller pod that waits would not",
        ),
        pytest.param(
            GROUPED,
            [placed("a", job="1"), placed("b", job="1"), placed("c", job="2")],
            None,
            id="L5: one group of two is below its max",
        ),
        pytest.param(
            GROUPED,
            [placed("a", job="1"), placed("b", job="1")],
            Reason.MAX_REACHED,
            id="L5: every group there is has reached its max",
        ),
    ],
)
def test_whether_a_cap_closes_a_unit(
    policy: ResourcePolicy, pods: Collection[Pod], expected: Reason | None
) -> None:
    exhausted = held(policy, pods).exhausted
    assert (exhausted and exhausted.reason) == expected


@dataclass(frozen=True)
class Sums:
    nodes: int
    pods: int
    capacity: str = ""
    free: str = ""


@pytest.mark.parametrize(
    ("pods", "nodes", "expected"),
    [
        pytest.param([], [], Sums(0, 0), id="L5: nothing"),
        pytest.param([], [EIGHT], Sums(1, 0, "8", "8"), id="L5: an idle node"),
        pytest.param([placed("a"), placed("b", "3")], [EIGHT], Sums(1, 2, "8", "3"), id="L5: two pods on it"),
        pytest.param(
            [placed("a"), a_pod("other", namespace="other", on="dc-1", requests=TWO_GPUS)],
            [EIGHT],
            Sums(1, 1, "8", "4"),
            id="L5: another namespace's pod takes room and does not count",
        ),
        pytest.param(
            [placed("a", "9")], [EIGHT], Sums(1, 1, "8", "0"), id="L5: a node that lost a GPU"
        ),
        pytest.param(
            [], [EIGHT, a_node("dc-2", "dc"), a_node("cloud-1", "cloud", allocatable=TWO_GPUS)],
            Sums(2, 0, "8", "8"),
            id="L5: a node without the resource counts, another unit's does not",
        ),
    ],
)  # fmt: skip
def test_the_sums_of_a_unit(pods: Collection[Pod], nodes: Collection[Node], expected: Sums) -> None:
    found = held(a_policy(), pods, nodes)
    assert (found.nodes, found.pods) == (expected.nodes, expected.pods)
    assert {name: format_quantity(n) for name, n in found.capacity.items()} == _of(expected.capacity)
    assert {name: format_quantity(n) for name, n in found.free.items()} == _of(expected.free)


def _of(gpus: str) -> Mapping[str, str]:
    return {GPU: gpus} if gpus else {}


def test_what_caps_leave_is_that_of_the_fullest_group() -> None:
    found = held(GROUPED, [placed("a", job="1"), placed("b", job="1"), placed("c", job="2")])
    assert found.left == {"pods": 0}
    capped = a_policy(a_unit("dc", max=5, max_resources={GPU: "3"}))
    assert held(capped, [placed("a")]).left == {"pods": 4, GPU: 10**9}


def test_policies_that_share_nodes_share_one_look_at_them() -> None:
    """L5: what one of them was told of a unit is right for the other, wherever it has it."""
    nodes = [EIGHT, a_node("cloud-1", "cloud", allocatable={GPU: "1"})]
    one, other = a_policy(name="one"), a_policy(a_unit("cloud"), a_unit("dc"), name="other")
    pods = [placed("a"), asking("2")]
    view = a_snapshot(one, other, nodes=nodes, pods=pods)
    room = FreeCapacity(view)
    first = unit_capacities(one, pods, pods, view, room, [GPU])
    second = unit_capacities(other, pods, pods, view, room, [GPU])
    assert [(each.capacity, each.free, each.room) for each in first] == [
        (each.capacity, each.free, each.room) for each in reversed(second)
    ]
    assert [each.room for each in first] == [True, False]
