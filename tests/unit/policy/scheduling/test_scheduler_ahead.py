"""Names that are no node yet, and what a filter decision leaves for the next: E1, E3, E6 and E11.

The scheduler can be ahead of our watch; a decision that depends on an unknown name is not to be answered.
"""

import pytest

from policy.api.resourcepolicy import NextUnits, ResourcePolicy
from policy.scheduling.filter import FilterDecision, NodeRefusals, refuse
from policy.scheduling.pod_history import NO_HISTORY, Nomination, PodHistory
from policy.scheduling.refusals import Reason, Refusal
from tests.builders import NOW, a_policy, a_unit
from tests.unit.policy.cases import CAPPED, CLOUD, DC_2, ONE, TWO, Ask


@pytest.mark.parametrize(
    ("ask", "unknown"),
    [
        pytest.param(Ask(), [], id="E11: every name is a node"),
        pytest.param(
            Ask(room=("dc-1", "new-1")),
            [],
            id="E11: an unknown name cannot be better than the first unit with room",
        ),
        pytest.param(
            Ask(room=("cloud-1", "new-1")),
            ["new-1"],
            id="E11: it may lie in a unit that was passed for lack of room",
        ),
        pytest.param(
            Ask(CAPPED, room=("cloud-1", "new-1"), pods=(ONE, TWO)),
            [],
            id="E11: it does not matter to units that were passed at their cap",
        ),
        pytest.param(
            Ask(room=("new-1", "attic-1")), ["new-1"], id="E11: a refusal never stands on an unknown name"
        ),
        pytest.param(
            Ask(a_policy(DC_2, CLOUD, mode=NextUnits.EXCEED_MAX), room=("cloud-1", "new-1")),
            ["new-1"],
            id="E11: nor does a wait for room",
        ),
        pytest.param(
            Ask(room=("attic-1", "gone-1"), departed=("gone-1",)),
            [],
            id="E11: a node that has just gone is known",
        ),
    ],
)
def test_a_name_that_is_no_node_yet_is_not_judged(ask: Ask, unknown: list[str]) -> None:
    assert list(ask.decision.unknown) == unknown


@pytest.mark.parametrize(
    ("ask", "nodes"),
    [
        pytest.param(
            Ask(room=("dc-2", "cloud-1", "dc-1")), ["dc-2", "dc-1"], id="E1: one unit, in the order asked"
        ),
        pytest.param(Ask(room=("attic-1",)), [], id="E3: a refusal keeps no node"),
    ],
)
def test_the_answer_is_part_of_the_question(ask: Ask, nodes: list[str]) -> None:
    decision = ask.decision
    assert list(decision.nodes) == nodes
    assert (decision.refused is None) is bool(nodes)


def test_one_refusal_for_every_node() -> None:
    """M4: what `on_conflict: reject` says."""
    conflict = Refusal(Reason.CONFLICT, CAPPED)
    everywhere = NodeRefusals(["a", "b"], [None, None], {None: conflict})
    assert refuse(["a", "b"], conflict) == FilterDecision(refused=everywhere, waits=conflict)


TIMED, TRIED = PodHistory(refused_since={0: 5.0}), PodHistory(preempted_in_vain=frozenset({1}))
ALONE = PodHistory(nomination_refused=True)


def no(reason: Reason, unit: int = 0) -> Refusal:
    return Refusal(reason, CAPPED, unit)


@pytest.mark.parametrize(
    ("before", "waits", "after"),
    [
        pytest.param(NO_HISTORY, None, NO_HISTORY, id="E6: a pod that waits for nothing leaves nothing"),
        pytest.param(
            NO_HISTORY,
            no(Reason.WAITING_FOR_TIMEOUT),
            PodHistory(refused_since={0: NOW}),
            id="O5: a timer starts",
        ),
        pytest.param(TIMED, no(Reason.WAITING_FOR_TIMEOUT), TIMED, id="O5: a running timer is left alone"),
        pytest.param(
            TIMED,
            no(Reason.WAITING_FOR_TIMEOUT, 1),
            PodHistory(refused_since={0: 5.0, 1: NOW}),
            id="O5: the next unit has its own timer",
        ),
        pytest.param(TIMED, None, TIMED, id="O5: a timer survives an attempt that waits for nothing"),
        pytest.param(
            TIMED, no(Reason.WAITING_FOR_ROOM), TIMED, id="O5: and one that waits for something else"
        ),
        pytest.param(
            TRIED,
            no(Reason.WAITING_FOR_PREEMPTION),
            PodHistory(preempted_in_vain=frozenset({0, 1})),
            id="P1: a unit has had its chance",
        ),
        pytest.param(
            PodHistory(preempted_in_vain=frozenset({1}), withheld_unit=2),
            None,
            TRIED,
            id="P1: nothing is kept from it",
        ),
        pytest.param(
            NO_HISTORY, no(Reason.EARLIER_UNIT_FIRST), ALONE, id="O1: the nominated node was refused alone"
        ),
        pytest.param(ALONE, None, NO_HISTORY, id="O1: the full list came after it"),
        pytest.param(ALONE, no(Reason.WAITING_FOR_ROOM), NO_HISTORY, id="O1: whatever it led to"),
    ],
)
def test_what_a_decision_leaves_for_the_next(
    before: PodHistory, waits: Refusal | None, after: PodHistory
) -> None:
    assert before.after(waits, NOW) == after


SEEN = PodHistory(
    refused_since={0: 5.0, 1: 6.0},
    preempted_in_vain=frozenset({0, 1}),
    withheld_unit=1,
    nomination=Nomination(1, frozenset({"cloud-1"}), NOW),
)


@pytest.mark.parametrize(
    ("policy", "after"),
    [
        pytest.param(
            a_policy(CLOUD, a_unit("attic"), a_unit("dc", max=9)),
            PodHistory(
                refused_since={2: 5.0, 0: 6.0},
                preempted_in_vain=frozenset({0, 2}),
                withheld_unit=0,
                nomination=Nomination(0, frozenset({"cloud-1"}), NOW),
            ),
            id="L4: timers and tries go with their units",
        ),
        pytest.param(
            a_policy(a_unit("attic")),
            PodHistory(nomination=Nomination(None, frozenset({"cloud-1"}), NOW)),
            id="L4: and end with them, but victims leave all the same",
        ),
    ],
)
def test_what_is_left_for_the_next_decision_when_the_policy_was_edited(
    policy: ResourcePolicy, after: PodHistory
) -> None:
    assert SEEN.carried_over(CAPPED, policy) == after


@pytest.mark.parametrize(
    ("nominated", "age", "expected"),
    [
        pytest.param("dc-1", 1e9, True, id="E7: the nomination holds it, however old"),
        pytest.param("", 9.9, True, id="E7: the nomination may be on its way"),
        pytest.param("", 10.0, False, id="E7: it never came"),
        pytest.param("cloud-1", 10.0, False, id="E7: it went elsewhere"),
    ],
)
def test_an_answer_to_preempt_is_a_commitment(nominated: str, age: float, *, expected: bool) -> None:
    assert Nomination(0, frozenset({"dc-1"}), NOW - age).is_live(nominated, NOW) is expected


def test_of_another_policy_nothing_is_left_but_that_victims_leave() -> None:
    """L4, E7."""
    assert SEEN.under_another_policy() == PodHistory(nomination=Nomination(None, frozenset({"cloud-1"}), NOW))


@pytest.mark.parametrize(
    ("policy", "unit"),
    [
        pytest.param(a_policy(CLOUD, DC_2), 1, id="E7: a promise goes with its unit"),
        pytest.param(a_policy(CLOUD), None, id="E7: it ends with it"),
        pytest.param(
            a_policy(a_unit("dc", max=1), CLOUD), None, id="E7: a cap may close the unit to the pod"
        ),
        pytest.param(
            a_policy(a_unit("dc", max=2, max_resources={"cpu": "1"}), CLOUD), None, id="E7: of either kind"
        ),
        pytest.param(a_policy(DC_2, CLOUD, match_label_keys=["rev"]), None, id="E7: or to its group"),
    ],
)
def test_what_a_promise_means_once_the_policy_is_edited(policy: ResourcePolicy, unit: int | None) -> None:
    promised = PodHistory(nomination=Nomination(0, frozenset({"dc-1"}), NOW))
    edited = promised.carried_over(CAPPED, policy)
    assert edited.nomination == Nomination(unit, frozenset({"dc-1"}), NOW)
