"""The object a user writes: defaults, spellings, nulls, and the examples of ACK's manual."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from policy.api.quantity import parse_quantity
from policy.api.resourcepolicy import NextUnits, PreemptPolicy, ResourceKind, ResourcePolicy, Strategy, Unit
from policy.api.selectors import Operator, Requirement
from tests.builders import a_policy

EXAMPLES = sorted((Path(__file__).parents[4] / "manifests/examples").glob("*.yaml"))
ONE_UNIT: dict[str, Any] = {"units": [{}]}
MORNING = "2026-11-24T09:00:00Z"
UNIX_MORNING = datetime(2026, 11, 24, 9, tzinfo=UTC).timestamp()


def read(spec: Mapping[str, Any], **metadata: object) -> ResourcePolicy:
    return ResourcePolicy.from_manifest({"metadata": {"name": "web", **metadata}, "spec": spec})


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        pytest.param("namespace", "default", id="M1: no namespace is default"),
        pytest.param("selector", {}, id="M2: no selector selects every pod"),
        pytest.param("match_expressions", (), id="M3: no expressions"),
        pytest.param("created", 0.0, id="M4: an object that was never created is the oldest"),
        pytest.param("consumer_ref", {}, id="M7: no consumer"),
        pytest.param("strategy", Strategy.PREFER, id="U6: strategy is prefer"),
        pytest.param("preempt_policy", PreemptPolicy.AFTER_ALL_UNITS, id="P1: preemption is last"),
        pytest.param("ignore_previous_pod", False, id="C4: earlier pods count"),
        pytest.param("ignore_terminating_pod", True, id="C3: terminating pods do not"),
        pytest.param("match_label_keys", (), id="C2: one group"),
        pytest.param("uid", "", id="no uid"),
        pytest.param("generation", 0, id="no generation"),
        pytest.param("units", (Unit(),), id="U2: a unit may be empty"),
        pytest.param("key", "default/web", id="M1: the key has the namespace"),
    ],
)
def test_what_is_left_out_of_a_policy(field: str, expected: object) -> None:
    assert getattr(read(ONE_UNIT), field) == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        pytest.param("resource", ResourceKind.ECS, id="U2: resource is ecs"),
        pytest.param("node_selector", {}, id="U3: no nodeSelector is all nodes"),
        pytest.param("max", None, id="O2: no max"),
        pytest.param("max_resources", {}, id="O2: no maxResources"),
        pytest.param("capped", False, id="O2: no cap"),
        pytest.param("pod_labels", {}, id="C6: no podLabels"),
        pytest.param("pod_annotations", {}, id="C6: no podAnnotations"),
        pytest.param("spot_instance", False, id="M7: no spotInstance"),
        pytest.param("scale_in_weight", None, id="M7: no scaleInWeight"),
        pytest.param("waits_for_nodes", False, id="U4: does not wait for nodes"),
    ],
)
def test_what_is_left_out_of_a_unit(field: str, expected: object) -> None:
    assert getattr(read(ONE_UNIT).units[0], field) == expected


@pytest.mark.parametrize(
    ("written", "mode", "timeout"),
    [
        pytest.param({}, NextUnits.LACK_RESOURCE_OR_EXCEED_MAX, 900, id="O3: the default"),
        pytest.param({"policy": "ExceedMax"}, NextUnits.EXCEED_MAX, 900, id="O4: as written"),
        pytest.param(
            {"policy": "TimeoutOrExceedMax"}, NextUnits.TIMEOUT_OR_EXCEED_MAX, 900, id="O5: 15m by default"
        ),
        pytest.param({"timeout": "90s"}, NextUnits.LACK_RESOURCE_OR_EXCEED_MAX, 90, id="O5: as written"),
        pytest.param(
            {"timeout": 90}, NextUnits.LACK_RESOURCE_OR_EXCEED_MAX, 90, id="O5: a number is seconds"
        ),
        pytest.param(
            {"policy": None, "timeout": None}, NextUnits.LACK_RESOURCE_OR_EXCEED_MAX, 900, id="C9: nulls"
        ),
        pytest.param(
            {"policy": "LackResourceAndNoTerminating"},
            NextUnits.LACK_RESOURCE_AND_NO_TERMINATING,
            900,
            id="O6: as the manual spells it",
        ),
        pytest.param(
            {"policy": "LackResourceAndNoterminating"},
            NextUnits.LACK_RESOURCE_AND_NO_TERMINATING,
            900,
            id="O6: as the Go types spell it",
        ),
        pytest.param({"policy": "Timeout"}, NextUnits.TIMEOUT, 900, id="O7: as written"),
    ],
)
def test_when_to_try_next_units(written: object, mode: NextUnits, timeout: float) -> None:
    chosen = read({**ONE_UNIT, "whenTryNextUnits": written}).when_try_next_units
    assert (chosen.policy, chosen.timeout) == (mode, timeout)


@pytest.mark.parametrize(
    "spec", [{**ONE_UNIT, "whenTryNextUnits": None}, {"units": [{"max": None}]}], ids=repr
)
def test_a_null_is_the_default(spec: Mapping[str, Any]) -> None:
    nulls = dict.fromkeys(["selector", "matchExpressions", "strategy", "matchLabelKeys", "consumerRef"])
    assert read({**nulls, **spec}) == read(ONE_UNIT)


@pytest.mark.parametrize(
    "name",
    ["node_selector", "max_resources", "pod_labels", "pod_annotations", "spot_instance", "scale_in_weight"],
)
def test_a_field_is_read_as_the_api_spells_it_and_no_other_way(name: str) -> None:
    first, *rest = name.split("_")
    camel = first + "".join(word.title() for word in rest)
    value = {"spot_instance": True, "scale_in_weight": 3}.get(name, {"cpu": "1"})
    assert Unit.model_validate({camel: value}) != Unit.model_validate({name: value}) == Unit()


@pytest.mark.parametrize(
    ("written", "created"),
    [
        pytest.param(MORNING, UNIX_MORNING, id="M4: as the API writes it"),
        pytest.param("2026-11-24T10:00:00+01:00", UNIX_MORNING, id="M4: in another zone"),
        pytest.param(yaml.safe_load(MORNING), UNIX_MORNING, id="M4: as YAML reads it"),
        pytest.param(None, 0.0, id="M4: null"),
    ],
)
def test_the_time_of_creation(written: object, created: float) -> None:
    assert read(ONE_UNIT, creationTimestamp=written).created == created


@pytest.mark.parametrize(
    ("written", "amount"),
    [("8", "8"), (8, "8"), (0.5, "500m"), ("64Gi", "64Gi"), (1e21, "1e21"), (0, "0")],
    ids=repr,
)
def test_yaml_may_hold_quantities_as_numbers(written: object, amount: str) -> None:
    unit = read({"units": [{"maxResources": {"cpu": written}}]}).units[0]
    assert unit.max_resources == {"cpu": parse_quantity(amount)}
    assert unit.capped


def test_expressions_become_requirements() -> None:
    terms = [
        {"key": "a", "operator": "In", "values": ["x", "y"]},
        {"key": "b", "operator": "Exists", "values": None},
    ]
    assert read({**ONE_UNIT, "matchExpressions": terms}).match_expressions == (
        Requirement("a", Operator.IN, frozenset({"x", "y"})),
        Requirement("b", Operator.EXISTS),
    )
    assert a_policy(match_expressions=[Requirement("b", Operator.EXISTS)]).match_expressions


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_manifests_written_for_ack_are_accepted(path: Path) -> None:
    for manifest in yaml.safe_load_all(path.read_text()):
        policy = ResourcePolicy.from_manifest(manifest)
        assert len(policy.units) == len(manifest["spec"]["units"])
        assert policy.selector == manifest["spec"]["selector"]


PUBLISHED = """
selector: {app: nginx}
strategy: prefer
units:
- resource: ecs
  max: 2
  nodeSelector: {paidtype: subscription}
- resource: ecs
  nodeSelector: {paidtype: pay-as-you-go}
  podLabels: {k8s.aliyun.com/resource-policy-wait-for-ecs-scaling: "true"}
- resource: eci
- resource: acs
  podLabels: {alibabacloud.com/compute-class: gpu}
whenTryNextUnits: {policy: TimeoutOrExceedMax, timeout: 1m}
"""


def test_an_example_of_acks_manual_means_what_it_says() -> None:
    policy = read(yaml.safe_load(PUBLISHED), creationTimestamp=MORNING, uid="u", generation=3)
    assert [unit.resource for unit in policy.units] == ["ecs", "ecs", "eci", "acs"]
    assert [unit.max for unit in policy.units] == [2, None, None, None]
    assert [unit.waits_for_nodes for unit in policy.units] == [False, True, False, False]
    assert (policy.uid, policy.generation, policy.created) == ("u", 3, UNIX_MORNING)
    assert policy.when_try_next_units.timeout == 60
