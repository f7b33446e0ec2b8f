"""What the faults of an object are called, all at once: rule M6."""

from collections.abc import Mapping
from typing import Any

import pytest

from policy.api.resourcepolicy import InvalidPolicyError, ResourcePolicy

ONE_UNIT: dict[str, Any] = {"units": [{}]}


def expression(**term: object) -> dict[str, object]:
    return {**ONE_UNIT, "matchExpressions": [term]}


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        pytest.param({}, "spec.units: is missing", id="no units"),
        pytest.param(
            {"units": []}, "spec.units: is empty; list at least one unit", id="an empty list of units"
        ),
        pytest.param({"units": [{"max": -1}]}, "spec.units[0].max: ", id="a negative max"),
        pytest.param({"units": [{}, {"max": "many"}]}, "spec.units[1].max: ", id="a max that is no number"),
        pytest.param({"units": [{"max": 1.5}]}, "spec.units[0].max: ", id="half a pod"),
        pytest.param({"units": [{"resource": "gpu"}]}, "spec.units[0].resource: ", id="an unknown kind"),
        pytest.param({"units": [7]}, "spec.units[0]: write a mapping", id="a unit that is no mapping"),
        pytest.param(
            {"units": [{"maxResources": {"cpu": "1 GB"}}]},
            "spec.units[0].maxResources: cpu: '1 GB' is not a quantity",
            id="no quantity",
        ),
        pytest.param(
            {"units": [{"maxResources": {"cpu": "-1"}}]},
            "spec.units[0].maxResources: cpu is -1; write 0 or more",
            id="a negative quantity",
        ),
        pytest.param(
            {"units": [{"maxResources": ["cpu"]}]},
            "spec.units[0].maxResources: write a mapping",
            id="a list of amounts",
        ),
        pytest.param(
            {"units": [{"nodeSelector": {"a": 1}}]}, "spec.units[0].nodeSelector.a: ", id="no string"
        ),
        pytest.param(
            {**ONE_UNIT, "selector": ["app"]}, "spec.selector: write a mapping", id="a list for a selector"
        ),
        pytest.param({**ONE_UNIT, "strategy": "maybe"}, "spec.strategy: ", id="an unknown strategy"),
        pytest.param(
            {**ONE_UNIT, "preemptPolicy": "Never"}, "spec.preemptPolicy: ", id="an unknown preemptPolicy"
        ),
        pytest.param(
            {**ONE_UNIT, "matchLabelKeys": "rev"}, "spec.matchLabelKeys: write a list", id="a lone key"
        ),
        pytest.param({**ONE_UNIT, "ignorePreviousPod": "maybe"}, "spec.ignorePreviousPod: ", id="no boolean"),
        pytest.param(
            {**ONE_UNIT, "whenTryNextUnits": {"policy": "Sometimes"}},
            "spec.whenTryNextUnits.policy: ",
            id="no mode",
        ),
        pytest.param(
            {**ONE_UNIT, "whenTryNextUnits": {"timeout": "15 min"}},
            "spec.whenTryNextUnits.timeout: '15 min' is not a duration; write for example 15m",
            id="no duration",
        ),
        pytest.param(
            {**ONE_UNIT, "whenTryNextUnits": {"timeout": "0s"}},
            "spec.whenTryNextUnits.timeout: ",
            id="no time at all",
        ),
        pytest.param(
            {**ONE_UNIT, "whenTryNextUnits": "ExceedMax"},
            "spec.whenTryNextUnits: write a mapping",
            id="no mapping",
        ),
        pytest.param(expression(operator="Exists"), "spec.matchExpressions[0].key: is missing", id="no key"),
        pytest.param(expression(key="a"), "spec.matchExpressions[0].operator: is missing", id="no operator"),
        pytest.param(
            expression(key="a", operator="Is"), "spec.matchExpressions[0].operator: ", id="no such operator"
        ),
        pytest.param(
            expression(key="a", operator="In"),
            "spec.matchExpressions[0]: operator In needs values",
            id="In, no values",
        ),
        pytest.param(
            expression(key="a", operator="NotIn", values=[]),
            "spec.matchExpressions[0]: operator NotIn needs values",
            id="NotIn, no values",
        ),
        pytest.param(
            expression(key="a", operator="Exists", values=["x"]),
            "spec.matchExpressions[0]: operator Exists takes no values",
            id="Exists with values",
        ),
        pytest.param(
            expression(key="a", operator="In", values="web"),
            "spec.matchExpressions[0].values: write a list",
            id="a lone value",
        ),
        pytest.param(
            {**ONE_UNIT, "matchExpressions": ["app"]}, "spec.matchExpressions[0]: ", id="a lone expression"
        ),
    ],
)
def test_a_fault_is_named_by_its_place_in_the_manifest(spec: Mapping[str, Any], fault: str) -> None:
    with pytest.raises(InvalidPolicyError) as raised:
        ResourcePolicy.from_manifest({"metadata": {"name": "web"}, "spec": spec})
    (error,) = raised.value.errors
    assert error.startswith(fault)
    assert str(raised.value) == error


@pytest.mark.parametrize(
    ("manifest", "fault"),
    [
        pytest.param({}, "spec.units: is missing", id="M6: nothing at all"),
        pytest.param({"spec": []}, "spec.units: is missing", id="M6: an empty list for a spec"),
        pytest.param({"spec": [1]}, "spec: write a mapping", id="M6: a list for a spec"),
        pytest.param(
            {"metadata": "web", "spec": ONE_UNIT}, "metadata: write a mapping", id="M6: a name alone"
        ),
        pytest.param(
            {"metadata": {"creationTimestamp": "yesterday"}, "spec": ONE_UNIT},
            "metadata.creationTimestamp: ",
            id="M6: no time",
        ),
        pytest.param(
            {"metadata": {"generation": "x"}, "spec": ONE_UNIT}, "metadata.generation: ", id="M6: no number"
        ),
    ],
)
def test_what_is_no_object_is_refused_as_well(manifest: Mapping[str, Any], fault: str) -> None:
    with pytest.raises(InvalidPolicyError) as raised:
        ResourcePolicy.from_manifest(manifest)
    (error,) = raised.value.errors
    assert error.startswith(fault)


def test_all_faults_are_told_at_once() -> None:
    spec = {
        "strategy": "maybe",
        "units": [{"max": -1}, {"maxResources": {"cpu": "x"}}],
        "whenTryNextUnits": {"timeout": "soon"},
    }
    with pytest.raises(InvalidPolicyError) as raised:
        ResourcePolicy.from_manifest({"metadata": {"name": "web"}, "spec": spec})
    places = [error.partition(":")[0] for error in raised.value.errors]
    assert sorted(places) == [
        "spec.strategy",
        "spec.units[0].max",
        "spec.units[1].maxResources",
        "spec.whenTryNextUnits.timeout",
    ]
