"""Preemption in one unit, with the slots that victims free: rules P2 and P3.

A row is one call of the preempt verb; it maps nodes to their victims, as the scheduler sends them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pytest

from policy.api.objects import Pod
from policy.api.resourcepolicy import NextUnits, PreemptPolicy, ResourcePolicy
from policy.scheduling.pod_history import NO_HISTORY, PodHistory
from policy.scheduling.preempt import PreemptDecision, decide
from tests.builders import NOW, a_pod, a_policy, a_snapshot, a_unit, recorded_in
from tests.unit.policy.cases import CAPPED, CLOUD, DC_2, NODES

urgent = a_pod(priority=10, requests={"cpu": "1"})


@dataclass(frozen=True)
class Preempt:
    """One call of the preempt verb, on the nodes of `cases`."""

    victims: Mapping[str, Collection[str]]
    policy: ResourcePolicy = CAPPED
    pods: Collection[Pod] = ()
    asking: Pod = urgent
    history: PodHistory = NO_HISTORY
    protected: Collection[str] = ()

    @property
    def choice(self) -> PreemptDecision:
        pods = [*self.pods, self.asking]
        histories = {self.asking.uid: self.history}
        snapshot = a_snapshot(self.policy, nodes=NODES, pods=pods, histories=histories)
        return decide(self.asking, self.victims, self.policy, snapshot, NOW, self.protected)


def web(name: str, node: str, rev: str = "1") -> Pod:
    return a_pod(name, on=node, labels={"rev": rev}, requests={"cpu": "1"})


IN_DC = [web("a", "dc-1"), web("b", "dc-2")]
EXCEED_MAX = a_policy(DC_2, CLOUD, mode=NextUnits.EXCEED_MAX)
by_rev = a_policy(a_unit("dc", max=1), CLOUD, match_label_keys=["rev"])
cpus = a_policy(a_unit("dc", max_resources={"cpu": "2"}), CLOUD)
elsewhere = a_pod("x", on="dc-1", namespace="other")


@pytest.mark.parametrize(
    ("call", "unit", "nodes"),
    [
        pytest.param(
            Preempt({"dc-1": ["x"], "cloud-1": ["y"], "dc-2": ["z"]}),
            0,
            ["dc-1", "dc-2"],
            id="P2: one unit, the first",
        ),
        pytest.param(
            Preempt({"cloud-1": ["y"]}), 1, ["cloud-1"], id="P2: the next when the first has no candidate"
        ),
        pytest.param(Preempt({}), None, [], id="P2: no candidates, no preemption"),
        pytest.param(
            Preempt({"dc-1": [], "cloud-1": ["y"]}),
            1,
            ["cloud-1"],
            id="P2: a node without victims is left out",
        ),
        pytest.param(Preempt({"attic-1": ["x"]}), None, [], id="P2: never a node outside every unit"),
        pytest.param(
            Preempt({"dc-1": ["x"], "cloud-1": ["y"]}, pods=[*IN_DC, elsewhere]),
            1,
            ["cloud-1"],
            id="P2: never a unit that stays exhausted",
        ),
        pytest.param(
            Preempt({"cloud-1": ["y"]}, EXCEED_MAX),
            None,
            [],
            id="P2: never a unit that the overflow rule keeps closed",
        ),
        pytest.param(
            Preempt({"cloud-1": ["y"]}, EXCEED_MAX, pods=IN_DC),
            1,
            ["cloud-1"],
            id="P2: one that it has opened",
        ),
        pytest.param(
            Preempt(
                {"cloud-1": ["y"]},
                a_policy(DC_2, CLOUD, mode=NextUnits.TIMEOUT_OR_EXCEED_MAX),
                history=PodHistory(refused_since={0: NOW - 900}),
            ),
            1,
            ["cloud-1"],
            id="P2: one that a timer has opened",
        ),
        pytest.param(
            Preempt(
                {"cloud-1": ["y"]},
                a_policy(DC_2, CLOUD, mode=NextUnits.LACK_RESOURCE_AND_NO_TERMINATING),
                pods=[a_pod("leaving", on="dc-1", terminating=True)],
            ),
            None,
            [],
            id="P2: not one that terminating pods keep closed",
        ),
        pytest.param(
            Preempt(
                {"cloud-1": ["r"]},
                EXCEED_MAX,
                pods=[web("a", "dc-2"), a_pod("r", on="cloud-1", annotations=recorded_in(EXCEED_MAX, 0))],
            ),
            None,
            [],
            id="P2: not where a victim's slot reopens an earlier unit that then waits",
        ),
        pytest.param(
            Preempt({"cloud-1": ["y"]}, history=PodHistory(withheld_unit=1)),
            None,
            [],
            id="P1: not in a unit with room, which the pod is kept from while an earlier one has its chance",
        ),
        pytest.param(
            Preempt({"dc-1": ["x"], "cloud-1": ["y"]}, history=PodHistory(withheld_unit=1)),
            0,
            ["dc-1"],
            id="P1: but in any unit before it",
        ),
        pytest.param(
            Preempt({"dc-1": ["x"]}, by_rev),
            None,
            [],
            id="P2: no preemption for a pod without its group (C2)",
        ),
        pytest.param(
            Preempt({"dc-1": ["a"], "cloud-1": ["y"]}, pods=IN_DC),
            0,
            ["dc-1"],
            id="P3: a victim of the policy frees its slot",
        ),
        pytest.param(
            Preempt({"dc-1": ["x"], "dc-2": ["b"]}, pods=[*IN_DC, elsewhere]),
            0,
            ["dc-2"],
            id="P3: only the nodes whose victims free a slot",
        ),
        pytest.param(
            Preempt({"dc-1": ["a"]}, pods=[*IN_DC, web("c", "dc-2")]),
            None,
            [],
            id="P3: one slot of an over-full unit is not enough",
        ),
        pytest.param(
            Preempt({"dc-1": ["a"]}, cpus, pods=IN_DC),
            0,
            ["dc-1"],
            id="P3: what a victim requests is free as well",
        ),
        pytest.param(
            Preempt(
                {"dc-1": ["a"]},
                cpus,
                pods=IN_DC,
                asking=a_pod(priority=10, requests={"cpu": "2"}),
            ),
            None,
            [],
            id="P3: and no more than that",
        ),
        pytest.param(
            Preempt(
                {"dc-1": ["old"], "cloud-1": ["y"]},
                by_rev,
                pods=[web("old", "dc-1", "1"), web("new", "dc-2", "2")],
                asking=a_pod(labels={"rev": "2"}),
            ),
            1,
            ["cloud-1"],
            id="P3: a victim of another group frees nothing",
        ),
        pytest.param(
            Preempt({"dc-1": ["a"]}, pods=[*IN_DC, a_pod("t", on="dc-1", terminating=True)]),
            0,
            ["dc-1"],
            id="P3: terminating pods hold no slot beside it (C3)",
        ),
        pytest.param(
            Preempt({"dc-1": ["t"]}, pods=[*IN_DC, a_pod("t", on="dc-1", terminating=True)]),
            None,
            [],
            id="P3: a victim that did not count frees no slot",
        ),
        pytest.param(
            Preempt(
                {"dc-1": ["r"]},
                pods=[*IN_DC, a_pod("r", on="dc-1", annotations=recorded_in(CAPPED, 1))],
            ),
            None,
            [],
            id="P3: a victim counted in another unit frees no slot here",
        ),
    ],
)
def test_preemption_in_one_unit(call: Preempt, unit: int | None, nodes: list[str]) -> None:
    choice = call.choice
    assert (choice.unit, list(choice.nodes)) == (unit, nodes)


BOTH = {"dc-1": ["a"], "dc-2": ["b"], "cloud-1": ["c"]}
FULL_CLOUD = [*IN_DC, web("c", "cloud-1")]
BEFORE_NEXT = a_policy(DC_2, CLOUD, preempt_policy=PreemptPolicy.BEFORE_NEXT_UNIT)


@pytest.mark.parametrize(
    ("call", "unit", "nodes"),
    [
        pytest.param(
            Preempt(BOTH, pods=FULL_CLOUD, protected=["dc-1"]), 0, ["dc-2"], id="P2: another node of the unit"
        ),
        pytest.param(
            Preempt(BOTH, pods=FULL_CLOUD, protected=["dc-1", "dc-2"]), 1, ["cloud-1"], id="P2: a later unit"
        ),
        pytest.param(
            Preempt(BOTH, pods=FULL_CLOUD, protected=list(BOTH)),
            0,
            ["dc-1", "dc-2"],
            id="P2: there is no other",
        ),
        pytest.param(
            Preempt(BOTH, EXCEED_MAX, pods=[web("c", "cloud-1")], protected=["dc-1", "dc-2"]),
            0,
            ["dc-1", "dc-2"],
            id="P2: a later unit that is not open yet is no other",
        ),
        pytest.param(
            Preempt(BOTH, BEFORE_NEXT, pods=FULL_CLOUD, protected=["dc-1", "dc-2"]),
            0,
            ["dc-1", "dc-2"],
            id="P1: BeforeNextUnit comes first",
        ),
    ],
)
def test_whom_a_disruption_budget_protects_leaves_last(
    call: Preempt, unit: int | None, nodes: list[str]
) -> None:
    assert (call.choice.unit, list(call.choice.nodes)) == (unit, nodes)
