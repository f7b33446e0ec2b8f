"""What is shipped as YAML, without a cluster: it parses, explains itself, agrees, grants what is listed.

What only an API server can tell (CEL, stored defaults, RBAC) is in `tests/conformance/test_crd.py`.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.settings import Settings
from policy.resourcepolicy import NextUnits, PreemptPolicy, ResourceKind, ResourcePolicy, Strategy

Json = dict[str, Any]

ROOT = Path(__file__).parents[1]
MANIFESTS = ROOT / "manifests"
EXAMPLES = sorted((MANIFESTS / "examples").glob("*.yaml"))
SHIPPED = sorted([*MANIFESTS.rglob("*.yaml"), *(ROOT / "config").glob("*.yaml")])


def documents(path: Path) -> list[Json]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document is not None]


def one(path: Path, kind: str, name: str = "") -> Json:
    (found,) = [
        document
        for document in documents(path)
        if document["kind"] == kind and (not name or document["metadata"]["name"] == name)
    ]
    return found


def by_path(path: Path) -> str:
    return str(path.relative_to(ROOT))


CRD = one(MANIFESTS / "crd.yaml", "CustomResourceDefinition")
(VERSION,) = CRD["spec"]["versions"]
SCHEMA: Json = VERSION["schema"]["openAPIV3Schema"]
RBAC = documents(MANIFESTS / "rbac.yaml")
READER = documents(MANIFESTS / "reader.yaml")
SERVICE = one(MANIFESTS / "service.yaml", "Service")
SCHEDULER = one(ROOT / "config" / "kube-scheduler.yaml", "KubeSchedulerConfiguration")


@pytest.mark.parametrize("path", SHIPPED, ids=by_path)
def test_every_shipped_file_parses(path: Path) -> None:
    assert documents(path) or path.name == "extender.yaml"


@pytest.mark.parametrize("path", SHIPPED, ids=by_path)
def test_no_shipped_file_repeats_a_key(path: Path) -> None:
    """PyYAML keeps the last of two equal keys in silence; kubectl refuses them."""

    def check(node: yaml.Node | None) -> None:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys)), f"{path.name}{node.start_mark.line + 1}: {keys}"
            for _, value in node.value:
                check(value)
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                check(item)

    for document in yaml.compose_all(path.read_text()):
        check(document)


def test_one_command_installs_every_manifest_and_names_the_optional_ones() -> None:
    text = (MANIFESTS / "kustomization.yaml").read_text()
    files = {path.name for path in MANIFESTS.glob("*.yaml")} - {"kustomization.yaml"}
    listed = set(yaml.safe_load(text)["resources"])
    optional = {"hold-at-birth.yaml", "placeholder.yaml", "virtual-node-toleration.yaml"}
    assert files - listed == optional
    assert listed <= files
    assert all(f"# - {name}" in text for name in optional)


# The schema.


def fields(schema: Json, place: str = "") -> Iterator[tuple[str, Json]]:
    """Every schema below this one with its place: `spec.units[].max`, `spec.selector{}`."""
    for name, child in schema.get("properties", {}).items():
        inner = f"{place}.{name}".lstrip(".")
        yield inner, child
        yield from fields(child, inner)
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if key in schema:
            yield f"{place}{mark}", schema[key]
            yield from fields(schema[key], f"{place}{mark}")


FIELDS = {place: field for place, field in fields(SCHEMA) if place != "metadata"}  # not ours to describe


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


# The examples.


def faults(value: Any, schema: Json, place: str) -> list[str]:  # noqa: ANN401  any JSON
    """What a structural schema finds wrong: types, enums, unknown and missing fields."""
    python = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    expected = python.get(schema.get("type", ""), (int, str))
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        return [f"{place}: {value!r} is no {schema.get('type', 'integer or string')}"]
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{place}: {value!r} is none of {schema['enum']}")
    if isinstance(value, list):
        for index, item in enumerate(value):
            found += faults(item, schema["items"], f"{place}[{index}]")
    if isinstance(value, dict) and "additionalProperties" in schema:
        for key, item in value.items():
            found += faults(item, schema["additionalProperties"], f"{place}[{key}]")
    elif isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        found += [f"{place}.{key}: unknown" for key in value.keys() - known.keys()]
        found += [f"{place}.{key}: missing" for key in set(schema.get("required", ())) - set(value)]
        for key in value.keys() & known.keys():
            found += faults(value[key], known[key], f"{place}.{key}")
    return found


@pytest.mark.parametrize("path", EXAMPLES, ids=by_path)
def test_an_example_fits_the_schema(path: Path) -> None:
    (example,) = documents(path)
    assert example["apiVersion"] == f"{CRD['spec']['group']}/{VERSION['name']}"
    assert example["kind"] == CRD["spec"]["names"]["kind"]
    spec = {"properties": {"spec": SCHEMA["properties"]["spec"]}, "type": "object"}
    assert faults({"spec": example["spec"]}, spec, "") == []


@pytest.mark.parametrize("path", EXAMPLES, ids=by_path)
def test_an_example_is_a_policy_to_the_code(path: Path) -> None:
    (example,) = documents(path)
    assert ResourcePolicy.from_manifest(example).units


@pytest.mark.parametrize("path", EXAMPLES, ids=by_path)
def test_an_example_says_in_its_first_line_what_it_does(path: Path) -> None:
    first, second, *_ = path.read_text().splitlines()
    assert first.startswith("# ")
    assert first.endswith(".")
    assert not second.startswith("#")


def test_the_guides_policy_stands_unchanged() -> None:
    assert documents(MANIFESTS / "examples" / "qwen-chat.yaml") == [
        {
            "apiVersion": "scheduling.alibabacloud.com/v1alpha1",
            "kind": "ResourcePolicy",
            "metadata": {"name": "qwen-chat", "namespace": "default"},
            "spec": {
                "selector": {"app": "isvc.qwen-predictor"},
                "strategy": "prefer",
                "units": [
                    {
                        "resource": "ecs",
                        "nodeSelector": {"alibabacloud.com/nodepool-id": "npxxxxxx"},
                    },
                    {
                        "resource": "elastic",
                        "nodeSelector": {"alibabacloud.com/nodepool-id": "npxxxxxy"},
                    },
                ],
            },
        }
    ]


# Rights.

READ = {"get", "list", "watch"}
GRANTED: dict[tuple[str, str, str], set[tuple[str, str, str]]] = {
    ("ClusterRole", "", "resourcepolicy-extender"): {
        *(("", kind, verb) for kind in ("nodes", "pods") for verb in READ),
        *(("scheduling.alibabacloud.com", "resourcepolicies", verb) for verb in READ),
        ("", "pods", "patch"),
    },
    ("Role", "resourcepolicy", "resourcepolicy-extender"): {
        *(("coordination.k8s.io", "leases", verb) for verb in ("create", "get", "update")),
    },
    ("ClusterRole", "", "resourcepolicy-watcher"): {
        *(("", kind, verb) for kind in ("nodes", "pods") for verb in READ),
        *(("scheduling.alibabacloud.com", "resourcepolicies", verb) for verb in READ),
        ("", "pods", "patch"),
        ("apps", "daemonsets", "get"),
        ("apps", "replicasets", "get"),
        ("apps", "statefulsets", "get"),
        ("batch", "jobs", "get"),
        ("scheduling.alibabacloud.com", "resourcepolicies/status", "patch"),
        ("events.k8s.io", "events", "create"),
        ("events.k8s.io", "events", "patch"),
    },
    ("Role", "resourcepolicy", "resourcepolicy-watcher"): {
        *(("autoscaling.x-k8s.io", "provisioningrequests", verb) for verb in (*READ, "create", "delete")),
        *(("", "podtemplates", verb) for verb in ("create", "get", "list", "delete")),
        *(("coordination.k8s.io", "leases", verb) for verb in ("create", "get", "update")),
    },
    ("Role", "kube-system", "resourcepolicy-watcher"): {*(("", "configmaps", verb) for verb in READ)},
}


def identity(document: Json) -> tuple[str, str, str]:
    metadata = document["metadata"]
    return document["kind"], metadata.get("namespace", ""), metadata["name"]


ROLES = {identity(d): d["rules"] for d in RBAC if d["kind"] in ("Role", "ClusterRole")}


def test_the_roles_grant_what_is_listed_here_and_nothing_else() -> None:
    granted = {
        role: {
            (group, resource, verb)
            for rule in rules
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }
        for role, rules in ROLES.items()
    }
    assert granted == GRANTED


def test_no_rule_has_a_wildcard() -> None:
    rules = [*ROLES.values(), *(role["rules"] for role in READER)]
    assert not [rule for some in rules for rule in some if "*" in str(rule)]


def test_readers_read_and_reach_no_other_service() -> None:
    """What it takes is tried on a real API server; here: nobody has it unasked, and it changes nothing."""
    assert [identity(role) for role in READER] == [
        ("ClusterRole", "", "resourcepolicy-reader"),
        ("Role", SERVICE["metadata"]["namespace"], "resourcepolicy-reader"),
    ]
    rules = [rule for role in READER for rule in role["rules"]]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list"}
    (port,) = SERVICE["spec"]["ports"]
    names = {tuple(rule.get("resourceNames", ())) for rule in rules if "services/proxy" in rule["resources"]}
    assert names == {(f"{SERVICE['metadata']['name']}:{port['name']}",)}


def test_one_configmap_can_be_read_and_no_other() -> None:
    (rule,) = ROLES["Role", "kube-system", "resourcepolicy-watcher"]
    assert rule["resourceNames"] == ["cluster-autoscaler-status"]


@pytest.mark.parametrize("name", ["rbac.yaml", "reader.yaml"])
def test_every_rule_has_a_comment_that_says_why(name: str) -> None:
    lines = (MANIFESTS / name).read_text().splitlines()
    bare = []
    for number, line in enumerate(lines):
        if line.startswith("- apiGroups"):
            group = number
            while not lines[group - 1].startswith(("#", "rules:")):
                group -= 1
            if lines[group - 1] == "rules:":
                bare.append(number + 1)
    assert bare == []


def test_every_binding_binds_an_account_of_ours_to_a_role_that_exists() -> None:
    accounts = {identity(d)[1:] for d in RBAC if d["kind"] == "ServiceAccount"}
    bound = set()
    for binding in [d for d in RBAC if d["kind"].endswith("Binding")]:
        role = binding["roleRef"]
        bound.add((role["kind"], binding["metadata"].get("namespace", ""), role["name"]))
        for subject in binding["subjects"]:
            assert (subject["namespace"], subject["name"]) in accounts
            assert subject["name"] == role["name"]
    assert bound == set(ROLES)


# The programs.

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


# The scheduler's configuration.


def test_the_scheduler_asks_as_the_extender_needs_it() -> None:
    """E1, E2, E4, E5, E7, E10; what strict decoding thinks of it shows when the plane starts."""
    (extender,) = SCHEDULER["extenders"]
    assert extender == {
        "urlPrefix": "http://127.0.0.1:8888",
        "filterVerb": "filter",
        "preemptVerb": "preempt",
        "nodeCacheCapable": True,
        "ignorable": False,
        "httpTimeout": "2s",
        "managedResources": [{"name": "nvidia.com/gpu"}],
    }
    assert SCHEDULER["percentageOfNodesToScore"] == 100
    (profile,) = SCHEDULER["profiles"]
    assert profile["pluginConfig"] == [
        {"name": "DefaultPreemption", "args": {"minCandidateNodesPercentage": 100}}
    ]


def test_every_value_for_the_scheduler_has_a_comment_that_says_why() -> None:
    lines = (ROOT / "config" / "kube-scheduler.yaml").read_text().splitlines()
    settings = [
        number
        for number, line in enumerate(lines)
        if re.match(r"(percentage\w+|extenders|leaderElection|clientConnection|  \w+):", line)
        and not line.startswith(("  kubeconfig", "  leaderElect", "  pluginConfig"))
    ]
    bare = [lines[n] for n in settings if "#" not in lines[n - 1] and "#" not in lines[n + 1]]
    assert len(settings) >= 10
    assert bare == []


def test_scores_are_one_commented_line_away() -> None:
    text = (ROOT / "config" / "kube-scheduler.yaml").read_text()
    assert "  # prioritizeVerb: prioritize\n  # weight: 1000\n" in text
