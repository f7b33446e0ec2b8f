"""When a wait for room ends by time: rules O5, O7 and O9.

Each row is one filter call; the answer is the index of the unit, or what the pod waits for.
"""

import math

import pytest

from policy.api.resourcepolicy import WAIT_LABEL, NextUnits
from policy.scheduling.pod_history import PodHistory
from policy.scheduling.refusals import Reason
from tests.builders import NOW, a_pod, a_policy, a_unit
from tests.unit.policy.cases import (
    CLOUD,
    DC_2,
    DC_ONLY,
    GPU,
    NO_ROOM_IN_DC,
    ONE,
    TWO,
    WANTS_2,
    Ask,
    Outcome,
    gpus,
    outcome,
)

WAITS = {WAIT_LABEL: "true"}
EXCEED_MAX = NextUnits.EXCEED_MAX
BY_TIMER = NextUnits.TIMEOUT_OR_EXCEED_MAX
TIMEOUT = NextUnits.TIMEOUT
MINUTE = 60.0


def refused_at(start: float) -> PodHistory:
    return PodHistory(refused_since={0: start})


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param(
            Ask(a_policy(DC_2, CLOUD, mode=BY_TIMER), room=NO_ROOM_IN_DC),
            Reason.WAITING_FOR_TIMEOUT,
            id="O5: below max and no room waits",
        ),
        pytest.param(
            Ask(gpus("8", BY_TIMER), room=NO_ROOM_IN_DC, asking=WANTS_2),
            Reason.WAITING_FOR_TIMEOUT,
            id="O5: below maxResources and no room waits",
        ),
        pytest.param(
            Ask(a_policy(a_unit("dc", resource="elastic"), CLOUD, mode=BY_TIMER), room=NO_ROOM_IN_DC),
            Reason.WAITING_FOR_TIMEOUT,
            id="O5: without a cap a unit that waits for nodes is waited for",
        ),
        pytest.param(
            Ask(a_policy(a_unit("dc", pod_labels=WAITS), CLOUD, mode=BY_TIMER), room=NO_ROOM_IN_DC),
            Reason.WAITING_FOR_TIMEOUT,
            id="O5: the wait label is waited for as elastic is",
        ),
        pytest.param(
            Ask(a_policy(mode=BY_TIMER), room=NO_ROOM_IN_DC),
            1,
            id="O5: without cap and without wait label there is nothing to wait for",
        ),
        pytest.param(
            Ask(a_policy(DC_2, CLOUD, mode=BY_TIMER), pods=(ONE, TWO), room=NO_ROOM_IN_DC),
            1,
            id="O5: max reached goes on at once",
        ),
        pytest.param(
            Ask(a_policy(a_unit("dc", max=2, resource="elastic"), CLOUD, mode=BY_TIMER), pods=(ONE, TWO)),
            1,
            id="O5: max reached goes on at once though the unit waits for nodes",
        ),
        pytest.param(
            Ask(
                a_policy(a_unit("dc", max=9, max_resources={GPU: "1"}), CLOUD, mode=BY_TIMER), asking=WANTS_2
            ),
            1,
            id="O5: maxResources exceeded goes on at once though max is not reached",
        ),
        pytest.param(
            Ask(
                a_policy(DC_2, CLOUD, mode=BY_TIMER),
                room=NO_ROOM_IN_DC,
                history=refused_at(NOW - 15 * MINUTE + 1),
            ),
            Reason.WAITING_FOR_TIMEOUT,
            id="O5: a second before the default of 15m it waits",
        ),
        pytest.param(
            Ask(
                a_policy(DC_2, CLOUD, mode=BY_TIMER),
                room=NO_ROOM_IN_DC,
                history=refused_at(NOW - 15 * MINUTE),
            ),
            1,
            id="O5: at 15m it goes on",
        ),
        pytest.param(
            Ask(
                a_policy(DC_2, CLOUD, mode=BY_TIMER, timeout="30s"),
                room=NO_ROOM_IN_DC,
                history=refused_at(NOW - 30),
            ),
            1,
            id="O5: timeout is the policy's",
        ),
        pytest.param(
            Ask(
                a_policy(DC_2, a_unit("cloud", max=1), mode=BY_TIMER),
                room=("attic-1",),
                history=refused_at(NOW - 15 * MINUTE),
            ),
            Reason.WAITING_FOR_TIMEOUT,
            id="O5: the next unit has a timer of its own",
        ),
        pytest.param(
            Ask(a_policy(DC_2, CLOUD, mode=BY_TIMER), room=DC_ONLY, history=refused_at(NOW - 15 * MINUTE)),
            0,
            id="O5: a unit whose timer is over is still used when it has room",
        ),
        pytest.param(
            Ask(a_policy(mode=TIMEOUT), room=NO_ROOM_IN_DC),
            Reason.WAITING_FOR_TIMEOUT,
            id="O7: no room waits, though the unit has no cap and no wait label",
        ),
        pytest.param(
            Ask(a_policy(mode=TIMEOUT), room=NO_ROOM_IN_DC, history=refused_at(NOW - 15 * MINUTE)),
            1,
            id="O7: at the timeout it goes on",
        ),
        pytest.param(
            Ask(a_policy(DC_2, CLOUD, mode=TIMEOUT), pods=(ONE, TWO)),
            Reason.WAITING_FOR_TIMEOUT,
            id="O7: a reached max does not open the next unit before the timeout",
        ),
        pytest.param(
            Ask(a_policy(DC_2, CLOUD, mode=TIMEOUT), pods=(ONE, TWO), history=refused_at(NOW - 15 * MINUTE)),
            1,
            id="O7: a reached max stays closed after the timeout",
        ),
    ],
)
def test_going_on_by_a_timer(ask: Ask, expected: Outcome) -> None:
    assert outcome(ask.decision) == expected


@pytest.mark.parametrize(
    ("ask", "retry_at"),
    [
        pytest.param(
            Ask(a_policy(DC_2, CLOUD, mode=BY_TIMER), room=NO_ROOM_IN_DC),
            NOW + 15 * MINUTE,
            id="O5: a first refusal starts the timer",
        ),
        pytest.param(
            Ask(a_policy(DC_2, CLOUD, mode=BY_TIMER), room=NO_ROOM_IN_DC, history=refused_at(NOW - MINUTE)),
            NOW + 14 * MINUTE,
            id="O5: a later refusal leaves the timer as it started",
        ),
        pytest.param(
            Ask(a_policy(DC_2, CLOUD, mode=EXCEED_MAX), room=NO_ROOM_IN_DC),
            math.inf,
            id="O4: no time ends the wait",
        ),
        pytest.param(
            Ask(
                a_policy(DC_2, CLOUD, mode=BY_TIMER),
                room=NO_ROOM_IN_DC,
                remembers_since=NOW - 10,
                asking=a_pod(unscheduled_since=NOW - MINUTE),
            ),
            NOW + 14 * MINUTE,
            id="O9: after a restart the wait goes on from the refusal that the API tells of",
        ),
        pytest.param(
            Ask(
                a_policy(DC_2, CLOUD, mode=BY_TIMER),
                room=NO_ROOM_IN_DC,
                remembers_since=NOW - 2 * MINUTE,
                asking=a_pod(unscheduled_since=NOW - MINUTE),
            ),
            NOW + 15 * MINUTE,
            id="O9: a refusal that memory reaches back to is remembered or was another unit's",
        ),
        pytest.param(
            Ask(
                a_policy(DC_2, CLOUD, mode=BY_TIMER),
                room=NO_ROOM_IN_DC,
                remembers_since=NOW - 10,
                asking=a_pod(unscheduled_since=NOW - MINUTE),
                history=refused_at(NOW - 5),
            ),
            NOW + 15 * MINUTE - 5,
            id="O9: what is remembered goes before what the API tells",
        ),
        pytest.param(
            Ask(
                a_policy(DC_2, a_unit("cloud", max=1), mode=BY_TIMER),
                room=("attic-1",),
                remembers_since=NOW - 10,
                asking=a_pod(unscheduled_since=NOW - 16 * MINUTE),
            ),
            NOW + 14 * MINUTE,
            id="O9: the timers of earlier units ran first, one after the other",
        ),
    ],
)
def test_a_wait_ends_when_its_timer_says(ask: Ask, retry_at: float) -> None:
    decision = ask.decision
    assert (decision.unit, decision.retry_at) == (None, retry_at)
