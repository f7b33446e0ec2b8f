"""Pods held from their birth on by manifests/hold-at-birth.yaml, on the real API server (A1)."""

import secrets
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

from dev.controlplane import ControlPlane, Object
from policy.api import wellknown
from tests.e2e.objects import POLICY_API, pod_spec
from watcher.scaleup.pod_holds import hold_of

MANIFEST = Path(__file__).parents[2] / "manifests/hold-at-birth.yaml"
WAIT = {"k8s.aliyun.com/resource-policy-wait-for-ecs-scaling": "true"}
ELASTIC = {"resource": "elastic"}
SELECTED = {"app": "web", "tier": "gold"}


@pytest.fixture(scope="module")
def policies(plane: ControlPlane) -> Iterator[str]:
    """The namespace of two policies, one that waits for nodes and one that does not."""
    manifests = list(yaml.safe_load_all(MANIFEST.read_text()))
    plane.api.apply(manifests)
    name = f"birth-{secrets.token_hex(3)}"
    plane.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    tiers = [{"key": "tier", "operator": "NotIn", "values": ["bronze"]}]
    specs: dict[str, Object] = {
        "grows": {
            "selector": {"app": "web"},
            "matchExpressions": tiers,
            "units": [{}, {"resource": "elastic"}],
        },
        "label": {"selector": {"app": "label"}, "units": [{"podLabels": WAIT}]},
        "stays": {"selector": {"app": "stays"}, "units": [{}, {"podLabels": {"any": "thing"}}]},
    }
    for policy, spec in specs.items():
        metadata = {"name": policy, "namespace": name}
        plane.api.create(
            {"apiVersion": POLICY_API, "kind": "ResourcePolicy", "metadata": metadata, "spec": spec}
        )
    for app in ("web", "label"):  # admission learns of policies and parameters by a watch
        plane.wait(partial(is_held_at_birth, plane, name, app), what="the first hold")
    yield name
    for manifest in reversed(manifests):
        plane.api.delete(plane.api.path_of(manifest))


def born(plane: ControlPlane, namespace: str, *, gpus: int = 1, **metadata: object) -> dict[str, str]:
    """The annotations of a pod as it would be stored."""
    named = {"name": "pod", "namespace": namespace, **metadata}
    pod: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": pod_spec(gpus=gpus)}
    stored = plane.api.request("POST", plane.api.collection_of(pod), pod, query={"dryRun": "All"})
    annotations: dict[str, str] = stored["metadata"].get("annotations", {})
    return annotations


def is_held_at_birth(plane: ControlPlane, namespace: str, app: str) -> bool:
    return bool(hold_of(born(plane, namespace, labels={"app": app})))


@pytest.mark.parametrize(
    ("labels", "gpus", "held"),
    [
        pytest.param(SELECTED, 1, True, id="A1 U4-a pod whose policy has an elastic unit"),
        pytest.param({"app": "label"}, 1, True, id="A1 U4-one with the wait label, which is the same"),
        pytest.param({"app": "stays"}, 1, False, id="A1-no unit of its policy waits for nodes"),
        pytest.param({**SELECTED, "tier": "bronze"}, 1, False, id="M3-an expression does not hold"),
        pytest.param({"app": "other"}, 1, False, id="M5-no policy governs it"),
        pytest.param({}, 1, False, id="M5-it has no labels"),
        pytest.param(SELECTED, 0, False, id="M8-the extender is not asked about it"),
    ],
)
def test_a_pod_is_held_if_its_policy_waits_for_nodes(
    plane: ControlPlane, policies: str, labels: dict[str, str], gpus: int, *, held: bool
) -> None:
    annotations = born(plane, policies, gpus=gpus, labels=labels)
    assert hold_of(annotations) == ({wellknown.POD_SCALE_UP_DELAY, wellknown.HELD} if held else set())


def test_a_delay_that_the_user_wrote_stays(plane: ControlPlane, policies: str) -> None:
    annotations = born(
        plane, policies, labels=SELECTED, annotations={wellknown.POD_SCALE_UP_DELAY: "5m", "own": "too"}
    )
    assert annotations == {wellknown.POD_SCALE_UP_DELAY: "5m", "own": "too"}


def test_other_annotations_stay(plane: ControlPlane, policies: str) -> None:
    annotations = born(plane, policies, labels=SELECTED, annotations={"own": "too"})
    assert annotations.keys() == {wellknown.POD_SCALE_UP_DELAY, wellknown.HELD, "own"}


def test_a_pod_of_another_namespace_is_not_held(plane: ControlPlane, policies: str) -> None:
    """M1."""
    assert not hold_of(born(plane, "default", labels=SELECTED))
    assert hold_of(born(plane, policies, labels=SELECTED))
