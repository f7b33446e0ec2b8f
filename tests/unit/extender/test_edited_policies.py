"""The policy changes while pods are on their way (M4, M6, L4): slots go where their pods may go."""

import pytest

from policy.api.options import OnConflict
from policy.api.resourcepolicy import RejectedPolicy, ResourcePolicy
from policy.scheduling.refusals import Reason
from tests.builders import a_pod, a_policy, a_unit
from tests.unit.extender.fixtures import ANYWHERE, CAPPED, CLOUD, DC, DC_1, Outcome, World, bound, standard


@pytest.mark.parametrize(
    ("edited", "held"),
    [
        pytest.param(a_policy(ANYWHERE, DC_1), {"a": 1}, id="units reordered: the slot follows its unit"),
        pytest.param(a_policy(a_unit("new"), DC_1, ANYWHERE), {"a": 1}, id="a unit put before it"),
        pytest.param(a_policy(a_unit("dc", max=5), ANYWHERE), {"a": 0}, id="its cap raised"),
        pytest.param(a_policy(a_unit("dc", max=0), ANYWHERE), {"a": 0}, id="its cap lowered below it"),
        pytest.param(a_policy(DC_1, ANYWHERE, selector={"app": "x"}), {}, id="the pod no longer selected"),
        pytest.param(a_policy(ANYWHERE), {"a": 0}, id="its unit removed: its place is the safe guess"),
        pytest.param(
            a_policy(a_unit("dc", max=1, pod_labels={"app": "a"}), ANYWHERE),
            {"a": 0},
            id="its unit rewritten",
        ),
        pytest.param(
            a_policy(DC_1, ANYWHERE, match_label_keys=("team",)),
            {},
            id="counted by a label that the pod lacks",
        ),
    ],
)
def test_a_slot_held_under_the_former_text(edited: ResourcePolicy, held: dict[str, int]) -> None:
    world = standard(a_pod("a"))
    world.ask(a_pod("a"))
    world.publish(edited)
    assert world.held == held
    for unit in range(len(edited.units)):
        assert world.used(edited, unit) == list(held.values()).count(unit)


def test_a_slot_moves_to_the_group_that_the_new_text_makes() -> None:
    """C2, C7: matchLabelKeys are written while a slot is held."""
    world = standard()
    assert world.ask(a_pod("a", labels={"team": "red"})) == 0
    world.publish(a_policy(DC_1, ANYWHERE, match_label_keys=("team",)))
    assert world.ask(a_pod("b", labels={"team": "red"})) == 1
    assert world.ask(a_pod("c", labels={"team": "blue"})) == 0


def test_a_late_event_does_not_take_the_slot() -> None:
    """E11, C7: the pod changed its labels; the scheduler knew first, the watch still shows it as it was."""
    old, new = a_pod("a", labels={"v": "1"}), a_pod("a", labels={"v": "2"})
    one = a_policy(DC_1, ANYWHERE, name="one", selector={"v": "1"})
    two = a_policy(DC_1, ANYWHERE, name="two", selector={"v": "2"})
    world = World(DC, CLOUD, one, two, old)
    assert world.ask(new) == 0
    world.publish(old, new)
    assert world.ask(a_pod("b", labels={"v": "2"})) == 1
    assert world.ask(a_pod("c", labels={"v": "1"})) == 0


def test_a_bound_pod_follows_its_unit_when_units_are_reordered() -> None:
    """L4: it is counted where it was placed, not where its node now comes first."""
    before = a_policy(a_unit("dc", max=1), a_unit("dc", max=5, pod_labels={"second": "yes"}))
    after = a_policy(*reversed(before.units))
    world = standard(policy=before)
    world.ask(a_pod("a"))
    world.publish(bound("a", "dc-1"), after)
    assert [world.used(after, unit) for unit in (0, 1)] == [0, 1]


def test_a_rejected_edit_leaves_the_last_valid_text_in_force() -> None:
    """M6."""
    world = standard()
    world.ask(a_pod("a"))
    world.publish(RejectedPolicy(CAPPED.key, 2, ("spec.units: is empty",)))
    assert world.ask(a_pod("b")) == 1
    assert world.held == {"a": 0, "b": 1}
    assert [rejected.generation for rejected in world.cache.policies.rejected()] == [2]
    world.publish(CAPPED)
    assert not world.cache.policies.rejected()


def test_a_rejected_policy_that_was_made_again_leaves_nothing_of_the_former_in_force() -> None:
    """M6: an edit leaves the last valid text; that it was another object only a list may tell."""
    world = standard(policy=CAPPED.model_copy(update={"uid": "former"}))
    for uid, outcome in (("former", 0), ("later", "untouched")):
        with world.cache.lock:
            world.cache.replace_policies([RejectedPolicy(CAPPED.key, 2, ("spec.units: is empty",), uid)])
        assert world.ask(a_pod("a")) == outcome


def test_a_rejected_new_policy_governs_nothing() -> None:
    """M6."""
    world = World(DC)
    world.publish(RejectedPolicy("default/policy", 1, ("spec.units: is empty",)))
    assert world.ask(a_pod("a")) == "untouched"


def test_a_deleted_policy_leaves_no_slot_behind_for_a_pod_that_is_asked_about_again() -> None:
    world = standard()
    world.ask(a_pod("a"))
    world.tell_gone(CAPPED)
    assert world.held == {}
    assert world.ask(a_pod("a")) == "untouched"
    world.publish(CAPPED)
    assert world.ask(a_pod("b")) == 0


def test_an_older_policy_takes_over() -> None:
    """M4: pods and slots are the winner's business from now on."""
    world = standard(bound("a", "dc-1"), a_pod("b"))
    world.ask(a_pod("b"), ["cloud-1"])
    older = a_policy(DC_1, ANYWHERE, name="older", created=1.0)
    world.publish(older)
    assert world.held == {"b": 1}
    assert [world.used(CAPPED, unit) for unit in (0, 1)] == [0, 0]
    assert world.used(older, 0) == 1
    world.tell_gone(older)
    assert world.used(CAPPED, 0) == 1


@pytest.mark.parametrize(
    ("on_conflict", "expected"),
    [(OnConflict.OLDEST, 0), (OnConflict.REJECT, Reason.CONFLICT)],
    ids=["the oldest governs", "the pod is refused"],
)
def test_two_policies_for_one_pod(on_conflict: OnConflict, expected: Outcome) -> None:
    """M4."""
    younger = a_policy(ANYWHERE, name="younger", created=1500.0)
    world = World(DC, CLOUD, CAPPED, younger, on_conflict=on_conflict)
    assert world.ask(a_pod("a")) == expected
    assert world.held == ({"a": 0} if expected == 0 else {})


def test_a_conflict_that_arises_frees_the_slot_with_the_next_call() -> None:
    world = World(DC, CLOUD, CAPPED, on_conflict=OnConflict.REJECT)
    world.ask(a_pod("a"))
    world.publish(a_policy(ANYWHERE, name="younger", created=1500.0))
    assert world.ask(a_pod("a")) == Reason.CONFLICT
    assert world.held == {}
