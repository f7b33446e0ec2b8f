"""Caps per group, and that they hold: rules C2 and C7 to C9, as far as `policy/` decides them."""

import pytest

from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.refusals import Reason
from tests.builders import a_pod, a_policy, a_reservation, a_unit, recorded_in
from tests.unit.policy.cases import CAPPED, CLOUD, DC_2, GPU, ONE, THREE, TWO, Ask, Outcome, outcome

by_rev = a_policy(DC_2, CLOUD, match_label_keys=["rev"])
by_two = a_policy(a_unit("dc", max=1), CLOUD, match_label_keys=["rev", "zone"])


def grouped(name: str, rev: str, zone: str = "") -> Pod:
    return a_pod(name, on="dc-1", labels={"rev": rev, "zone": zone} if zone else {"rev": rev})


REV_1 = a_pod(labels={"rev": "1"})


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param(
            Ask(by_rev, asking=REV_1, pods=[grouped("a", "1"), grouped("b", "1")]),
            1,
            id="C2: the group is full",
        ),
        pytest.param(
            Ask(by_rev, asking=REV_1, pods=[grouped("a", "1"), grouped("b", "2")]),
            0,
            id="C2: another group is apart",
        ),
        pytest.param(
            Ask(by_rev, asking=REV_1, pods=[ONE, TWO, THREE]),
            0,
            id="C2: bound pods without the key are in no group",
        ),
        pytest.param(Ask(by_rev), Reason.LABEL_MISSING, id="C2: a pod that lacks the key is refused"),
        pytest.param(
            Ask(by_two, asking=REV_1),
            Reason.LABEL_MISSING,
            id="C2: a pod that lacks one of several keys is refused",
        ),
        pytest.param(
            Ask(by_two, asking=a_pod(labels={"rev": "a", "zone": "bc"}), pods=[grouped("p", "ab", "c")]),
            0,
            id="C2: (a, bc) and (ab, c) are two groups",
        ),
        pytest.param(
            Ask(by_two, asking=a_pod(labels={"rev": "a", "zone": "b"}), pods=[grouped("p", "a", "b")]),
            1,
            id="C2: all values the same is one group",
        ),
        pytest.param(
            Ask(
                a_policy(a_unit("dc", max_resources={GPU: "1"}), CLOUD, match_label_keys=["rev"]),
                asking=a_pod(labels={"rev": "1"}, requests={GPU: "1"}),
                pods=[a_pod("p", on="dc-1", labels={"rev": "2"}, requests={GPU: "1"})],
            ),
            0,
            id="C2: maxResources is per group too",
        ),
        pytest.param(
            Ask(by_rev, asking=a_pod(labels={"rev": ""})),
            0,
            id="C2: an empty value is a group, not a missing key",
        ),
        pytest.param(
            Ask(CAPPED, pods=[ONE], reservations=[a_reservation(a_pod("burst"), CAPPED)]),
            1,
            id="C7: in a burst the assumed pods fill the unit",
        ),
        pytest.param(
            Ask(CAPPED, pods=[a_pod(f"p{i}", on="dc-1", terminating=True) for i in range(3)]),
            0,
            id="C7: terminating pods may be above max for a moment, by C3",
        ),
        pytest.param(
            Ask(
                CAPPED, pods=[a_pod(f"p{i}", on="gone", annotations=recorded_in(CAPPED, 0)) for i in range(2)]
            ),
            1,
            id="C7: recorded pods count where they were placed, their node known or not",
        ),
        pytest.param(
            Ask(CAPPED, pods=[ONE, TWO, THREE]), 1, id="C8: over max refuses newcomers and evicts nobody"
        ),
    ],
)
def test_a_cap_is_kept(ask: Ask, expected: Outcome) -> None:
    assert outcome(ask.decision) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({}, (True, False), id="C9: nothing stored, the defaults of today"),
        pytest.param({"ignoreTerminatingPod": False}, (False, False), id="C9: what is stored stays"),
        pytest.param({"ignorePreviousPod": True}, (True, True), id="C9: whatever the default"),
    ],
)
def test_stored_defaults_are_left_alone(spec: dict[str, object], expected: tuple[bool, bool]) -> None:
    manifest = {"metadata": {"name": "p"}, "spec": {"units": [{}], **spec}}
    policy = ResourcePolicy.from_manifest(manifest)
    assert (policy.ignore_terminating_pod, policy.ignore_previous_pod) == expected
