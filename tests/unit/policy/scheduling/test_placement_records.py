"""The record of the unit that a pod was placed through: rule L3."""

import pytest

from policy.api.resourcepolicy import WAIT_LABEL, ResourcePolicy
from tests.builders import a_pod, a_policy, a_snapshot, a_unit, recorded_in
from tests.unit.policy.cases import CAPPED, CLOUD, DC_2, NODES

recapped = a_policy(a_unit("dc", max=9), CLOUD)
swapped = a_policy(CLOUD, DC_2)
twins = a_policy(a_unit("dc", max=1), a_unit("dc", max=1))


@pytest.mark.parametrize(
    ("before", "unit", "now", "expected"),
    [
        pytest.param(CAPPED, 0, CAPPED, 0, id="L3: the record names the unit"),
        pytest.param(CAPPED, 0, recapped, 0, id="L3: a new cap leaves the unit the same"),
        pytest.param(CAPPED, 0, swapped, 1, id="L3: the unit is found again where it is now"),
        pytest.param(twins, 1, twins, 1, id="L3: of units alike the old place decides"),
        pytest.param(twins, 1, CAPPED, 0, id="L3: the old place alone does not"),
        pytest.param(
            a_policy(DC_2, name="other"),
            0,
            CAPPED,
            None,
            id="L3: another policy's record is none, the node decides",
        ),
        pytest.param(
            a_policy(a_unit("dc", resource="elastic")),
            0,
            a_policy(a_unit("dc", pod_labels={WAIT_LABEL: "true"})),
            0,
            id="L3: elastic is the same unit in its modern spelling",
        ),
        pytest.param(
            a_policy(a_unit("dc", pod_labels={"tier": "gold"})),
            0,
            a_policy(CLOUD, a_unit("dc", pod_labels={"tier": "lead"})),
            None,
            id="L3: other podLabels are another unit, though their keys are the same",
        ),
        pytest.param(
            a_policy(a_unit("gone")), 0, CAPPED, None, id="L3: a unit that is gone, the node decides"
        ),
    ],
)
def test_the_record_of_a_placement(
    before: ResourcePolicy, unit: int, now: ResourcePolicy, expected: int | None
) -> None:
    """The pod is on a node of no unit, so that nothing but its record can count it."""
    pod = a_pod("p", on="attic-1", annotations=recorded_in(before, unit))
    share = a_snapshot(now, nodes=NODES, pods=[pod]).share(now, pod.uid)
    assert (share.unit if share else None) == expected


@pytest.mark.parametrize(
    "record",
    [
        pytest.param("", id="L3: an empty record"),
        pytest.param("policy", id="L3: a name alone"),
        pytest.param("policy/0", id="L3: a name and a place"),
        pytest.param("policy/zero/0123456789", id="L3: a place that is no number"),
        pytest.param("/", id="L3: a lone separator"),
    ],
)
def test_a_damaged_record_is_none(record: str) -> None:
    pod = a_pod("p", on="dc-1", annotations={"resourcepolicy.io/unit": record})
    assert a_snapshot(CAPPED, nodes=NODES, pods=[pod]).usage(CAPPED, 0, ()).pods == 1
