"""Who counts towards a cap: rules C1 and C3 to C6.

A row puts pods beside a policy and says how many of them count in its first unit.
"""

import pytest

from policy.api.objects import Phase, Pod
from policy.api.resourcepolicy import WAIT_LABEL, ResourcePolicy
from policy.scheduling.snapshot import Reservation
from tests.builders import (
    LATER,
    POLICY_CREATED,
    a_pod,
    a_policy,
    a_reservation,
    a_snapshot,
    a_unit,
    amounts,
    recorded_in,
)
from tests.unit.policy.cases import CAPPED, CLOUD, DC_2, GPU, NODES, ONE, TWO

BEFORE = POLICY_CREATED - 1
WEB = {"app": "web"}
all_live = a_policy(DC_2, CLOUD, ignore_terminating_pod=False)
only_new = a_policy(DC_2, CLOUD, ignore_previous_pod=True)
labelled = a_policy(a_unit("dc", max=2, pod_labels=WEB), CLOUD)
annotated = a_policy(a_unit("dc", max=2, pod_annotations=WEB), CLOUD)
waiting = a_policy(a_unit("dc", max=2, pod_labels={WAIT_LABEL: "true"}), CLOUD)
ELDERS = {"team": "elder"}
elder = a_policy(name="elder", created=POLICY_CREATED - 500, selector=ELDERS)


@pytest.mark.parametrize(
    ("policy", "pods", "counted"),
    [
        pytest.param(CAPPED, [ONE, TWO], 2, id="C1: pods on the unit's nodes"),
        pytest.param(CAPPED, [a_pod("p", on="cloud-1")], 0, id="C1: not those in another unit"),
        pytest.param(CAPPED, [a_pod("p", on="attic-1")], 0, id="C1: nor those outside every unit"),
        pytest.param(CAPPED, [a_pod("p")], 0, id="C1: nor those that wait for a node"),
        pytest.param(CAPPED, [a_pod("p", on="dc-1", namespace="other")], 0, id="C1: nor those not governed"),
        pytest.param(
            a_policy(DC_2, CLOUD, selector=WEB), [a_pod("p", on="dc-1")], 0, id="C1: nor those not selected"
        ),
        pytest.param(
            CAPPED,
            [a_pod("p", on="dc-1", labels=ELDERS), ONE],
            1,
            id="C1: nor those that another policy governs",
        ),
        pytest.param(
            all_live, [a_pod("p", on="dc-1", terminating=True)], 1, id="C3: terminating pods where told"
        ),
        pytest.param(
            CAPPED, [a_pod("p", on="dc-1", terminating=True)], 0, id="C3: not terminating, by default"
        ),
        pytest.param(
            CAPPED,
            [a_pod("p", on="dc-1", terminating=True, annotations=recorded_in(CAPPED, 0))],
            0,
            id="C3: not terminating, recorded or not",
        ),
        pytest.param(
            CAPPED,
            [a_pod("p", on="dc-1", created=BEFORE)],
            1,
            id="C4: pods from before the policy, by default",
        ),
        pytest.param(
            only_new,
            [a_pod("p", on="dc-1", created=BEFORE, bound_at=BEFORE)],
            0,
            id="C4: not pods scheduled before the policy, where told",
        ),
        pytest.param(
            only_new,
            [a_pod("p", on="dc-1", created=BEFORE)],
            0,
            id="C4: creation stands in for a binding without a time",
        ),
        pytest.param(
            only_new,
            [a_pod("p", on="dc-1", created=BEFORE, bound_at=LATER)],
            1,
            id="C4: it is the binding that counts, not the pod's creation",
        ),
        pytest.param(
            only_new,
            [a_pod("p", on="dc-1", bound_at=POLICY_CREATED)],
            1,
            id="C4: the policy's second is not before",
        ),
        pytest.param(CAPPED, [a_pod("p", on="dc-1", phase=Phase.SUCCEEDED)], 0, id="C5: not Succeeded"),
        pytest.param(CAPPED, [a_pod("p", on="dc-1", phase=Phase.FAILED)], 0, id="C5: not Failed"),
        pytest.param(CAPPED, [a_pod("p", on="dc-1", phase=Phase.RUNNING)], 1, id="C5: Running"),
        pytest.param(
            CAPPED, [a_pod("p", on="dc-1", phase=Phase.UNKNOWN)], 1, id="C5: Unknown, it may be alive"
        ),
        pytest.param(
            CAPPED,
            [a_pod("p", on="dc-1", phase=Phase.FAILED, annotations=recorded_in(CAPPED, 0))],
            0,
            id="C5: not Failed, recorded or not",
        ),
        pytest.param(labelled, [a_pod("p", on="dc-1", labels=WEB)], 1, id="C6: pods that carry podLabels"),
        pytest.param(
            labelled,
            [a_pod("p", on="dc-1", labels=WEB, bound_at=BEFORE)],
            1,
            id="C6: even from before the policy",
        ),
        pytest.param(
            labelled, [a_pod("p", on="dc-1", bound_at=BEFORE)], 0, id="C6: not those from before that do not"
        ),
        pytest.param(labelled, [ONE], 1, id="C6: a later one may be ours, its labels late"),
        pytest.param(
            annotated,
            [a_pod("p", on="dc-1", labels=WEB, bound_at=BEFORE)],
            0,
            id="C6: podAnnotations are no labels",
        ),
        pytest.param(
            annotated,
            [a_pod("p", on="dc-1", annotations=WEB, bound_at=BEFORE)],
            1,
            id="C6: podAnnotations alike",
        ),
        pytest.param(
            labelled,
            [a_pod("p", on="dc-1", bound_at=BEFORE, annotations=recorded_in(labelled, 0))],
            1,
            id="C6: a recorded pod counts before its labels are written",
        ),
        pytest.param(
            waiting, [a_pod("p", on="dc-1", bound_at=BEFORE)], 1, id="C6: the wait label is never needed"
        ),
    ],
)
def test_pods_count(policy: ResourcePolicy, pods: list[Pod], counted: int) -> None:
    snapshot = a_snapshot(policy, elder, nodes=NODES, pods=pods)
    assert snapshot.usage(policy, 0, ()).pods == counted


@pytest.mark.parametrize(
    ("pods", "reservations", "counted"),
    [
        pytest.param([], [a_reservation(a_pod("p"), CAPPED)], 1, id="C1: assumed pods count"),
        pytest.param(
            [a_pod("p")], [a_reservation(a_pod("p"), CAPPED)], 1, id="C1: assumed and pending is one pod"
        ),
        pytest.param([ONE], [a_reservation(a_pod("one"), CAPPED)], 1, id="C1: assumed and bound is one pod"),
        pytest.param(
            [a_pod("p", on="cloud-1")],
            [a_reservation(a_pod("p"), CAPPED)],
            0,
            id="C1: the binding goes before",
        ),
        pytest.param(
            [a_pod("p", on="dc-1", phase=Phase.FAILED)],
            [a_reservation(a_pod("p"), CAPPED)],
            0,
            id="C5: an assumed pod that has ended",
        ),
        pytest.param(
            [],
            [a_reservation(a_pod("p"), a_policy(name="other"))],
            0,
            id="C1: not those assumed for another policy",
        ),
        pytest.param(
            [], [a_reservation(a_pod("p"), CAPPED, 1)], 0, id="C1: nor those assumed in another unit"
        ),
    ],
)
def test_assumed_pods_count_once(pods: list[Pod], reservations: list[Reservation], counted: int) -> None:
    snapshot = a_snapshot(CAPPED, nodes=NODES, pods=pods, reservations=reservations)
    assert snapshot.usage(CAPPED, 0, ()).pods == counted


@pytest.mark.parametrize(
    ("pods", "excluding", "used"),
    [
        pytest.param(
            [
                a_pod("a", on="dc-1", requests={GPU: "2"}),
                a_pod("b", on="dc-1", requests={GPU: "1", "cpu": "1"}),
            ],
            "",
            {GPU: "3", "cpu": "1"},
            id="C1: requests are summed",
        ),
        pytest.param(
            [a_pod("a", on="dc-1", requests={GPU: "2"}), a_pod("b", on="dc-1", requests={GPU: "1"})],
            "a",
            {GPU: "1"},
            id="C1: the asking pod is left out",
        ),
    ],
)
def test_requests_are_summed(pods: list[Pod], excluding: str, used: dict[str, str]) -> None:
    snapshot = a_snapshot(CAPPED, nodes=NODES, pods=pods)
    assert snapshot.usage(CAPPED, 0, (), excluding).requests == amounts(used)
