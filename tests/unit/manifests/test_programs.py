"""The Deployments and the Service: confined, alone where one decides, and agreeing with each other."""

import re
from pathlib import Path

import pytest
import yaml

from cluster.settings import Settings
from tests.unit.manifests.shipped import (
    MANIFESTS,
    RBAC,
    ROLES,
    SCHEDULER,
    SERVICE,
    Json,
    documents,
    identity,
    one,
)

DEPLOYMENTS = [d for d in documents(MANIFESTS / "deployment.yaml") if d["kind"] == "Deployment"]
EXTENDER, WATCHER = DEPLOYMENTS
each_deployment = pytest.mark.parametrize(
    "deployment", DEPLOYMENTS, ids=lambda deployment: deployment["metadata"]["name"]
)


def container(deployment: Json) -> Json:
    (only,) = deployment["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


@each_deployment
def test_a_deployment_selects_its_own_pods_and_no_others(deployment: Json) -> None:
    selector = deployment["spec"]["selector"]["matchLabels"]
    matched = [
        other
        for other in DEPLOYMENTS
        if selector.items() <= other["spec"]["template"]["metadata"]["labels"].items()
    ]
    assert matched == [deployment]


def test_there_is_never_more_than_one_extender() -> None:
    """Counts need one owner (C7, E10)."""
    assert EXTENDER["spec"]["replicas"] == 1
    assert EXTENDER["spec"]["strategy"] == {"type": "Recreate"}


def test_of_several_watchers_one_acts_by_a_lease_that_it_may_take() -> None:
    """Two would ask for the same nodes twice (W3)."""
    config = one(MANIFESTS / "deployment.yaml", "ConfigMap")["data"]["extender.yaml"]
    namespace, _, name = Settings.model_validate(yaml.safe_load(config)).watcher.lease.partition("/")
    rules = ROLES["Role", namespace, "resourcepolicy-watcher"]
    (named,) = (rule for rule in rules if rule.get("resourceNames") == [name])
    assert named["apiGroups"] == ["coordination.k8s.io"]


@each_deployment
def test_an_image_has_a_version(deployment: Json) -> None:
    assert re.search(r":\d+\.\d+\.\d+$", container(deployment)["image"])


@each_deployment
def test_a_deployment_runs_as_an_account_of_ours_in_our_namespace(deployment: Json) -> None:
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    assert ("ServiceAccount", deployment["metadata"]["namespace"], account) in map(identity, RBAC)
    assert (
        deployment["metadata"]["namespace"]
        == one(MANIFESTS / "namespace.yaml", "Namespace")["metadata"]["name"]
    )


@each_deployment
def test_a_container_is_confined(deployment: Json) -> None:
    assert deployment["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
    assert container(deployment)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@each_deployment
def test_a_program_never_needs_the_extender_to_be_scheduled(deployment: Json) -> None:
    """E10: a pod that requests a managed resource would wait for the extender that it is."""
    managed = {item["name"] for item in SCHEDULER["extenders"][0]["managedResources"]}
    resources = container(deployment)["resources"]
    assert not managed & (resources["requests"].keys() | resources["limits"].keys())


@each_deployment
def test_what_is_mounted_exists(deployment: Json) -> None:
    pod = deployment["spec"]["template"]["spec"]
    mounted = {mount["name"] for mount in container(deployment)["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


@each_deployment
def test_the_settings_that_a_command_names_are_mounted(deployment: Json) -> None:
    config = one(MANIFESTS / "deployment.yaml", "ConfigMap")
    (path,) = [Path(word) for word in container(deployment)["command"] if word.startswith("/")]
    (mount,) = [m for m in container(deployment)["volumeMounts"] if m["name"] == "config"]
    assert str(path.parent) == mount["mountPath"]
    assert isinstance(yaml.safe_load(config["data"][path.name]), dict)


def test_the_port_is_one_and_the_same_everywhere() -> None:
    (port,) = container(EXTENDER)["ports"]
    (served,) = SERVICE["spec"]["ports"]
    assert f"0.0.0.0:{port['containerPort']}" in container(EXTENDER)["command"]
    assert served["targetPort"] == port["name"]
    assert served["port"] == port["containerPort"]
    assert SCHEDULER["extenders"][0]["urlPrefix"] == f"http://127.0.0.1:{port['containerPort']}"
    for probe, path in (("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")):
        assert container(EXTENDER)[probe]["httpGet"] == {"path": path, "port": port["name"]}


def test_the_service_selects_the_extender_and_not_the_watcher() -> None:
    selector = SERVICE["spec"]["selector"].items()
    assert selector <= EXTENDER["spec"]["template"]["metadata"]["labels"].items()
    assert not selector <= WATCHER["spec"]["template"]["metadata"]["labels"].items()
