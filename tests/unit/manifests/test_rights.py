"""RBAC: the rights are those listed here, each with its reason, and no others."""

import pytest

from tests.unit.manifests.shipped import MANIFESTS, RBAC, READER, ROLES, SERVICE, identity

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
