"""What is written on placed pods: rules L1, L2 and L4."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.api import wellknown
from policy.api.objects import Phase, Pod
from policy.api.resourcepolicy import WAIT_LABEL, ResourcePolicy
from policy.podmetadata.deletion_cost import correction, cost_of
from policy.podmetadata.desired_metadata import MetadataChange, allowed, metadata_changes
from policy.scheduling.matching import governing
from policy.status.conditions import labels_refused
from tests.builders import a_node, a_pod, a_policy, a_snapshot, a_unit, recorded_in
from tests.unit.policy.cases import CLOUD, NODES

THREE_UNITS = a_policy(a_unit("dc"), a_unit("cloud"), a_unit("attic"))
REORDERED = a_policy(a_unit("cloud"), a_unit("dc"))
OVERLAPPING = a_policy(a_unit("dc"), a_unit())
FOREIGN_UNITS = a_policy(a_unit("elsewhere"))
OURS = {wellknown.POD_DELETION_COST: "-100", wellknown.DELETION_COST_WRITTEN: "-100"}
OURS_OF_THE_THIRD = {wellknown.POD_DELETION_COST: "-200", wellknown.DELETION_COST_WRITTEN: "-200"}
NOTHING: dict[str, str | None] = {}
REMOVED = {wellknown.POD_DELETION_COST: None, wellknown.DELETION_COST_WRITTEN: None}


@pytest.mark.parametrize(
    ("annotations", "cost", "expected"),
    [
        pytest.param({}, -100, OURS, id="L2: a cost comes with its mark"),
        pytest.param(OURS, -100, NOTHING, id="L2: a cost that is right is not written again"),
        pytest.param({}, 0, NOTHING, id="L2: the cost of the first unit is the default, and not written"),
        pytest.param(OURS, -200, OURS_OF_THE_THIRD, id="L2: ours follows the unit"),
        pytest.param(OURS, 0, REMOVED, id="L2: ours goes where the default is right"),
        pytest.param({wellknown.POD_DELETION_COST: "7"}, -100, NOTHING, id="L2: a user's value stays"),
        pytest.param(
            {wellknown.POD_DELETION_COST: "-100"},
            -100,
            NOTHING,
            id="L2: a user's value is not claimed where it is right",
        ),
        pytest.param(
            {wellknown.POD_DELETION_COST: "7"},
            0,
            NOTHING,
            id="L2: a user's value stays in the first unit, too",
        ),
        pytest.param(
            {wellknown.POD_DELETION_COST: "7", wellknown.DELETION_COST_WRITTEN: "-100"},
            -100,
            {wellknown.DELETION_COST_WRITTEN: None},
            id="L2: what a user wrote over ours is the user's",
        ),
        pytest.param(
            {wellknown.DELETION_COST_WRITTEN: "-100"},
            -100,
            {wellknown.POD_DELETION_COST: "-100"},
            id="L2: ours comes back where it was removed",
        ),
        pytest.param(
            {wellknown.DELETION_COST_WRITTEN: "-100"},
            0,
            {wellknown.DELETION_COST_WRITTEN: None},
            id="L2: a mark without a cost goes",
        ),
    ],
)
def test_the_deletion_cost_of_a_pod(
    annotations: dict[str, str], cost: int, expected: dict[str, str | None]
) -> None:
    assert correction(annotations, cost) == expected


@given(
    annotations=st.dictionaries(
        st.sampled_from([wellknown.POD_DELETION_COST, wellknown.DELETION_COST_WRITTEN]),
        st.sampled_from(["0", "7", "-100", "-200"]),
    ),
    place=st.integers(0, 3),
)
def test_one_write_is_enough_and_a_users_value_outlives_it(annotations: dict[str, str], place: int) -> None:
    written = correction(annotations, cost_of(place))
    after = {key: value for key, value in {**annotations, **written}.items() if value is not None}
    assert correction(after, cost_of(place)) == {}
    if annotations.get(
        wellknown.POD_DELETION_COST, annotations.get(wellknown.DELETION_COST_WRITTEN)
    ) != annotations.get(wellknown.DELETION_COST_WRITTEN):
        assert after.get(wellknown.POD_DELETION_COST) == annotations.get(wellknown.POD_DELETION_COST)
    else:
        assert int(after.get(wellknown.POD_DELETION_COST, "0")) == cost_of(place)


@given(units=st.integers(1, 64))
def test_costs_fall_with_the_unit_and_start_at_the_default(units: int) -> None:
    costs = [cost_of(place) for place in range(units + 1)]
    assert costs[0] == 0
    assert costs == sorted(set(costs), reverse=True)
    assert costs[-1] > -(2**31), "the API takes 32 bits"


def costs(pod: Pod, policy: ResourcePolicy, *, just_bound: bool = False) -> dict[str, str | None]:
    """What is written on the pod in the cluster of the tables."""
    world = a_snapshot(policy, nodes=NODES, pods=[pod])
    found = list(metadata_changes([pod], lambda p: governing(p, [policy]), world, lambda _: just_bound))
    return dict(found[0].annotations) if found else {}


@pytest.mark.parametrize(
    ("pod", "policy", "expected"),
    [
        pytest.param(a_pod(on="dc-1"), THREE_UNITS, NOTHING, id="L2: a pod of the first unit needs no write"),
        pytest.param(a_pod(on="cloud-1"), THREE_UNITS, OURS, id="L2: a pod of the second unit costs less"),
        pytest.param(
            a_pod(on="attic-1"), a_policy(), OURS_OF_THE_THIRD, id="L2: a pod outside all units costs least"
        ),
        pytest.param(
            a_pod(on="cloud-1", created=1.0, bound_at=2.0),
            THREE_UNITS,
            OURS,
            id="L2: a pod from before the policy has its cost, too",
        ),
        pytest.param(
            a_pod(on="cloud-1", annotations=OURS),
            REORDERED,
            REMOVED,
            id="L4: in a new order of units the cost goes",
        ),
        pytest.param(a_pod(on="dc-1"), REORDERED, OURS, id="L4: in a new order of units the cost comes"),
        pytest.param(
            a_pod(on="dc-1", annotations=recorded_in(OVERLAPPING, 1)),
            OVERLAPPING,
            OURS,
            id="L2: of a node in two units the record tells the unit",
        ),
        pytest.param(
            a_pod(on="dc-1", annotations=OURS),
            a_policy(selector={"app": "other"}),
            REMOVED,
            id="L2: ours goes with the policy",
        ),
        pytest.param(
            a_pod(on="cloud-1", annotations={wellknown.POD_DELETION_COST: "-100"}),
            a_policy(selector={"app": "other"}),
            NOTHING,
            id="L2: a user's value stays without a policy, too",
        ),
        pytest.param(a_pod(), FOREIGN_UNITS, NOTHING, id="L2: a pod without a node is not written"),
        pytest.param(
            a_pod(on="cloud-1", terminating=True), THREE_UNITS, NOTHING, id="L2: nor is a terminating one"
        ),
        pytest.param(
            a_pod(on="cloud-1", phase=Phase.SUCCEEDED), THREE_UNITS, NOTHING, id="L2: nor is a finished one"
        ),
        pytest.param(
            a_pod(on="unheard-of"), THREE_UNITS, NOTHING, id="L2: nor one on a node that is not known"
        ),
    ],
)
def test_which_pods_are_written(pod: Pod, policy: ResourcePolicy, expected: dict[str, str | None]) -> None:
    assert costs(pod, policy) == expected


@pytest.mark.parametrize(
    ("policy", "pod", "waits"),
    [
        pytest.param(OVERLAPPING, a_pod(on="dc-1"), True, id="L3: the node is in two units"),
        pytest.param(
            a_policy(CLOUD, a_unit("dc", pod_labels={"tier": "own"})),
            a_pod(on="dc-1"),
            True,
            id="L3: the unit of the node has podLabels",
        ),
        pytest.param(REORDERED, a_pod(on="dc-1"), False, id="L3: the node tells the unit"),
    ],
)
def test_a_pod_just_bound_waits_for_its_record_where_only_that_tells_the_unit(
    policy: ResourcePolicy, pod: Pod, *, waits: bool
) -> None:
    assert bool(costs(pod, policy, just_bound=True)) is not waits


TIER = {"tier": "own"}
LABELLED = a_policy(
    a_unit("dc", pod_labels={**TIER, WAIT_LABEL: "true"}, pod_annotations={"bill-to": "research"}), CLOUD
)
FROM_BEFORE = a_pod(on="dc-1", created=1.0, bound_at=2.0)


def metadata(pod: Pod, policy: ResourcePolicy) -> dict[str, str | None]:
    """The labels and annotations that are written, costs aside."""
    world = a_snapshot(policy, nodes=NODES, pods=[pod])
    found = list(metadata_changes([pod], lambda p: governing(p, [policy]), world, lambda _: False))
    written = {**found[0].labels, **found[0].annotations} if found else {}
    return {
        key: value
        for key, value in written.items()
        if key not in (wellknown.POD_DELETION_COST, wellknown.DELETION_COST_WRITTEN)
    }


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param(
            a_pod(on="dc-1"),
            {"tier": "own", "bill-to": "research"},
            id="L1: a pod of the unit gets what it lacks, and not the wait label",
        ),
        pytest.param(a_pod(on="dc-1", labels=TIER), {"bill-to": "research"}, id="L1: and nothing twice"),
        pytest.param(
            a_pod(on="dc-1", labels={"tier": "other"}, annotations={"bill-to": "research"}),
            {"tier": "own"},
            id="L1: the value of the unit replaces another one",
        ),
        pytest.param(a_pod(on="cloud-1"), {}, id="L1: a pod of another unit gets nothing"),
        pytest.param(a_pod(on="attic-1"), {}, id="L1: nor does one outside all units"),
        pytest.param(
            FROM_BEFORE,
            {},
            id="L1: nor one from before the policy, which would then count (C6)",
        ),
        pytest.param(
            replace(FROM_BEFORE, annotations=recorded_in(LABELLED, 0)),
            {"tier": "own", "bill-to": "research"},
            id="L1: a record says that it was placed through the unit",
        ),
    ],
)
def test_the_labels_and_annotations_of_a_unit(pod: Pod, expected: dict[str, str | None]) -> None:
    assert metadata(pod, LABELLED) == expected


def test_what_is_written_does_not_change_what_is_counted() -> None:
    """C6, C7: a pod that gets the labels counts before it has them."""
    pod = a_pod(on="dc-1")
    world = a_snapshot(LABELLED, nodes=NODES, pods=[pod])
    written = metadata(pod, LABELLED)
    labelled = replace(pod, labels=TIER, annotations={"bill-to": "research"})
    after = a_snapshot(LABELLED, nodes=NODES, pods=[labelled])
    assert written
    assert world.usage(LABELLED, 0, ()) == after.usage(LABELLED, 0, ()) != world.usage(LABELLED, 1, ())


@pytest.mark.parametrize(
    ("keys", "fields", "selected", "expected"),
    [
        pytest.param(["tier"], {}, [], ["tier"], id="L1: nobody selects by it"),
        pytest.param(["tier"], {}, ["tier"], [], id="L1: the workload selects by it"),
        pytest.param(["tier", "zone"], {}, ["tier"], ["zone"], id="L1: one of two"),
        pytest.param(["tier"], {}, None, ["tier"], id="L1: a controller that cannot be read, and a new key"),
        pytest.param(["app"], {}, None, [], id="L1: a controller that cannot be read, and a key of the pod"),
        pytest.param(["tier"], {"selector": {"tier": "x"}}, [], [], id="L1: the policy selects by it"),
        pytest.param(["tier"], {"match_label_keys": ["tier"]}, [], [], id="L1: the policy groups by it"),
        pytest.param(
            ["tier"],
            {"match_expressions": [{"key": "tier", "operator": "Exists"}]},
            [],
            [],
            id="L1: the policy has an expression on it",
        ),
        pytest.param(["alibabacloud.com/compute-class"], {}, [], [], id="L1: never compute-class"),
        pytest.param(["alibabacloud.com/compute-qos"], {}, [], [], id="L1: never compute-qos"),
        pytest.param(["pod-template-hash"], {}, [], [], id="L1: never a Deployment's hash"),
        pytest.param(["controller-revision-hash"], {}, [], [], id="L1: never a StatefulSet's hash"),
    ],
)
def test_a_label_that_pods_are_selected_by_is_not_written(
    keys: list[str], fields: dict[str, Any], selected: list[str] | None, expected: list[str]
) -> None:
    policy = a_policy(a_unit("dc"), a_unit("cloud"), **fields)
    labels = dict.fromkeys(keys, "new")
    change = MetadataChange(
        a_pod(on="cloud-1", labels={"app": "web"}), policy, 1, labels, {wellknown.POD_DELETION_COST: "-100"}
    )
    rest, refused = allowed(change, selected)
    assert list(rest.labels) == expected
    assert rest.annotations == change.annotations
    assert [each.key for each in refused] == [key for key in keys if key not in expected]
    assert {(each.policy, each.unit) for each in refused} <= {(policy.key, 1)}
    assert labels_refused(refused).status is bool(refused)
    assert all(
        f"units[1].podLabels: {each.key}: {each.why}" in labels_refused(refused).message for each in refused
    )


def test_a_change_without_labels_asks_nobody_who_selects() -> None:
    """L1, L2: a cost alone, and what is taken off a pod that no policy governs any more."""
    cost = MetadataChange(a_pod(on="cloud-1"), THREE_UNITS, 1, {}, {wellknown.POD_DELETION_COST: "-100"})
    orphan = MetadataChange(a_pod(on="cloud-1"), annotations={wellknown.POD_DELETION_COST: None})
    assert allowed(cost, None) == (cost, ())
    assert allowed(orphan, None) == (orphan, ())


def test_a_node_that_was_deleted_leaves_the_cost_of_its_pods() -> None:
    """Its pods are gone soon; who of them goes first decides nothing."""
    world = a_snapshot(THREE_UNITS, nodes=[a_node("dc-1", "dc")])
    pod = a_pod(on="cloud-1", annotations=OURS)
    assert not list(metadata_changes([pod], lambda _: THREE_UNITS, world, lambda _: False))
