"""When a pod may go on to the next unit without a timer: rules O3, O4 and O6.

Each row is one filter call; the answer is the index of the unit, or what the pod waits for.
"""

import pytest

from policy.api.resourcepolicy import NextUnits
from policy.scheduling.pod_history import PodHistory
from policy.scheduling.refusals import Reason
from tests.builders import NOW, a_pod, a_policy, a_unit
from tests.unit.policy.cases import (
    CLOUD,
    DC_2,
    DC_ONLY,
    NO_ROOM_IN_DC,
    ONE,
    TWO,
    WANTS_2,
    Ask,
    Outcome,
    gpus,
    outcome,
)

EXCEED_MAX = NextUnits.EXCEED_MAX
NO_TERMINATING = NextUnits.LACK_RESOURCE_AND_NO_TERMINATING
LEAVING = a_pod("leaving", on="dc-1", terminating=True)
leaving_policy = a_policy(DC_2, CLOUD, mode=NO_TERMINATING)


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param(Ask(a_policy(DC_2, CLOUD), room=NO_ROOM_IN_DC), 1, id="O3: no room goes on, cap or not"),
        pytest.param(Ask(a_policy(DC_2, CLOUD), pods=(ONE, TWO)), 1, id="O3: exhausted goes on"),
        pytest.param(
            Ask(a_policy(a_unit("dc", resource="elastic"), CLOUD), room=NO_ROOM_IN_DC),
            1,
            id="O3: never waits, not even for nodes",
        ),
        pytest.param(
            Ask(
                a_policy(DC_2, CLOUD), room=NO_ROOM_IN_DC, pods=(a_pod("gone", on="dc-1", terminating=True),)
            ),
            1,
            id="O3: never waits, not even for terminating pods",
        ),
        pytest.param(
            Ask(a_policy(mode=EXCEED_MAX), room=NO_ROOM_IN_DC), 1, id="O4: a unit without any cap lets go on"
        ),
        pytest.param(
            Ask(a_policy(DC_2, CLOUD, mode=EXCEED_MAX), room=NO_ROOM_IN_DC),
            Reason.WAITING_FOR_ROOM,
            id="O4: below max and no room waits",
        ),
        pytest.param(
            Ask(
                a_policy(DC_2, CLOUD, mode=EXCEED_MAX),
                room=NO_ROOM_IN_DC,
                now=NOW + 1e9,
                history=PodHistory(refused_since={0: NOW}),
            ),
            Reason.WAITING_FOR_ROOM,
            id="O4: waits without limit",
        ),
        pytest.param(
            Ask(a_policy(DC_2, CLOUD, mode=EXCEED_MAX), pods=(ONE, TWO), room=NO_ROOM_IN_DC),
            1,
            id="O4: max reached goes on",
        ),
        pytest.param(
            Ask(gpus("8", EXCEED_MAX), room=NO_ROOM_IN_DC, asking=WANTS_2),
            Reason.WAITING_FOR_ROOM,
            id="O4: below maxResources and no room waits",
        ),
        pytest.param(
            Ask(gpus("1", EXCEED_MAX), room=NO_ROOM_IN_DC, asking=WANTS_2),
            1,
            id="O4: maxResources exceeded goes on",
        ),
        pytest.param(
            Ask(a_policy(DC_2, CLOUD, mode=EXCEED_MAX), room=DC_ONLY), 0, id="O4: room is used, cap or not"
        ),
        pytest.param(
            Ask(a_policy(a_unit("dc", resource="elastic"), CLOUD, mode=EXCEED_MAX), room=NO_ROOM_IN_DC),
            1,
            id="O4: a unit without a cap is not waited for, though it could grow",
        ),
    ],
)
def test_going_on_without_a_timer(ask: Ask, expected: Outcome) -> None:
    assert outcome(ask.decision) == expected


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param(
            Ask(leaving_policy, room=NO_ROOM_IN_DC, pods=(LEAVING,)),
            Reason.WAITING_FOR_TERMINATING,
            id="O6: no room waits while a pod is terminating in the unit",
        ),
        pytest.param(
            Ask(leaving_policy, pods=(ONE, TWO, LEAVING)),
            Reason.WAITING_FOR_TERMINATING,
            id="O6: exhausted waits while a pod is terminating in the unit",
        ),
        pytest.param(
            Ask(leaving_policy, room=NO_ROOM_IN_DC, pods=(ONE,)),
            1,
            id="O6: no room goes on when none is terminating",
        ),
        pytest.param(
            Ask(leaving_policy, pods=(ONE, TWO)), 1, id="O6: exhausted goes on when none is terminating"
        ),
        pytest.param(Ask(leaving_policy, pods=(LEAVING,)), 0, id="O6: room is used whatever is terminating"),
        pytest.param(
            Ask(leaving_policy, room=NO_ROOM_IN_DC, pods=(a_pod("left", on="cloud-1", terminating=True),)),
            1,
            id="O6: a pod that is terminating in another unit does not hold",
        ),
        pytest.param(
            Ask(
                a_policy(DC_2, CLOUD, mode=NO_TERMINATING, selector={"app": "web"}),
                room=NO_ROOM_IN_DC,
                asking=a_pod(labels={"app": "web"}),
                pods=(LEAVING,),
            ),
            1,
            id="O6: a terminating pod that the policy does not govern does not hold",
        ),
        pytest.param(
            Ask(
                a_policy(DC_2, CLOUD, mode=NO_TERMINATING, match_label_keys=("rev",)),
                room=NO_ROOM_IN_DC,
                asking=a_pod(labels={"rev": "2"}),
                pods=(a_pod("old", on="dc-1", labels={"rev": "1"}, terminating=True),),
            ),
            Reason.WAITING_FOR_TERMINATING,
            id="O6: a terminating pod of another group holds too",
        ),
        pytest.param(
            Ask(
                a_policy(DC_2, CLOUD, mode=NO_TERMINATING, match_label_keys=("rev",)),
                room=NO_ROOM_IN_DC,
                asking=a_pod(labels={"rev": "2"}),
                pods=(LEAVING,),
            ),
            Reason.WAITING_FOR_TERMINATING,
            id="O6: a terminating pod of no group holds too",
        ),
        pytest.param(
            Ask(
                a_policy(DC_2, CLOUD, mode=NO_TERMINATING, ignore_terminating_pod=False),
                room=NO_ROOM_IN_DC,
                pods=(LEAVING,),
            ),
            Reason.WAITING_FOR_TERMINATING,
            id="O6: a terminating pod that counts holds as one that does not",
        ),
        pytest.param(
            Ask(
                a_policy(DC_2, CLOUD, mode=NO_TERMINATING, ignore_previous_pod=True),
                room=NO_ROOM_IN_DC,
                pods=(a_pod("previous", on="dc-1", created=0, terminating=True),),
            ),
            Reason.WAITING_FOR_TERMINATING,
            id="O6: a terminating pod from before the policy holds too",
        ),
        pytest.param(
            Ask(
                a_policy(DC_2, CLOUD, mode=NextUnits("LackResourceAndNoterminating")),
                room=NO_ROOM_IN_DC,
                pods=(LEAVING,),
            ),
            Reason.WAITING_FOR_TERMINATING,
            id="O6: the spelling of ACK's Go types means the same",
        ),
    ],
)
def test_room_that_is_about_to_return_is_waited_for(ask: Ask, expected: Outcome) -> None:
    assert outcome(ask.decision) == expected
