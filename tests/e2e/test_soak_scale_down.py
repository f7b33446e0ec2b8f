"""What the scale-in campaign concludes, as tables, and two rounds of it on real parts."""

from datetime import UTC, datetime

import pytest

from dev.soak.scale_down.checks import Cause, Choice, Looked
from dev.soak.scale_down.kcm_log import choices
from dev.soak.scale_down.report import report
from dev.soak.scale_down.runner import Outcome, played

DC = Looked("dc", 0, ready=True, cost=0, bound_for=9.0, ready_for=8.0)
NEAR = Looked("near", 1, ready=True, cost=-100, bound_for=9.0, ready_for=8.5, written_for=8.0)
FAR = Looked("far", 2, ready=True, cost=-200, bound_for=9.0, ready_for=8.5, written_for=8.0)
WAITS = Looked("waits", None, ready=False, cost=0)


def a_choice(went: list[Looked], stayed: list[Looked]) -> Choice:
    return Choice(1.0, "rs", tuple(went), tuple(stayed))


@pytest.mark.parametrize(
    ("went", "stayed"),
    [
        pytest.param([FAR], [DC, NEAR], id="the last unit first"),
        pytest.param([FAR, NEAR], [DC, NEAR], id="then the one before"),
        pytest.param([WAITS], [DC, FAR], id="before all, what is on no node"),
        pytest.param([DC], [], id="everything"),
    ],
)
def test_in_order(went: list[Looked], stayed: list[Looked]) -> None:
    assert list(a_choice(went, stayed).exceptions()) == []


@pytest.mark.parametrize(
    ("went", "stayed", "cause"),
    [
        pytest.param(
            Looked("dc", 0, ready=False, cost=0), FAR, Cause.NOT_READY, id="a pod that is not ready"
        ),
        pytest.param(
            DC,
            Looked("far", 2, ready=True, cost=0, bound_for=0.1),
            Cause.UNWRITTEN,
            id="a cost that is missing",
        ),
        pytest.param(
            DC, Looked("far", 2, ready=True, cost=-100, written_for=5), Cause.UNWRITTEN, id="a cost of before"
        ),
        pytest.param(
            DC,
            Looked("far", 2, ready=True, cost=-200, bound_for=0.2, written_for=0.05),
            Cause.JUST_WRITTEN,
            id="a cost that the controller may not have seen",
        ),
        pytest.param(
            Looked("dc", 0, ready=True, cost=0, bound_for=0.2, ready_for=0.1),
            FAR,
            Cause.JUST_READY,
            id="a pod that may not have been ready to the controller",
        ),
        pytest.param(
            Looked("dc", 0, ready=False, cost=0),
            Looked("far", 2, ready=False, cost=0),
            Cause.UNWRITTEN,
            id="a cost that is missing, and neither is ready",
        ),
        pytest.param(
            Looked("dc", 0, ready=False, cost=0),
            Looked("far", 2, ready=False, cost=-200, written_for=2.0),
            Cause.UNKNOWN,
            id="none of these, and neither is ready",
        ),
        pytest.param(DC, FAR, Cause.UNKNOWN, id="none of these"),
        pytest.param(DC, WAITS, Cause.UNKNOWN, id="a pod on no node that stays"),
        pytest.param(
            DC,
            Looked("far", None, ready=False, cost=0, bound_for=-0.05),
            Cause.JUST_BOUND,
            id="a pod that the controller may have seen on a node",
        ),
        pytest.param(
            DC,
            Looked("far", 2, ready=False, cost=0, bound_for=0.05, ready_for=-0.05),
            Cause.UNWRITTEN,
            id="a cost that is missing, of a pod that the controller may have seen ready",
        ),
        pytest.param(
            DC, Looked("far", 2, ready=False, cost=-200), Cause.UNKNOWN, id="a pod that is not ready stays"
        ),
    ],
)
def test_a_pod_that_goes_too_early_has_a_cause(went: Looked, stayed: Looked, cause: Cause) -> None:
    (exception,) = a_choice([went], [DC, stayed]).exceptions()
    assert (exception.went, exception.stayed, exception.cause) == (went, stayed, cause)


def test_a_cause_explains_no_other_pod_that_stayed() -> None:
    unwritten = Looked("new", 2, ready=True, cost=0)
    (exception,) = a_choice([DC], [unwritten, FAR, unwritten]).exceptions()
    assert (exception.stayed, exception.cause) == (FAR, Cause.UNKNOWN)


def test_a_choice_within_one_unit_cannot_err() -> None:
    assert not a_choice([FAR], [FAR]).could_err
    assert a_choice([FAR], [DC]).could_err


LOG = """\
I1125 19:04:12.571079 10074 replica_set.go:704] "Too many replicas" replicaSet="d/a-85f" need=1 deleting=2
I1125 19:04:12.571110 10074 replica_set.go:326] "Found related ReplicaSets" replicaSet="d/a-85f"
I1125 19:04:12.571180 10074 controller_utils.go:625] "Deleting pod" controller="a-85f" pod="d/a-85f-x"
I1125 19:04:12.571200 10074 replica_set.go:704] "Too many replicas" replicaSet="d/b-1" need=1 deleting=1
I1125 19:04:12.571340 10074 controller_utils.go:625] "Deleting pod" controller="a-85f" pod="d/a-85f-y"
I1125 19:04:12.571404 10074 controller_utils.go:625] "Deleting pod" controller="b-1" pod="d/b-1-z"
I1125 19:04:14.000000 10074 replica_set.go:704] "Too many replicas" replicaSet="d/a-85f" need=0 deleting=1
I1125 19:04:14.000100 10074 controller_utils.go:625] "Deleting pod" controller="a-85f" pod="d/a-85f-z"
I1125 19:04:15.000000 10074 controller_utils.go:625] "Deleting pod" controller="never-seen" pod="d/c"
"""


def test_the_log_tells_each_choice_with_its_moment() -> None:
    found = choices(LOG.splitlines(), datetime(2026, 11, 25, tzinfo=UTC))
    assert [(one.replica_set, one.pods) for one in found] == [
        ("a-85f", ["a-85f-x", "a-85f-y"]),
        ("b-1", ["b-1-z"]),
        ("a-85f", ["a-85f-z"]),
    ]
    assert found[0].at == datetime(2026, 11, 25, 19, 4, 12, 571079, tzinfo=UTC).timestamp()


def test_a_pod_is_told_as_it_looked() -> None:
    assert str(NEAR) == "near of units[1] (bound for 9.00 s, ready for 8.50 s, cost -100 for 8.00 s)"
    assert str(WAITS) == "waits of units[None] (bound for 0.00 s, not ready, no cost)"


def test_the_report_tells_share_and_causes() -> None:
    unwritten = Looked("new", 2, ready=True, cost=0, bound_for=0.25, ready_for=0.125)
    outcome = Outcome(
        (a_choice([FAR], [DC]), a_choice([NEAR], [DC, unwritten]), a_choice([DC], [])), (0.1, 0.2, 0.9)
    )
    assert report("rounds", outcome).splitlines() == [
        "rounds",
        "  scale-ins: 3, of which 2 had more than one unit to choose from",
        "  the last unit's pods went first in 1 of 2 (50.0%)",
        "  pods that went: 1 of units[0], 1 of units[1], 1 of units[2], 0 of no unit yet",
        "  from a pod's binding to its cost: median 0.20 s, worst 0.90 s, 3 pods",
        "  1 pod(s) went too early: the cost of the pod that stayed was not written yet",
        f"    {NEAR} went, {unwritten} stayed",
    ]


@pytest.mark.plane
def test_what_goes_out_of_order_has_a_cause() -> None:
    """L2, on the real HPA and ReplicaSet controller: two rounds of the campaign."""
    outcome = played(2, 0, lambda: None, by_hand=False, ready_after=1.0)
    assert any(choice.could_err for choice in outcome.choices)
    exceptions = [exception for choice in outcome.choices for exception in choice.exceptions()]
    assert [str(one) for one in exceptions if one.cause == Cause.UNKNOWN] == []
