"""Nodes that are used last or never: rules U6 and U7."""

import pytest

from policy.api.objects import Effect, Node, Taint
from policy.api.options import Options, OutsideUnits
from policy.api.resourcepolicy import NextUnits
from policy.scheduling.refusals import Reason
from tests.builders import a_node, a_policy, a_unit
from tests.unit.policy.cases import NODES, ONE, TWO, Ask, Outcome, outcome

NEVER, LAST = OutsideUnits.NEVER, OutsideUnits.LAST
FULL = (ONE, TWO)


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param(
            Ask(a_policy(strategy="required"), room=["attic-1"], outside=LAST),
            Reason.OUTSIDE_UNITS,
            id="U6: required never uses a node outside every unit",
        ),
        pytest.param(
            Ask(room=["attic-1"], outside=NEVER), Reason.OUTSIDE_UNITS, id="U6: prefer does not by default"
        ),
        pytest.param(
            Ask(room=["attic-1"], outside=LAST), "outside", id="U6: prefer does where the setting says last"
        ),
        pytest.param(
            Ask(room=["attic-1", "cloud-1"], outside=LAST), 1, id="U6: last is after every unit with room"
        ),
        pytest.param(
            Ask(a_policy(a_unit("dc", max=2)), pods=FULL, outside=LAST),
            "outside",
            id="U6: last is after every cap",
        ),
        pytest.param(
            Ask(a_policy(a_unit("dc", max=2), mode=NextUnits.EXCEED_MAX), room=["attic-1"], outside=LAST),
            Reason.WAITING_FOR_ROOM,
            id="U6: a pod that waits in a unit does not go outside",
        ),
    ],
)
def test_nodes_outside_every_unit(ask: Ask, expected: Outcome) -> None:
    assert outcome(ask.decision) == expected


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param(
            Ask(a_policy(a_unit("dc", max=2)), pods=FULL, outside=LAST),
            ["cloud-1", "attic-1"],
            id="U6: only nodes of no unit are outside, those of a full one are not",
        ),
        pytest.param(
            Ask(
                a_policy(a_unit("dc", max=2)),
                pods=FULL,
                room=["dc-1", "left-1"],
                departed=["left-1"],
                outside=LAST,
            ),
            [],
            id="U6: a node that has just gone is not one outside",
        ),
    ],
)
def test_what_is_outside(ask: Ask, expected: list[str]) -> None:
    assert list(ask.decision.nodes) == expected


@pytest.mark.parametrize(
    "setting", [pytest.param(Options().outside_units, id="U6: the setting's default is never")]
)
def test_the_default_is_to_stay_inside(setting: OutsideUnits) -> None:
    assert setting is NEVER


def leaving(name: str, key: str, pool: str = "dc") -> Node:
    return a_node(name, pool, taints=(Taint(key, "", Effect.NO_SCHEDULE),))


TO_BE_DELETED = leaving("dc-0", "ToBeDeletedByClusterAutoscaler")
CANDIDATE = leaving("dc-9", "DeletionCandidateOfClusterAutoscaler")


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        pytest.param([TO_BE_DELETED, *NODES], ["dc-1", "dc-2"], id="U7: a node to be deleted is left out"),
        pytest.param([CANDIDATE, *NODES], ["dc-1", "dc-2"], id="U7: a candidate for deletion is left out"),
        pytest.param(
            [TO_BE_DELETED, CANDIDATE], ["dc-0", "dc-9"], id="U7: both are used when there is no other"
        ),
        pytest.param(
            [TO_BE_DELETED, a_node("cloud-1", "cloud")],
            ["dc-0"],
            id="U7: last within the unit, before the next unit",
        ),
        pytest.param(
            [leaving("dc-3", "example.com/other"), *NODES],
            ["dc-3", "dc-1", "dc-2"],
            id="U7: other taints are the scheduler's business",
        ),
    ],
)
def test_nodes_that_the_autoscaler_removes_are_last(nodes: list[Node], expected: list[str]) -> None:
    ask = Ask(nodes=nodes, room=[node.name for node in nodes])
    assert ask.decision.nodes == expected
