"""What the real API server makes of our manifests: what it refuses and says, stores, explains and allows.

Rules: M1 to M7 and C9 of docs/rules.md. Every refusal stands beside the nearest object that is accepted.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.controlplane import ControlPlane
from dev.controlplane.api import ApiError

Json = dict[str, Any]

pytestmark = pytest.mark.plane

MANIFESTS = Path(__file__).parents[2] / "manifests"
API_VERSION = "scheduling.alibabacloud.com/v1alpha1"
ECS = {"resource": "ecs"}


def documents(name: str) -> list[Json]:
    return list(yaml.safe_load_all((MANIFESTS / name).read_text()))


@pytest.fixture(scope="module", autouse=True)
def _installed(plane: ControlPlane) -> None:
    for name in ("namespace.yaml", "crd.yaml", "rbac.yaml"):
        plane.api.apply(documents(name))


def write(plane: ControlPlane, namespace: str, spec: object, *, validation: str = "Strict") -> Json:
    """The object as stored; nothing stays behind, as this is a dry run. Strict is what kubectl asks for."""
    return plane.api.request(
        "POST",
        f"/apis/{API_VERSION}/namespaces/{namespace}/resourcepolicies",
        {
            "apiVersion": API_VERSION,
            "kind": "ResourcePolicy",
            "metadata": {"name": "policy"},
            "spec": spec,
        },
        query={"fieldValidation": validation, "dryRun": "All"},
    )


def unit(**fields: object) -> Json:
    return {"units": [ECS, fields]}


def caps(**limits: object) -> Json:
    return unit(maxResources={name.replace("_", "/"): limit for name, limit in limits.items()})


def overflow(**fields: object) -> Json:
    return {"units": [ECS], "whenTryNextUnits": fields}


def expression(**fields: object) -> Json:
    return {"units": [ECS], "matchExpressions": [{"key": "tier", **fields}]}


REFUSED = [
    pytest.param(
        {"units": []},
        {"units": [{}]},
        ("spec.units", "units is empty", "write at least one unit", "[{resource: ecs}"),
        id="U1: an empty list of units",
    ),
    pytest.param(
        {},
        {"units": [ECS]},
        ("spec.units", "write at least one unit"),
        id="U1: no list of units",
    ),
    pytest.param(
        unit(max=-1),
        unit(max=0),
        ("spec.units[1].max", "write the largest number of pods", "leave max out for no limit"),
        id="O2: a negative max, beside one that closes the unit",
    ),
    pytest.param(
        unit(max=2**31),
        unit(max=2**31 - 1),
        ("spec.units[1].max", "2147483647"),
        id="O2: a max that is no int32",
    ),
    pytest.param(
        unit(max="4"),
        unit(max=4),
        ("spec.units[1].max", "integer"),
        id="O2: a max in quotes",
    ),
    pytest.param(
        caps(memory="-1Gi"),
        caps(memory="0"),
        ("spec.units[1].maxResources[memory]", "no quantity of 0 or more", "512Gi"),
        id="O2: a negative limit",
    ),
    pytest.param(
        {"units": [ECS, {"maxResources": {"nvidia.com/gpu": -8}}]},
        {"units": [ECS, {"maxResources": {"nvidia.com/gpu": 8}}]},
        ("spec.units[1].maxResources[nvidia.com/gpu]", "write for example nvidia.com/gpu: 8"),
        id="O2: a negative limit as a number",
    ),
    pytest.param(
        caps(memory="512GB"),
        caps(memory="512G"),
        ("spec.units[1].maxResources[memory]", "write for example", "512Gi"),
        id="O2: a unit of memory that Kubernetes does not know",
    ),
    pytest.param(
        caps(cpu=0.5),
        caps(cpu="0.5"),
        ("spec.units[1].maxResources", "cpu"),
        id="O2: a fraction outside quotes",
    ),
    pytest.param(
        overflow(policy="TimeoutOrExceedMax", timeout="10"),
        overflow(policy="TimeoutOrExceedMax", timeout="10s"),
        ("spec.whenTryNextUnits.timeout", "10; write numbers with units", "15m or 1h30m"),
        id="O5: a timeout without a unit",
    ),
    pytest.param(
        overflow(policy="TimeoutOrExceedMax", timeout="10 minutes"),
        overflow(policy="TimeoutOrExceedMax", timeout="10m0s"),
        ("spec.whenTryNextUnits.timeout", "10 minutes; write"),
        id="O5: a timeout in words, beside one as metav1.Duration prints it",
    ),
    pytest.param(
        overflow(policy="TimeoutOrExceedMax", timeout="0s"),
        overflow(policy="TimeoutOrExceedMax", timeout="1ms"),
        ("spec.whenTryNextUnits.timeout", "no duration longer than zero"),
        id="O5: a timeout of zero",
    ),
    pytest.param(
        overflow(policy="Timeout", timeout="-15m"),
        overflow(policy="Timeout", timeout="1.5h"),
        ("spec.whenTryNextUnits.timeout", "no duration longer than zero", "-15m"),
        id="O7: a negative timeout",
    ),
    pytest.param(
        overflow(timeout="15m"),
        overflow(policy="TimeoutOrExceedMax", timeout="15m"),
        (
            "spec.whenTryNextUnits.timeout",
            "no meaning with policy LackResourceOrExceedMax",
            "write policy: TimeoutOrExceedMax, or remove timeout",
        ),
        id="O3: a timeout with the default policy",
    ),
    pytest.param(
        overflow(policy="ExceedMax", timeout="15m"),
        overflow(policy="ExceedMax"),
        ("spec.whenTryNextUnits.timeout", "no meaning with policy ExceedMax"),
        id="O4: a timeout with ExceedMax, which waits without limit",
    ),
    pytest.param(
        overflow(policy="LackResource"),
        overflow(policy="LackResourceAndNoTerminating"),
        ("spec.whenTryNextUnits.policy", "LackResourceOrExceedMax", "TimeoutOrExceedMax"),
        id="O6: a policy that does not exist: the answer lists those that do",
    ),
    pytest.param(
        expression(operator="In"),
        expression(operator="In", values=["gold"]),
        ("spec.matchExpressions[0].values", "operator In compares", "write for example values"),
        id="M3: In without values",
    ),
    pytest.param(
        expression(operator="NotIn", values=[]),
        expression(operator="NotIn", values=["gold"]),
        ("spec.matchExpressions[0].values", "operator NotIn compares"),
        id="M3: NotIn with an empty list of values",
    ),
    pytest.param(
        expression(operator="Exists", values=["gold"]),
        expression(operator="Exists"),
        ("spec.matchExpressions[0].values", "operator Exists", "remove values"),
        id="M3: Exists with values",
    ),
    pytest.param(
        expression(operator="DoesNotExist", values=["gold"]),
        expression(operator="DoesNotExist", values=[]),
        ("spec.matchExpressions[0].values", "operator DoesNotExist", "remove values"),
        id="M3: DoesNotExist with values, beside an empty list of them",
    ),
    pytest.param(
        expression(operator="Gt", values=["1"]),
        expression(operator="In", values=["1"]),
        ("spec.matchExpressions[0].operator", "DoesNotExist"),
        id="M3: an operator of node affinity",
    ),
    pytest.param(
        {"units": [ECS], "matchLabelKeys": ["app", "rev", "app"]},
        {"units": [ECS], "matchLabelKeys": ["app", "rev"]},
        ("spec.matchLabelKeys", "names app more than once", "write each key once"),
        id="C2: a key of matchLabelKeys twice",
    ),
    pytest.param(
        {"units": [ECS], "matchLabelKeys": ["pod template hash"]},
        {"units": [ECS], "matchLabelKeys": ["sparkoperator.k8s.io/submission-id"]},
        ("spec.matchLabelKeys[0]", "no label key", "pod-template-hash"),
        id="C2: an entry of matchLabelKeys that is no label key",
    ),
    pytest.param(
        unit(podLabels={"not a key": "x"}),
        unit(podLabels={"example.com/a-key": "x"}),
        ("spec.units[1].podLabels", "no label key", "example.com/tier"),
        id="L1: a key of podLabels that no label can have",
    ),
    pytest.param(
        unit(podLabels={"tier": "on premises"}),
        unit(podLabels={"tier": "on-premises", "empty": ""}),
        ("spec.units[1].podLabels[tier]", "no label value", "podAnnotations"),
        id="L1: a value of podLabels that no label can have",
    ),
    pytest.param(
        unit(podAnnotations={"not a key": "x"}),
        unit(podAnnotations={"example.com/note": "any text: {[ !"}),
        ("spec.units[1].podAnnotations", "no annotation key"),
        id="L1: a key of podAnnotations that no annotation can have",
    ),
    pytest.param(
        {"units": [ECS], "selector": {"app": "my web"}},
        {"units": [ECS], "selector": {"app": "my-web"}},
        ("spec.selector[app]", "no pod ever matches"),
        id="M2: a value of the selector that no pod can have",
    ),
    pytest.param(
        unit(nodeSelector={"pool": "cloud a"}),
        unit(nodeSelector={"pool": "cloud-a"}),
        ("spec.units[1].nodeSelector[pool]", "the unit stays empty"),
        id="U3: a value of a nodeSelector that no node can have",
    ),
    pytest.param(
        unit(resource="gpu"),
        unit(resource="acs"),
        ("spec.units[1].resource", "elastic"),
        id="U2: a kind of nodes that does not exist",
    ),
    pytest.param(
        {"units": [ECS], "strategy": "preferred"},
        {"units": [ECS], "strategy": "required"},
        ("spec.strategy", "prefer", "required"),
        id="U6: a strategy that does not exist",
    ),
    pytest.param(
        {"units": [ECS], "preemptPolicy": "Never"},
        {"units": [ECS], "preemptPolicy": "BeforeNextUnit"},
        ("spec.preemptPolicy", "AfterAllUnits"),
        id="P1: a preemptPolicy that does not exist",
    ),
    pytest.param(
        {"units": [ECS] * 65},
        {"units": [ECS] * 64},
        ("spec.units", "64"),
        id="U1: more units than the cost budget allows",
    ),
]


@pytest.mark.parametrize(("spec", "nearest", "said"), REFUSED)
def test_a_mistake_is_refused_with_what_to_write_and_the_nearest_right_one_is_not(
    plane: ControlPlane, namespace: str, spec: Json, nearest: Json, said: tuple[str, ...]
) -> None:
    with pytest.raises(ApiError) as refused:
        write(plane, namespace, spec)
    assert refused.value.reason == "Invalid"
    for words in said:
        assert words in refused.value.message
    assert "evaluat" not in refused.value.message, "a rule failed instead of answering"
    write(plane, namespace, nearest)


def test_the_largest_policy_stays_within_the_cost_budget(plane: ControlPlane, namespace: str) -> None:
    """Every list and map is full, as far as one request may be long."""
    long = [f"example.com/{'k' * 60}{number:03}" for number in range(64)]
    full = dict.fromkeys(long, "v" * 63)
    amounts = dict.fromkeys(long[:32], "1234567890Ki")
    largest = {"nodeSelector": full, "podLabels": full, "podAnnotations": full, "maxResources": amounts}
    spec = {"selector": full, "matchLabelKeys": long[:16], "units": [largest] * 64}
    assert len(write(plane, namespace, spec)["spec"]["units"]) == 64


def test_every_mistake_is_told_at_once(plane: ControlPlane, namespace: str) -> None:
    """M6: as far as the schema's order of checks allows."""
    with pytest.raises(ApiError) as refused:
        write(
            plane,
            namespace,
            {
                "units": [{"max": -1, "maxResources": {"cpu": "-1"}}],
                "matchLabelKeys": ["a", "a"],
                "whenTryNextUnits": {"timeout": "15m"},
            },
        )
    for place in (
        "spec.units[0].max:",
        "spec.units[0].maxResources[cpu]:",
        "spec.matchLabelKeys:",
        "spec.whenTryNextUnits.timeout:",
    ):
        assert place in refused.value.message


@pytest.mark.parametrize(
    ("field", "stored"),
    [
        pytest.param("strategy", "prefer", id="C9: an absent strategy is stored as prefer"),
        pytest.param("preemptPolicy", "AfterAllUnits", id="C9, P1: preemption comes last"),
        pytest.param("ignorePreviousPod", False, id="C9, C4: earlier pods count"),
        pytest.param("ignoreTerminatingPod", True, id="C9, C3: terminating pods do not count"),
        pytest.param(
            "whenTryNextUnits",
            {"policy": "LackResourceOrExceedMax"},
            id="C9, O3: an absent whenTryNextUnits is stored with its policy, and no timeout",
        ),
        pytest.param("units", [{"resource": "ecs"}], id="C9, U2: a unit without resource is ecs"),
        pytest.param("selector", None, id="M2: an absent selector stays absent"),
    ],
)
def test_a_default_is_stored(plane: ControlPlane, namespace: str, field: str, stored: object) -> None:
    assert write(plane, namespace, {"units": [{}]})["spec"].get(field) == stored


def test_a_default_is_no_answer_to_what_was_written(plane: ControlPlane, namespace: str) -> None:
    """C9: objects from before a change of defaults keep their values."""
    written = {
        "strategy": "required",
        "preemptPolicy": "BeforeNextUnit",
        "ignorePreviousPod": True,
        "ignoreTerminatingPod": False,
        "whenTryNextUnits": {"policy": "Timeout"},
        "units": [{"resource": "acs"}],
    }
    assert write(plane, namespace, written)["spec"] == written


def test_a_null_is_the_default(plane: ControlPlane, namespace: str) -> None:
    """What a template engine makes of an empty value."""
    spec = {"units": [ECS], "strategy": None, "whenTryNextUnits": None}
    stored = write(plane, namespace, spec)["spec"]
    assert stored["strategy"] == "prefer"
    assert stored["whenTryNextUnits"] == {"policy": "LackResourceOrExceedMax"}


def test_an_empty_selector_is_legal(plane: ControlPlane, namespace: str) -> None:
    """M2: it means every pod of the namespace."""
    assert write(plane, namespace, {"selector": {}, "units": [ECS]})["spec"]["selector"] == {}


@pytest.mark.parametrize("path", sorted((MANIFESTS / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_is_stored_as_it_was_written(plane: ControlPlane, namespace: str, path: Path) -> None:
    """Manifests written for ACK work unchanged: accepted, and nothing but defaults is added."""
    (example,) = documents(f"examples/{path.name}")
    assert contains(write(plane, namespace, example["spec"])["spec"], example["spec"])


DOCUMENTED = {
    "selector": {"key1": "value1"},
    "strategy": "prefer",
    "units": [
        {
            "resource": "ecs",
            "nodeSelector": {"unit": "first"},
            "podLabels": {"key1": "value1"},
            "podAnnotations": {"key1": "value1"},
        },
        {"resource": "ecs", "nodeSelector": {"unit": "second"}, "max": 10},
        {"resource": "acs", "podLabels": {"alibabacloud.com/compute-class": "gpu"}},
        {"resource": "eci", "maxResources": {"nvidia.com/gpu": 2, "cpu": "4", "memory": "8Gi"}},
    ],
    "preemptPolicy": "AfterAllUnits",
    "ignorePreviousPod": False,
    "ignoreTerminatingPod": True,
    "matchLabelKeys": ["pod-template-hash"],
    "whenTryNextUnits": {"policy": "TimeoutOrExceedMax", "timeout": "1m"},
}


def test_everything_that_ack_documents_fits_one_policy(plane: ControlPlane, namespace: str) -> None:
    assert write(plane, namespace, DOCUMENTED)["spec"] == DOCUMENTED


@pytest.mark.parametrize("spelling", ["LackResourceAndNoTerminating", "LackResourceAndNoterminating"])
def test_both_spellings_are_stored_as_written(plane: ControlPlane, namespace: str, spelling: str) -> None:
    """O6: ACK's documentation has one, its Go types have the other."""
    stored = write(plane, namespace, overflow(policy=spelling))
    assert stored["spec"]["whenTryNextUnits"]["policy"] == spelling


def test_the_undocumented_fields_are_kept(plane: ControlPlane, namespace: str) -> None:
    """M7, under strict validation: they are part of the schema."""
    spec = {
        "consumerRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "units": [{"resource": "ecs", "spotInstance": True, "scaleInWeight": -5}],
    }
    assert contains(write(plane, namespace, spec)["spec"], spec)


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        pytest.param(
            {"units": [{"maxResource": {"cpu": "1"}}]},
            "spec.units[0].maxResource",
            id="O2: a cap that would silently not exist",
        ),
        pytest.param({"units": [ECS], "matchLabelKey": ["app"]}, "spec.matchLabelKey", id="C2: in the spec"),
        pytest.param(overflow(timeOut="15m"), "spec.whenTryNextUnits.timeOut", id="O5: in whenTryNextUnits"),
    ],
)
def test_a_misspelt_field_is_reported_and_never_kept(
    plane: ControlPlane, namespace: str, spec: Json, place: str
) -> None:
    """Strict validation is what kubectl asks for; without it the field is dropped."""
    with pytest.raises(ApiError, match="unknown field") as refused:
        write(plane, namespace, spec)
    assert place in refused.value.message
    stored = write(plane, namespace, spec, validation="Ignore")
    assert place.rpartition(".")[2] not in str(stored["spec"])


def test_the_spec_cannot_be_left_out(plane: ControlPlane, namespace: str) -> None:
    with pytest.raises(ApiError, match="spec: Required value"):
        write(plane, namespace, None)


def test_status_is_written_beside_the_spec(plane: ControlPlane, namespace: str) -> None:
    """L5: all of its fields are stored, and none changes the generation."""
    created = plane.api.create(
        {
            "apiVersion": API_VERSION,
            "kind": "ResourcePolicy",
            "metadata": {"name": "policy", "namespace": namespace},
            "spec": {"units": [ECS]},
        }
    )
    status = {
        "observedGeneration": 1,
        "conditions": [
            {
                "type": "Accepted",
                "status": "True",
                "observedGeneration": 1,
                "lastTransitionTime": "2026-11-24T11:00:00Z",
                "reason": "Valid",
                "message": "",
            }
        ],
        "pending": 2,
        "placed": "1/4",
        "units": [
            {
                "index": 0,
                "resource": "ecs",
                "nodes": 2,
                "pods": 1,
                "max": 4,
                "left": {"pods": "3"},
                "capacity": {"nvidia.com/gpu": "8"},
                "free": {"nvidia.com/gpu": "7"},
                "asked": 0,
                "state": "Open",
                "reason": "HasRoom",
                "message": "1 of 4 pods",
            }
        ],
    }
    path = plane.api.path_of(created)
    written = plane.api.patch(f"{path}/status", {"status": status, "spec": {"strategy": "required"}})
    assert written["status"] == status
    assert written["spec"]["strategy"] == "prefer"
    assert written["metadata"]["generation"] == created["metadata"]["generation"]


def contains(whole: object, part: object) -> bool:
    """Whether `whole` is `part`, with at most fields added."""
    if isinstance(part, Mapping) and isinstance(whole, Mapping):
        return all(key in whole and contains(whole[key], part[key]) for key in part)
    if isinstance(part, list) and isinstance(whole, list):
        return len(whole) == len(part) and all(map(contains, whole, part))
    return whole == part


# kubectl explain, and its short name.


def test_explain_has_a_text_for_every_field(plane: ControlPlane) -> None:
    """What `kubectl explain` shows is the published OpenAPI, not the manifest."""
    published: Json = {}
    deadline = time.monotonic() + 30  # the apiserver publishes a new CRD after a moment
    name = "com.alibabacloud.scheduling.v1alpha1.ResourcePolicy"
    while name not in published and time.monotonic() < deadline:
        try:
            openapi = plane.api.get(f"/openapi/v3/apis/{API_VERSION}")
            published = openapi["components"]["schemas"]
        except ApiError:
            time.sleep(0.1)
    ours = published[name]["properties"]
    bare = [*undescribed(ours["spec"], "spec"), *undescribed(ours["status"], "status")]
    assert bare == []


def undescribed(schema: Json, place: str) -> Iterator[str]:
    if not schema.get("description"):
        yield place
    for name, child in schema.get("properties", {}).items():
        yield from undescribed(child, f"{place}.{name}")
    if "items" in schema:
        yield from undescribed(schema["items"], f"{place}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from undescribed(schema["additionalProperties"], f"{place}{{}}")


def test_the_short_name_is_rpol(plane: ControlPlane) -> None:
    resources = plane.api.get(f"/apis/{API_VERSION}")["resources"]
    names = {resource["name"]: resource.get("shortNames") for resource in resources}
    assert names["resourcepolicies"] == ["rpol"]


@pytest.mark.parametrize("name", ["deployment.yaml", "service.yaml"])
def test_what_runs_the_programs_is_valid_to_the_last_field(plane: ControlPlane, name: str) -> None:
    for document in documents(name):
        path = plane.api.collection_of(document)
        plane.api.request("POST", path, document, query={"dryRun": "All", "fieldValidation": "Strict"})


# Rights: what is not allowed here is denied.

EXTENDER, WATCHER = "resourcepolicy-extender", "resourcepolicy-watcher"
OURS, THEIRS, AUTOSCALER = "resourcepolicy", "default", "kube-system"
POLICIES = "scheduling.alibabacloud.com/resourcepolicies"
REQUESTS = "autoscaling.x-k8s.io/provisioningrequests"
LEASES = "coordination.k8s.io/leases"
EVENTS = "events.k8s.io/events"
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
READ = ("get", "list", "watch")

# Account, namespace, resource[:name], and the verbs allowed; every other verb of VERBS is denied.
RIGHTS = [
    (EXTENDER, "", "nodes", READ),
    (EXTENDER, THEIRS, "pods", (*READ, "patch")),
    (EXTENDER, THEIRS, "pods/status", ()),
    (EXTENDER, THEIRS, "pods/binding", ()),
    (EXTENDER, THEIRS, "pods/eviction", ()),
    (EXTENDER, THEIRS, POLICIES, READ),
    (EXTENDER, THEIRS, f"{POLICIES}/status", ()),
    (EXTENDER, THEIRS, "secrets", ()),
    (EXTENDER, OURS, "secrets", ()),
    (EXTENDER, THEIRS, EVENTS, ()),
    (EXTENDER, OURS, LEASES, ("create",)),
    (EXTENDER, OURS, f"{LEASES}:resourcepolicy-extender", ("get", "create", "update")),
    (EXTENDER, OURS, f"{LEASES}:another", ("create",)),
    (EXTENDER, OURS, REQUESTS, ()),
    (EXTENDER, AUTOSCALER, "configmaps:cluster-autoscaler-status", ()),
    (WATCHER, "", "nodes", READ),
    (WATCHER, "", "nodes/status", ()),
    (WATCHER, THEIRS, "pods", (*READ, "patch")),
    (WATCHER, THEIRS, "pods/status", ()),
    (WATCHER, THEIRS, "pods/eviction", ()),
    (WATCHER, THEIRS, POLICIES, READ),
    (WATCHER, THEIRS, f"{POLICIES}/status", ("patch",)),
    (WATCHER, THEIRS, "secrets", ()),
    (WATCHER, OURS, "secrets", ()),
    (WATCHER, THEIRS, EVENTS, ("create", "patch")),
    (WATCHER, THEIRS, "apps/replicasets", ("get",)),
    (WATCHER, THEIRS, "apps/statefulsets", ("get",)),
    (WATCHER, THEIRS, "apps/daemonsets", ("get",)),
    (WATCHER, THEIRS, "batch/jobs", ("get",)),
    (WATCHER, AUTOSCALER, "configmaps:cluster-autoscaler-status", READ),
    (WATCHER, AUTOSCALER, "configmaps:kubeadm-config", ()),
    (WATCHER, AUTOSCALER, "configmaps", ()),
    (WATCHER, OURS, "configmaps:cluster-autoscaler-status", ()),
    (WATCHER, OURS, REQUESTS, (*READ, "create", "delete")),
    (WATCHER, THEIRS, REQUESTS, ()),
    (WATCHER, OURS, "podtemplates", ("get", "list", "create", "delete")),
    (WATCHER, THEIRS, "podtemplates", ()),
    (WATCHER, OURS, LEASES, ("create",)),
    (WATCHER, OURS, f"{LEASES}:resourcepolicy-watcher", ("get", "create", "update")),
    (WATCHER, OURS, f"{LEASES}:another", ("create",)),
    (WATCHER, AUTOSCALER, LEASES, ()),
    (WATCHER, OURS, "deployments", ()),
]


@pytest.mark.parametrize(
    ("account", "namespace_asked", "resource", "verbs"),
    [pytest.param(*row, id=f"{row[0]} on {row[2]} in {row[1] or 'the cluster'}: {row[3]}") for row in RIGHTS],
)
def test_an_account_may_do_what_is_listed_and_nothing_else(
    plane: ControlPlane,
    account: str,
    namespace_asked: str,
    resource: str,
    verbs: tuple[str, ...],
) -> None:
    allowed = [verb for verb in VERBS if may(plane, account, verb, namespace_asked, resource)]
    assert set(allowed) == set(verbs)


def may(plane: ControlPlane, account: str, verb: str, namespace: str, resource: str) -> bool:
    path, _, name = resource.partition(":")
    head, _, tail = path.partition("/")
    # `pods/status` is a subresource, `apps/replicasets` a group and its resource.
    group, rest = (head, tail) if "." in head or head in ("apps", "batch") else ("", path)
    plural, _, subresource = rest.partition("/")
    review = plane.api.create(
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "metadata": {},
            "spec": {
                "user": f"system:serviceaccount:{OURS}:{account}",
                "groups": ["system:serviceaccounts", "system:authenticated"],
                "resourceAttributes": {
                    "verb": verb,
                    "namespace": namespace,
                    "group": group,
                    "resource": plural,
                    "subresource": subresource,
                    "name": name,
                },
            },
        }
    )
    allowed: bool = review["status"]["allowed"]
    return allowed


# Virtual nodes.

TOLERATION = {"key": "virtual-kubelet.io/provider", "operator": "Exists", "effect": "NoSchedule"}


@pytest.fixture
def _tolerated(plane: ControlPlane) -> Iterator[None]:
    manifests = documents("virtual-node-toleration.yaml")
    plane.api.apply(manifests)
    yield
    for manifest in reversed(manifests):
        plane.api.delete(plane.api.path_of(manifest))


def pod(namespace: str, **labels: str) -> Json:
    container = {"name": "c", "image": "x"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pod", "namespace": namespace, "labels": labels},
        "spec": {"containers": [container], "schedulerName": "nobody"},
    }


def tolerated(plane: ControlPlane, body: Json) -> bool:
    path = plane.api.collection_of(body)
    created = plane.api.request("POST", path, body, query={"dryRun": "All"})
    return TOLERATION in created["spec"].get("tolerations", [])


def policy_object(namespace: str, spec: Json) -> Json:
    metadata = {"name": "policy", "namespace": namespace}
    return {"apiVersion": API_VERSION, "kind": "ResourcePolicy", "metadata": metadata, "spec": spec}


@pytest.mark.usefixtures("_tolerated")
def test_pods_of_a_policy_with_a_virtual_unit_tolerate_virtual_nodes(
    plane: ControlPlane, namespace: str
) -> None:
    """L7: ACK's scheduler does it invisibly; only governed pods get it, and none gets it twice."""
    expressions = [{"key": "tier", "operator": "NotIn", "values": ["bronze"]}]
    spec = {"selector": {"app": "web"}, "matchExpressions": expressions, "units": [ECS, {"resource": "eci"}]}
    plane.api.create(policy_object(namespace, spec))
    deadline = time.monotonic() + 30  # admission learns of policies and parameters by a watch
    while not tolerated(plane, pod(namespace, app="web")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert tolerated(plane, pod(namespace, app="web", tier="gold"))
    assert not tolerated(plane, pod(namespace, app="web", tier="bronze"))
    assert not tolerated(plane, pod(namespace, app="other"))
    assert not tolerated(plane, pod(namespace))
    assert not tolerated(plane, pod("default", app="web"))
    with_own = pod(namespace, app="web")
    with_own["spec"]["tolerations"] = [{"key": "gpu", "operator": "Exists"}, TOLERATION]
    created = plane.api.create(with_own)
    assert created["spec"]["tolerations"].count(TOLERATION) == 1


@pytest.mark.usefixtures("_tolerated")
def test_pods_of_a_policy_without_a_virtual_unit_do_not(plane: ControlPlane, namespace: str) -> None:
    """L7: known to hold once a policy beside it, with such a unit, has had its effect."""
    plane.api.create(policy_object(namespace, {"selector": {"app": "a"}, "units": [ECS]}))
    virtual = policy_object(namespace, {"selector": {"app": "b"}, "units": [{"resource": "acs"}]})
    virtual["metadata"]["name"] = "virtual"
    plane.api.create(virtual)
    deadline = time.monotonic() + 30
    while not tolerated(plane, pod(namespace, app="b")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert tolerated(plane, pod(namespace, app="b"))
    assert not tolerated(plane, pod(namespace, app="a"))
