"""Which unit an autoscaler should grow, and for whom: rules W1 to W4, as far as `policy/` decides them.

The pool `el` can grow, `dc` cannot. A row says which pods make which unit grow.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import pytest

from policy.api.node_affinity import Terms
from policy.api.objects import Effect, Node, Phase, Pod, Taint
from policy.api.resourcepolicy import NextUnits, ResourcePolicy, Unit
from policy.scaleup.demand import Demand, demands, wants_nodes
from policy.scaleup.planner import free_nodes, plan, queue_order
from policy.scheduling.snapshot import Reservation, Snapshot
from tests.builders import NOW, a_node, a_pod, a_policy, a_reservation, a_snapshot, a_unit
from tests.unit.policy.cases import GPU

ONE_GPU = {GPU: "1"}
DC = a_node("dc-1", "dc", allocatable={GPU: "1"})
EL = a_node("el-1", "el", allocatable={GPU: "2"})
GROWS = a_unit("el", resource="elastic")
AFTER_DC = a_policy(a_unit("dc"), GROWS)
TWO_CLOUDS = a_policy(a_unit("dc", max=1), a_unit("a", resource="elastic"), a_unit("b", resource="elastic"))


def waiting(name: str, **fields: object) -> Pod:
    labels = {"rev": str(fields["rev"])} if "rev" in fields else {}
    return a_pod(name, requests={GPU: str(fields.get("gpus", "1"))}, labels=labels, unschedulable=True)


def demanding(key: str, value: str) -> Pod:
    """The pod "a", which may only be where this label is."""
    return replace(waiting("a"), affinity=(Terms(((key, "In", (value,)),)),))


def on(node: str, name: str = "busy") -> Pod:
    return a_pod(name, on=node, requests=ONE_GPU)


@dataclass(frozen=True)
class Pending:
    """Pods that the scheduler found no node for, and the cluster they wait in."""

    pending: Collection[Pod]
    policy: ResourcePolicy = AFTER_DC
    nodes: Collection[Node] = (DC,)
    pods: Collection[Pod] = (on("dc-1"),)
    reservations: Collection[Reservation] = ()
    asked: Mapping[str, int] = field(default_factory=dict)
    stuck: Collection[int] = ()
    spare: Mapping[str, int] = field(default_factory=dict)
    now: float = NOW

    @property
    def snapshot(self) -> Snapshot:
        return a_snapshot(
            self.policy,
            nodes=self.nodes,
            pods=[*self.pods, *self.pending],
            reservations=self.reservations,
            remembers_since=NOW,
        )

    @property
    def demands(self) -> list[Demand]:
        def stuck(_: Pod, unit: int) -> bool:
            return unit in self.stuck

        def spare(pod: Pod, _: int) -> int:
            return self.spare.get(pod.name, 0)

        return demands(self.policy, self.pending, self.snapshot, self.now, self.asked, stuck, spare)


def by_timer(*units: Unit, since: float | None = None) -> Pending:
    policy = a_policy(*units, mode=NextUnits.TIMEOUT_OR_EXCEED_MAX)
    pod = a_pod("p", requests=ONE_GPU, unschedulable=True, unscheduled_since=since)
    return Pending([pod], policy, stuck=[0])


P, Q, R = waiting("p"), waiting("q"), waiting("r")
capped = a_policy(a_unit("dc"), a_unit("el", resource="elastic", max=2))
in_gpus = a_policy(a_unit("dc"), a_unit("el", resource="elastic", max_resources={GPU: "2"}))
per_rev = a_policy(a_unit("el", resource="elastic", max=1), match_label_keys=["rev"])


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        pytest.param(Pending([P]), {1: ["p"]}, id="W1: a unit without room that can grow"),
        pytest.param(Pending([]), {}, id="W1: nobody waits, nothing grows"),
        pytest.param(Pending([P], a_policy(a_unit("dc"))), {}, id="W1: no unit can grow"),
        pytest.param(Pending([P], TWO_CLOUDS), {1: ["p"]}, id="W1: the first that can grow, not a later one"),
        pytest.param(
            Pending([P], a_policy(a_unit("el", resource="elastic", max=0), a_unit("b", resource="elastic"))),
            {1: ["p"]},
            id="W1: not an earlier one that is capped",
        ),
        pytest.param(
            Pending([P], a_policy(GROWS, a_unit("dc")), pods=()),
            {0: ["p"]},
            id="W1: before a later unit is filled",
        ),
        pytest.param(
            Pending([P, waiting("big", gpus=4)]), {1: ["p", "big"]}, id="W1: pods of several shapes, one unit"
        ),
        pytest.param(
            Pending([P], a_policy(a_unit("dc", max=9), GROWS, mode=NextUnits.EXCEED_MAX)),
            {},
            id="W1: a later unit that the overflow rule keeps closed does not grow",
        ),
        pytest.param(
            Pending([a_pod("p", requests=ONE_GPU)], a_policy(GROWS, match_label_keys=["rev"])),
            {},
            id="W1: a pod without its group gets no node anywhere",
        ),
        pytest.param(
            Pending(
                [P], a_policy(a_unit("dc", max=1), GROWS), [a_node("dc-1", "dc", allocatable={GPU: "8"})]
            ),
            {1: ["p"]},
            id="W2: a cap is reached while nodes are free",
        ),
        pytest.param(
            Pending([P], pods=()), {}, id="W2: a pod that fits where the policy lets it is the scheduler's"
        ),
        pytest.param(
            Pending([P, Q], pods=()), {1: ["q"]}, id="W2: one seat seats one pod, the rest make the unit grow"
        ),
        pytest.param(
            Pending([P, Q, R], nodes=[DC, EL]),
            {1: ["r"]},
            id="W2: free room of a unit that grows is used first",
        ),
        pytest.param(
            Pending([P], nodes=[a_node("dc-1", "dc", allocatable={GPU: "8"}, ready=False)], pods=()),
            {1: ["p"]},
            id="W2: a node that is not ready is no room",
        ),
        pytest.param(
            Pending(
                [P],
                nodes=[
                    a_node("dc-1", "dc", allocatable={GPU: "8"}, taints=(Taint("x", "", Effect.NO_SCHEDULE),))
                ],
                pods=(),
            ),
            {1: ["p"]},
            id="W2: nor is one that the pod does not tolerate",
        ),
        pytest.param(Pending([P, Q, R], capped), {1: ["p", "q"]}, id="W3: never more than max allows"),
        pytest.param(
            Pending([P, Q, R], capped, [DC, EL], [on("dc-1"), on("el-1", "b"), on("el-1", "c")]),
            {},
            id="W3: less what the unit holds",
        ),
        pytest.param(
            Pending([P, Q], capped, reservations=[a_reservation(a_pod("s"), capped, 1)]),
            {1: ["p"]},
            id="W3: less what is on its way there",
        ),
        pytest.param(
            Pending([P, Q, R], capped, asked={"p": 1}), {1: ["q"]}, id="W3: less what was asked for"
        ),
        pytest.param(Pending([P, Q, R], in_gpus), {1: ["p", "q"]}, id="W3: nor more than maxResources allow"),
        pytest.param(
            Pending([P, waiting("q", gpus=2), R], in_gpus),
            {1: ["p", "r"]},
            id="W3: a pod that is too large makes way",
        ),
        pytest.param(
            Pending([waiting("p", rev=1), waiting("q", rev=1), waiting("r", rev=2)], per_rev),
            {0: ["p", "r"]},
            id="W3: caps are per group",
        ),
        pytest.param(
            Pending([waiting("p", rev=1), waiting("q", rev=1)], per_rev, asked={"q": 0}),
            {},
            id="W3: what was asked for counts in its group",
        ),
        pytest.param(Pending([P], asked={"p": 1}), {}, id="W3: never twice for one pod"),
        pytest.param(
            Pending([a_pod("lost", requests=ONE_GPU), Q], per_rev, asked={"lost": 0}),
            {},
            id="W3: a pod that lost its group since it was asked for counts nowhere",
        ),
        pytest.param(
            Pending([P], TWO_CLOUDS, stuck=[1]), {2: ["p"]}, id="W4: a unit that cannot grow is skipped"
        ),
        pytest.param(Pending([P], TWO_CLOUDS, stuck=[1, 2]), {}, id="W4: all of them may be"),
        pytest.param(
            Pending([demanding("pool", "b")], TWO_CLOUDS),
            {2: ["a"]},
            id="W3: a unit that the pod's affinity rules out is not grown in vain",
        ),
        pytest.param(
            Pending([demanding("zone", "z")], pods=()),
            {1: ["a"]},
            id="W1: a free node that the pod's affinity rules out is no room",
        ),
        pytest.param(
            by_timer(a_unit("a", resource="elastic"), a_unit("b", resource="elastic")),
            {},
            id="W4: under a timer the pod waits before the next unit grows",
        ),
        pytest.param(
            by_timer(a_unit("a", resource="elastic"), a_unit("b", resource="elastic"), since=NOW - 900),
            {1: ["p"]},
            id="W4: and then it does",
        ),
        pytest.param(
            Pending([P, Q], capped, spare={"p": 1, "q": 1}),
            {1: ["p"]},
            id="W3: places for pods unlike it that nobody awaits may use up the cap",
        ),
        pytest.param(
            Pending([P, Q], capped, spare={"p": 2}),
            {1: ["q"]},
            id="W3: a pod that waits for what becomes of them holds no slot before others",
        ),
        pytest.param(
            Pending([P, Q], spare={"p": 9, "q": 9}), {1: ["p", "q"]}, id="W3: without a cap they matter not"
        ),
    ],
)
def test_the_unit_that_should_grow(case: Pending, expected: dict[int, list[str]]) -> None:
    grown: dict[int, list[str]] = {}
    for demand in case.demands:
        assert demand.policy is case.policy
        grown.setdefault(demand.unit, []).extend(pod.name for pod in demand.pods)
    assert {unit: sorted(names) for unit, names in grown.items()} == {
        u: sorted(n) for u, n in expected.items()
    }


@pytest.mark.parametrize(
    ("pending", "expected"),
    [
        pytest.param([P, Q], [["p", "q"]], id="W1: pods alike are one demand"),
        pytest.param([P, waiting("big", gpus=2)], [["p"], ["big"]], id="W1: other requests are another"),
        pytest.param(
            [P, a_pod("arm", requests=ONE_GPU, node_selector={"arch": "arm64"})],
            [["p"], ["arm"]],
            id="W1: another node selector is another",
        ),
        pytest.param([P, demanding("zone", "z")], [["p"], ["a"]], id="W1: another affinity is another"),
    ],
)
def test_pods_that_need_the_same_are_asked_for_together(
    pending: list[Pod], expected: list[list[str]]
) -> None:
    found = [sorted(pod.name for pod in demand.pods) for demand in Pending(pending).demands]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        pytest.param(
            [a_pod("young", created=2), a_pod("old", created=1)], ["old", "young"], id="W1: the older first"
        ),
        pytest.param([a_pod("b"), a_pod("a")], ["a", "b"], id="W1: ties by uid"),
        pytest.param(
            [a_pod("old", created=1), a_pod("urgent", created=2, priority=9)],
            ["urgent", "old"],
            id="W1: priority goes before age",
        ),
    ],
)
def test_the_last_slot_goes_as_in_the_schedulers_queue(pods: list[Pod], expected: list[str]) -> None:
    assert [pod.name for pod in queue_order(pods)] == expected


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param(a_pod(unschedulable=True), True, id="W1: the scheduler found no node"),
        pytest.param(a_pod(), False, id="W1: it has not looked yet, or failed to"),
        pytest.param(a_pod(on="dc-1", unschedulable=True), False, id="W1: it has one since"),
        pytest.param(a_pod(unschedulable=True, terminating=True), False, id="W1: it is being deleted"),
        pytest.param(a_pod(unschedulable=True, phase=Phase.FAILED), False, id="W1: it has ended"),
    ],
)
def test_who_wants_nodes(pod: Pod, *, expected: bool) -> None:
    assert wants_nodes(pod) is expected


def test_a_plan_says_who_is_seated_where() -> None:
    """W2: the watcher wakes these; the scheduler will find the node once it looks."""
    case = Pending([P, Q, R], nodes=[DC, EL], pods=())
    planned = plan(case.policy, case.pending, case.snapshot, NOW, {}, lambda *_: False)
    assert [(pod.name, node.name) for pod, node in planned.schedulable] == [
        ("p", "dc-1"),
        ("q", "el-1"),
        ("r", "el-1"),
    ]
    assert planned.needs_nodes == ()


@pytest.mark.parametrize(
    ("nodes", "placed", "expected"),
    [
        pytest.param([EL], [], ["el-1"], id="W1: a node with room"),
        pytest.param([EL], ["a", "b"], [], id="W1: its room is taken"),
        pytest.param([replace(EL, ready=False)], [], [], id="W1: it does not take pods"),
        pytest.param([DC], [], [], id="W1: a node of another unit"),
        pytest.param([replace(EL, name="z"), EL], [], ["el-1", "z"], id="W1: in the order of their names"),
    ],
)
def test_which_nodes_of_a_unit_could_take_a_pod(
    nodes: list[Node], placed: list[str], expected: list[str]
) -> None:
    pods = [a_pod(name, on="el-1", requests=ONE_GPU) for name in placed]
    view = a_snapshot(AFTER_DC, nodes=nodes, pods=pods)
    assert list(free_nodes(view, AFTER_DC, 1, waiting("p"))) == expected
