"""What the server remembers of its decisions, how much of it, and what GET /decisions answers."""

from urllib.parse import urlencode

import pytest

from extender.decision_codec import decode_explanations
from extender.decision_log import DecisionLog
from policy.api.objects import Pod
from policy.explain.types import Explanation
from policy.scheduling.decision_record import Verb, record_filter
from policy.scheduling.filter import decide
from tests.builders import NOW, a_pod, a_policy, a_snapshot, a_unit
from tests.integration.server import Answer, Site
from tests.unit.extender.fixtures import BOTH, CAPPED, CLOUD, DC, World, bound, standard

WAITING_ROOM = a_policy(a_unit("dc", max=1), a_unit("cloud", max=0))


def told(world: World, name: str) -> list[tuple[int | None, int]]:
    """Of the pod's decisions, the newest first: its unit, and how often in a row."""
    return [(one.unit, one.times) for one in world.extender.decisions("default", name)]


def get(site: Site, **query: str) -> Answer:
    return site.request("GET", "/decisions", query=urlencode(query))


# The ring.


def kept(decisions: DecisionLog, pod: Pod, *, room: bool = True, now: float = NOW) -> None:
    view = a_snapshot(CAPPED, nodes=[DC, CLOUD])
    candidates = BOTH if room else ("cloud-1",)
    decision = decide(pod, candidates, CAPPED, view, now)
    decisions.keep(record_filter(pod, len(candidates), CAPPED, decision, view, now))


def about(decisions: DecisionLog, name: str) -> list[Explanation]:
    return decisions.about("default", name)


def test_decisions_in_a_row_that_say_the_same_are_one_with_their_number() -> None:
    decisions = DecisionLog(NOW)
    for second in range(100):
        kept(decisions, a_pod("a"), now=NOW + second)
    kept(decisions, a_pod("a"), room=False, now=NOW + 100)
    newest, older = about(decisions, "a")
    assert (newest.unit, newest.times, newest.since, newest.at) == (1, 1, NOW + 100, NOW + 100)
    assert (older.unit, older.times, older.since, older.at) == (0, 100, NOW, NOW + 99)


def test_of_one_pod_the_oldest_decision_goes_first() -> None:
    decisions = DecisionLog(NOW)
    for second in range(100):
        kept(decisions, a_pod("a"), room=bool(second % 2), now=NOW + second)
    assert [one.at - NOW for one in about(decisions, "a")] == [99, 98, 97, 96]


def test_the_pod_that_was_not_asked_about_for_longest_goes_first() -> None:
    decisions = DecisionLog(NOW, pods=2)
    for name in ("a", "b", "a", "c"):
        kept(decisions, a_pod(name))
    assert [bool(about(decisions, name)) for name in ("a", "b", "c")] == [True, False, True]


def test_a_pod_is_found_by_namespace_and_name_and_the_last_of_a_name_is_meant() -> None:
    decisions = DecisionLog(NOW)
    first, second = a_pod("a"), Pod("another uid", "default", "a", NOW)
    for pod in (first, second):
        kept(decisions, pod)
    assert [one.uid for one in about(decisions, "a")] == ["another uid"]
    assert decisions.about("other", "a") == []


# What is taken down.


def test_filter_is_taken_down_with_the_numbers_of_that_moment() -> None:
    """The slot that the decision itself takes is not among them, nor what comes later."""
    world = standard()
    world.decide(a_pod("a"))
    world.decide(a_pod("b"))
    world.publish(bound("a", "dc-1"), bound("c", "cloud-1"))
    (a,), (b,) = (world.extender.decisions("default", name) for name in ("a", "b"))
    assert [unit.pods for unit in a.units] == [0, None]
    assert [unit.pods for unit in b.units] == [1, 0]
    assert (b.asked, b.kept, b.unit) == (2, 1, 1)


def test_a_pod_that_goes_another_way_when_it_is_asked_about_again_has_both() -> None:
    world = standard(policy=WAITING_ROOM)
    world.publish(bound("there", "dc-1"))
    world.decide(a_pod("a"))
    world.decide(a_pod("a"))
    world.tell_gone(bound("there", "dc-1"))
    world.decide(a_pod("a"))
    assert told(world, "a") == [(0, 1), (None, 2)]


def test_preempt_is_taken_down_too() -> None:
    world = standard(bound("victim", "dc-1"))
    world.extender.preempt(a_pod("a", priority=1), {"dc-1": ["victim"]})
    (one,) = world.extender.decisions("default", "a")
    assert (one.verb, one.unit, one.kept) == (Verb.PREEMPT, 0, 1)


def test_a_placed_pod_keeps_its_decision() -> None:
    world = standard()
    world.decide(a_pod("a"))
    world.publish(bound("a", "dc-1"))
    assert told(world, "a") == [(0, 1)]


def test_a_pod_without_policy_and_one_that_could_not_be_answered_leave_nothing() -> None:
    """M5, E11."""
    world = World(DC, a_policy(namespace="other"), CAPPED.model_copy(update={"selector": {"app": "x"}}))
    assert world.extender.filter(a_pod("a"), BOTH) is None
    with pytest.raises(LookupError, match="no decision about pod default/a is kept"):
        world.extender.decisions("default", "a")


# The endpoint.


def test_the_decisions_about_a_pod_are_answered_as_they_are_read() -> None:
    site = Site()
    site.world.decide(a_pod("a"))
    answer = get(site, namespace="default", pod="a")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert decode_explanations(answer.body) == site.world.extender.decisions("default", "a")
    (one,) = answer.json
    assert (one["verb"], one["policy"], one["unit"], one["units"][0]["state"]) == (
        "filter",
        "default/policy",
        0,
        "used",
    )


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        pytest.param(
            {"namespace": "default", "pod": "b"},
            404,
            "since 1970-01-01 02:46:40 UTC, when this server started",
            id="a pod that nothing is known of",
        ),
        pytest.param({"pod": "a"}, 400, "/decisions?namespace=NAMESPACE&pod=NAME", id="no namespace"),
        pytest.param({"namespace": "default"}, 400, "name a pod", id="no name"),
        pytest.param({}, 400, "name a pod", id="nothing"),
    ],
)
def test_what_cannot_be_told_is_said_in_a_sentence(query: dict[str, str], status: int, said: str) -> None:
    answer = get(Site(), **query)
    assert answer.status == status
    assert said in answer.json["Error"]


def test_it_can_only_be_read() -> None:
    site = Site()
    assert [site.request(m, "/decisions").status for m in ("POST", "PUT", "PATCH", "DELETE")] == [405] * 4
