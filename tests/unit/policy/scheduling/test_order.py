"""The order of units: rules O1 and O8.

Each row is one filter call; the answer is the index of the unit, or what the pod waits for.
"""

import pytest

from policy.api.resourcepolicy import NextUnits
from policy.scheduling.pod_history import Nomination, PodHistory
from policy.scheduling.refusals import Reason
from tests.builders import NOW, a_pod, a_policy, a_unit
from tests.unit.policy.cases import CAPPED, CLOUD, DC_2, NO_ROOM_IN_DC, ONE, TWO, Ask, Outcome, outcome

NOMINATED = a_pod(nominated_node="cloud-1")


def promised(unit: int, node: str, age: float = 3600) -> PodHistory:
    return PodHistory(nomination=Nomination(unit, frozenset({node}), NOW - age))


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param(Ask(), 0, id="O1: the first unit with room is used"),
        pytest.param(Ask(room=NO_ROOM_IN_DC), 1, id="O1: the second unit is used when the first has no room"),
        pytest.param(
            Ask(policy=a_policy(a_unit("gone"), a_unit("dc"), CLOUD)),
            1,
            id="O1: a unit without any node has no room",
        ),
        pytest.param(
            Ask(policy=a_policy(CLOUD, a_unit("dc"))),
            0,
            id="O1: the order is that of the policy, not that of the candidates",
        ),
        pytest.param(Ask(room=()), Reason.OUTSIDE_UNITS, id="O1: of no candidates none is in a unit"),
    ],
)
def test_an_earlier_unit_with_room_is_used_before_a_later_one(ask: Ask, expected: Outcome) -> None:
    assert outcome(ask.decision) == expected


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param(
            Ask(CAPPED, asking=NOMINATED, room=("cloud-1",)),
            Reason.EARLIER_UNIT_FIRST,
            id="O1: a nominated node alone is refused while an earlier unit may have room",
        ),
        pytest.param(
            Ask(CAPPED, asking=NOMINATED, room=("cloud-1",), history=PodHistory(nomination_refused=True)),
            1,
            id="O1: the same single node a second time is the full list",
        ),
        pytest.param(
            Ask(CAPPED, asking=NOMINATED, room=("cloud-1",), history=promised(1, "cloud-1")),
            1,
            id="O1: a nomination from our own preempt answer is honoured, however old",
        ),
        pytest.param(
            Ask(CAPPED, asking=NOMINATED, room=("cloud-1",), history=promised(0, "dc-1")),
            Reason.EARLIER_UNIT_FIRST,
            id="O1: a nomination that is not what we promised is not honoured",
        ),
        pytest.param(
            Ask(CAPPED, asking=NOMINATED, room=("cloud-1",), history=promised(0, "dc-1", age=5)),
            Reason.EARLIER_UNIT_FIRST,
            id="O1: not even while the promise is fresh",
        ),
        pytest.param(
            Ask(CAPPED, asking=a_pod(nominated_node="dc-1"), room=("dc-1",)),
            0,
            id="O1: a nominated node of the first unit is taken",
        ),
        pytest.param(
            Ask(CAPPED, asking=NOMINATED, room=("cloud-1",), pods=(ONE, TWO)),
            1,
            id="O1: a nominated node is taken when every earlier unit is exhausted",
        ),
        pytest.param(
            Ask(a_policy(a_unit("gone"), CLOUD), asking=NOMINATED, room=("cloud-1",)),
            1,
            id="O1: a nominated node is taken when no earlier unit has a node",
        ),
        pytest.param(
            Ask(CAPPED, asking=NOMINATED, room=("dc-1", "cloud-1")),
            0,
            id="O1: a nomination does not matter once the full list is shown",
        ),
        pytest.param(
            Ask(CAPPED, asking=a_pod(nominated_node="attic-1"), room=("attic-1",)),
            Reason.EARLIER_UNIT_FIRST,
            id="O1: a nominated node outside every unit comes after every unit",
        ),
        pytest.param(
            Ask(a_policy(a_unit("gone")), asking=a_pod(nominated_node="attic-1"), room=("attic-1",)),
            Reason.OUTSIDE_UNITS,
            id="O1: a nominated node outside every unit is refused for that where no unit has nodes",
        ),
        pytest.param(
            Ask(CAPPED, room=("cloud-1",)),
            1,
            id="O1: one candidate is the full list when nothing is nominated",
        ),
    ],
)
def test_a_nominated_node_does_not_jump_the_order(ask: Ask, expected: Outcome) -> None:
    assert outcome(ask.decision) == expected


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param(
            Ask(
                a_policy(DC_2, CLOUD, mode=mode),
                room=("dc-1", "cloud-1"),
                history=PodHistory(refused_since={0: NOW - 1e6}),
            ),
            0,
            id=f"O8: {mode} uses room that appeared in an earlier unit",
        )
        for mode in NextUnits
    ],
)
def test_every_attempt_starts_at_the_first_unit(ask: Ask, expected: Outcome) -> None:
    assert outcome(ask.decision) == expected
