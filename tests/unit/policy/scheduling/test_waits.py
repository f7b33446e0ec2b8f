"""A wait from its first refusal to its end, over attempts and restarts: rules O5 and O9.

Each step is one filter call with what the calls before it left; a restart leaves only what the API tells.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.api.resourcepolicy import NextUnits, ResourcePolicy
from policy.scheduling.filter import FilterDecision
from policy.scheduling.pod_history import NO_HISTORY, PodHistory
from tests.builders import NOW, a_pod, a_policy, a_unit
from tests.unit.policy.cases import CLOUD, DC_2, NO_ROOM_IN_DC, Ask

TIMEOUT = 900.0
BY_TIMER = a_policy(DC_2, CLOUD, mode=NextUnits.TIMEOUT_OR_EXCEED_MAX)
TWO_WAITS = a_policy(DC_2, a_unit("gone", max=1), CLOUD, mode=NextUnits.TIMEOUT_OR_EXCEED_MAX)


class Waiting:
    """A pod with no room in the first unit, and the memory of the extender that is asked about it."""

    def __init__(self, policy: ResourcePolicy) -> None:
        self.policy = policy
        self.history: PodHistory = NO_HISTORY
        self.first_refusal: float | None = None
        self.remembers_since = 0.0

    def restart(self, now: float) -> None:
        self.history, self.remembers_since = NO_HISTORY, now

    def attempt(self, now: float) -> FilterDecision:
        decision = Ask(
            self.policy,
            asking=a_pod(unscheduled_since=self.first_refusal),
            room=NO_ROOM_IN_DC,
            history=self.history,
            remembers_since=self.remembers_since,
            now=now,
        ).decision
        self.history = self.history.after(decision.waits, decision.waits_since)
        if decision.unit is None and self.first_refusal is None:
            self.first_refusal = now
        return decision


@pytest.mark.parametrize(
    ("policy", "attempts", "restarts", "expected"),
    [
        pytest.param(
            BY_TIMER, [0, 899], [], [None, None], id="O5: the wait is not over a second before its end"
        ),
        pytest.param(BY_TIMER, [0, 900], [], [None, 1], id="O5: it is over at its end"),
        pytest.param(BY_TIMER, [0, 300, 600, 900], [], [None] * 3 + [1], id="O5: attempts do not prolong it"),
        pytest.param(
            TWO_WAITS, [0, 900, 1799, 1800], [], [None] * 3 + [2], id="O5: the next unit's wait follows"
        ),
        pytest.param(BY_TIMER, [0, 600, 900], [500], [None, None, 1], id="O9: a restart does not prolong it"),
        pytest.param(
            BY_TIMER, [0, 600, 700, 900], [500], [None] * 3 + [1], id="O9: nor do attempts after it"
        ),
        pytest.param(
            BY_TIMER, [0, 300, 600, 900], [200, 500, 800], [None] * 3 + [1], id="O9: nor do several"
        ),
        pytest.param(BY_TIMER, [0, 950], [500], [None, 1], id="O9: it may end while nobody looks"),
        pytest.param(
            TWO_WAITS, [0, 1000, 1799, 1800], [950], [None] * 3 + [2], id="O9: in the second unit, too"
        ),
    ],
)
def test_a_wait_ends_when_it_should(
    policy: ResourcePolicy, attempts: list[int], restarts: list[int], expected: list[int | None]
) -> None:
    waiting = Waiting(policy)
    units = []
    for then, now in zip([0, *attempts], attempts, strict=False):
        for restart in restarts:
            if then < restart <= now:
                waiting.restart(NOW + restart)
        units.append(waiting.attempt(NOW + now).unit)
    assert units == expected


@given(st.lists(st.tuples(st.integers(1, 400), st.booleans()), min_size=1, max_size=12))
def test_neither_attempts_nor_restarts_move_the_end_of_a_wait(steps: list[tuple[int, bool]]) -> None:
    waiting, now = Waiting(BY_TIMER), NOW
    for pause, restarts in steps:
        now += pause
        if restarts:
            waiting.restart(now)
        decision = waiting.attempt(now)
        start = now if waiting.first_refusal is None else waiting.first_refusal
        assert (decision.unit == 1) is (now - start >= TIMEOUT)
        if decision.unit is None:
            assert decision.retry_at == start + TIMEOUT
