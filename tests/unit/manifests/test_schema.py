"""The CRD: every field explains itself, and has the choices and defaults of the code."""

import re
from collections.abc import Mapping

import pytest

from policy.api.resourcepolicy import NextUnits, PreemptPolicy, ResourceKind, ResourcePolicy, Strategy
from tests.unit.manifests.shipped import FIELDS, MANIFESTS, SCHEMA


@pytest.mark.parametrize("place", FIELDS)
def test_every_field_explains_itself(place: str) -> None:
    description = FIELDS[place].get("description", "")
    words = description.split()
    assert len(words) >= 4, f"{place}: {description!r} teaches nothing"
    assert description.endswith((".", ")")), f"{place}: {description!r} is no sentence"


@pytest.mark.parametrize(
    "place",
    [place for place in FIELDS if re.fullmatch(r"spec\.(units\[\]\.|whenTryNextUnits\.)?\w+", place)],
)
def test_every_field_of_the_spec_names_its_rule(place: str) -> None:
    assert re.search(r"\b[MUOCPLW]\d\b", FIELDS[place]["description"])


@pytest.mark.parametrize(
    ("place", "default"),
    [
        pytest.param("spec.strategy", "prefer", id="strategy is prefer"),
        pytest.param("spec.units[].resource", "ecs", id="U2: resource is ecs"),
        pytest.param("spec.preemptPolicy", "AfterAllUnits", id="P1: preemptPolicy"),
        pytest.param("spec.ignorePreviousPod", False, id="C4: previous pods count"),
        pytest.param("spec.ignoreTerminatingPod", True, id="C3: terminating pods do not count"),
        pytest.param("spec.whenTryNextUnits", {}, id="C9: an absent object is stored, too"),
        pytest.param("spec.whenTryNextUnits.policy", "LackResourceOrExceedMax", id="O3: never waits"),
    ],
)
def test_a_default_is_stored_and_told(place: str, default: object) -> None:
    assert FIELDS[place]["default"] == default
    assert re.search(r"\b[Dd]efault\b", FIELDS[place]["description"])


def test_no_other_field_has_a_default() -> None:
    """A timeout that is stored for every policy would be refused by the rule on timeouts (O5)."""
    assert {place for place, field in FIELDS.items() if "default" in field} == {
        "spec.strategy",
        "spec.units[].resource",
        "spec.preemptPolicy",
        "spec.ignorePreviousPod",
        "spec.ignoreTerminatingPod",
        "spec.whenTryNextUnits",
        "spec.whenTryNextUnits.policy",
    }


@pytest.mark.parametrize(
    ("place", "values"),
    [
        pytest.param("spec.strategy", {*Strategy}, id="U6: strategy"),
        pytest.param("spec.units[].resource", {*ResourceKind}, id="U2: resource"),
        pytest.param("spec.preemptPolicy", {*PreemptPolicy}, id="P1: preemptPolicy"),
        pytest.param(
            "spec.whenTryNextUnits.policy",
            {*NextUnits, "LackResourceAndNoterminating"},
            id="O3 to O7: whenTryNextUnits.policy, O6 in both spellings",
        ),
    ],
)
def test_the_schema_has_the_choices_of_the_code(place: str, values: set[str]) -> None:
    assert set(FIELDS[place]["enum"]) == values


def test_the_code_reads_every_field_of_the_spec() -> None:
    aliases = {field.alias for field in ResourcePolicy.model_fields.values()}
    assert set(SCHEMA["properties"]["spec"]["properties"]) <= aliases


@pytest.mark.parametrize("place", [p for p, field in FIELDS.items() if field.get("type") == "array"])
def test_every_list_says_how_it_is_merged_and_how_long_it_may_be(place: str) -> None:
    """CEL's cost budget needs the length; server-side apply needs the other."""
    assert {"maxItems", "x-kubernetes-list-type"} <= FIELDS[place].keys()


def test_no_unknown_field_is_kept() -> None:
    """A misspelt cap, if kept, would be a cap that silently does not exist; M7 names the three exceptions."""
    assert "preserve-unknown-fields:" not in (MANIFESTS / "crd.yaml").read_text()
    assert {"spec.consumerRef", "spec.units[].spotInstance", "spec.units[].scaleInWeight"} <= set(FIELDS)


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(rule, id=f"{place}: {rule['rule'][:50]}")
        for place, field in {"": SCHEMA, **FIELDS}.items()
        for rule in field.get("x-kubernetes-validations", ())
    ],
)
def test_every_rule_says_what_to_write_instead(rule: Mapping[str, str]) -> None:
    """Also where a messageExpression says it better: the API server falls back to the message."""
    assert re.search(r"\bwrite\b", rule["message"])
