"""The warnings of manifests/admission.yaml on the real API server, one row for each message, and what passes.

Rules C2, L1 to L3, L6, M1, M4.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.controlplane import ApiError, ControlPlane

Json = dict[str, Any]

ADMISSION = Path(__file__).parents[2] / "manifests" / "admission.yaml"
API_VERSION = "scheduling.alibabacloud.com/v1alpha1"
COST = "controller.kubernetes.io/pod-deletion-cost"


@pytest.fixture(scope="module", autouse=True)
def _installed(plane: ControlPlane) -> Iterator[None]:
    """For these tests only, as the others expect no refusal."""
    documents = list(yaml.safe_load_all(ADMISSION.read_text()))
    plane.api.apply(documents)
    _await(plane)
    yield
    for document in reversed(documents):
        plane.api.delete(plane.api.path_of(document))


def _await(plane: ControlPlane) -> None:
    """The server takes new policies into account a moment after it has stored them."""
    plane.api.create(a_policy("default", name="there"))
    unit = {"podLabels": {"pod-template-hash": "x"}}

    def refused() -> bool:
        try:
            warnings(plane, a_policy("default", unit))
        except ApiError:
            return True
        return False

    def warned(document: Json, saying: str) -> bool:
        return any(saying in line for line in warnings(plane, document))

    plane.wait(refused, what="the refusal to be in force")
    for document, saying in (
        (a_policy("default", {"podLabels": {"app": "x"}}), "podLabels of a unit change"),
        (a_policy("default"), "selects these pods too"),
        (a_workload("Deployment", "default", annotations={COST: "1"}), COST),
    ):
        plane.wait(lambda: warned(document, saying), what=f"the warning {saying!r} to be in force")  # noqa: B023
    plane.api.delete(f"/apis/{API_VERSION}/namespaces/default/resourcepolicies/there")


def a_policy(namespace: str, *units: Json, name: str = "policy", **spec: object) -> Json:
    metadata = {"name": name, "namespace": namespace}
    written = {"selector": {"app": "web"}, "units": list(units or ({},)), **spec}
    return {"apiVersion": API_VERSION, "kind": "ResourcePolicy", "metadata": metadata, "spec": written}


def a_workload(
    kind: str, namespace: str, labels: Json | None = None, annotations: Json | None = None
) -> Json:
    own = {"app": "web", **(labels or {})}
    container = {"name": "c", "image": "none"}
    spec: Json = {"containers": [container]}
    template = {"metadata": {"labels": own, "annotations": annotations or {}}, "spec": spec}
    written: Json = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    if kind == "Job":
        written = {"template": {**template, "spec": {**spec, "restartPolicy": "Never"}}}
    if kind == "StatefulSet":
        written["serviceName"] = "web"
    version = "batch/v1" if kind == "Job" else "apps/v1"
    metadata = {"name": "web", "namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": written}


def warnings(plane: ControlPlane, document: Json) -> list[str]:
    """What a user of kubectl reads; nothing is stored."""
    path = plane.api.collection_of(document)
    response = plane.api.send("POST", path, document, query={"dryRun": "All"})
    said = response.headers.getlist("Warning")
    return [re.sub(r"^299 - |\"", "", line).partition("': ")[2] for line in said]


@pytest.mark.parametrize(
    "key", ["pod-template-hash", "controller-revision-hash", "batch.kubernetes.io/job-name", "job-name"]
)
def test_a_label_that_would_have_pods_made_without_end_is_refused(
    plane: ControlPlane, namespace: str, key: str
) -> None:
    """L1: no workload is safe from it."""
    with pytest.raises(ApiError) as refused:
        warnings(plane, a_policy(namespace, {}, {"podLabels": {"tier": "x", key: "x"}}))
    assert f"podLabels of a unit write {key}, by which controllers know their pods" in refused.value.message
    assert "Write another key" in refused.value.message


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        pytest.param(
            {"podLabels": {"app": "other"}},
            "podLabels of a unit change a label that selector asks for",
            id="L1, M2: a label of the selector gets another value",
        ),
        pytest.param({"podLabels": {"app": "web"}}, "", id="L1: the same value changes nothing"),
        pytest.param({"podLabels": {"tier": "x"}}, "", id="L1: a label that nobody selects by"),
        pytest.param(
            {"podAnnotations": {COST: "5"}},
            "podAnnotations of a unit hold a key that ResourcePolicy writes itself",
            id="L2: the cost of deletion",
        ),
        pytest.param(
            {"podAnnotations": {"resourcepolicy.io/unit": "x"}},
            "podAnnotations of a unit hold a key that ResourcePolicy writes itself",
            id="L3: the record of the unit",
        ),
        pytest.param({"podAnnotations": {"example.com/unit": "x"}}, "", id="L1: any other annotation"),
    ],
)
def test_what_a_policy_writes_on_pods(plane: ControlPlane, namespace: str, unit: Json, said: str) -> None:
    found = warnings(plane, a_policy(namespace, {}, unit))
    assert [line.startswith(said) for line in found] == [True] * bool(said)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param({"selector": {"app": "web"}}, True, id="M4: the same selector"),
        pytest.param({"selector": {}}, True, id="M4: every pod of the namespace"),
        pytest.param({"selector": {"app": "web", "tier": "x"}}, True, id="M4: a narrower one"),
        pytest.param({"selector": {"app": "db"}}, False, id="M4: another value"),
        pytest.param({"selector": {"tier": "x"}}, False, id="M4: pods may or may not have both labels"),
        pytest.param(
            {"selector": {}, "matchExpressions": [{"key": "a", "operator": "Exists"}]},
            False,
            id="M4: expressions are not compared",
        ),
    ],
)
def test_two_policies_for_the_same_pods(
    plane: ControlPlane, namespace: str, other: Json, *, expected: bool
) -> None:
    plane.api.create(a_policy(namespace, name="other", **other))
    found = plane.wait(
        lambda: warnings(plane, a_policy(namespace)) or not expected, what="the other to be seen"
    )
    told = ["ResourcePolicy other selects these pods too"] * expected
    assert [line.partition(":")[0] for line in (found if isinstance(found, list) else [])] == told


def test_a_policy_does_not_meet_itself_nor_one_of_another_namespace(
    plane: ControlPlane, namespace: str
) -> None:
    """M1."""
    plane.api.create(a_policy("default", name="elsewhere"))
    try:
        stored = plane.api.create(a_policy(namespace))
        response = plane.api.send("PUT", plane.api.path_of(stored), stored, query={"dryRun": "All"})
        assert response.headers.getlist("Warning") == []
    finally:
        plane.api.delete(f"/apis/{API_VERSION}/namespaces/default/resourcepolicies/elsewhere")


GROUPED = {"matchLabelKeys": ["team", "pod-template-hash"]}


@pytest.mark.parametrize(
    ("spec", "workload", "said"),
    [
        pytest.param(
            {"matchLabelKeys": ["team"]},
            ("Deployment", {}, {}),
            "its pods will lack team, by which ResourcePolicy policy counts",
            id="C2: a label of matchLabelKeys is missing",
        ),
        pytest.param(
            GROUPED, ("Deployment", {"team": "x"}, {}), "", id="C2: Deployments add pod-template-hash"
        ),
        pytest.param(
            GROUPED,
            ("StatefulSet", {"team": "x"}, {}),
            "its pods will lack pod-template-hash, by which ResourcePolicy policy counts",
            id="C2: StatefulSets do not",
        ),
        pytest.param({"matchLabelKeys": ["job-name"]}, ("Job", {}, {}), "", id="C2: Jobs add job-name"),
        pytest.param(
            {},
            ("Deployment", {}, {COST: "7"}),
            f"its pod template sets {COST}, which stays: scale-in will not follow the units of",
            id="L2: a cost that the user set",
        ),
        pytest.param({}, ("Deployment", {}, {"a": "b"}), "", id="L2: another annotation"),
        pytest.param(
            {"selector": {}, "units": [{"podLabels": {"app": "x"}}]},
            ("Deployment", {}, {}),
            "its selector asks for a label that ResourcePolicy policy is to change",
            id="L1: a label that the workload selects by",
        ),
        pytest.param(
            {"selector": {}, "units": [{"podLabels": {"app": "web"}}]},
            ("Deployment", {}, {}),
            "",
            id="L1: the value that it has",
        ),
        pytest.param(
            {"selector": {"app": "db"}, "matchLabelKeys": ["team"]},
            ("Deployment", {}, {COST: "7"}),
            "",
            id="M2: a workload that is not governed",
        ),
        pytest.param(
            {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]},
            ("Deployment", {}, {COST: "7"}),
            "",
            id="M3: nor one that an expression leaves out",
        ),
        pytest.param(
            {"matchLabelKeys": ["team"]},
            ("Deployment", {"alibabacloud.com/eci": "true"}, {}),
            "",
            id="L6: nor one that opts out",
        ),
    ],
)
def test_a_workload_that_does_not_go_with_its_policy(
    plane: ControlPlane, namespace: str, spec: Json, workload: tuple[str, Json, Json], said: str
) -> None:
    plane.api.create(a_policy(namespace, **spec))
    kind, labels, annotations = workload
    document = a_workload(kind, namespace, labels, annotations)
    found = plane.wait(lambda: warnings(plane, document) or not said, what="the policy to be seen")
    assert [line.startswith(said) for line in (found if isinstance(found, list) else [])] == [True] * bool(
        said
    )
