"""Where a lint rule stops: what the examples of docs/lint.md do not show.

A row is a text and the codes that are found in it; ids say why. That no document makes lint fail is searched
for at the end.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cli.errors import CommandError
from cli.manifests.workloads import workloads_in
from policy.lint.documents import Document, LintInput, Location, Position, Workload, spelled
from policy.lint.engine import lint
from policy.lint.findings import Code, Severity
from tests.builders import a_node, a_pod, a_policy, a_snapshot, a_unit
from tests.unit.cli.lint.examples import EXAMPLES, found_in

Json = dict[str, Any]

OWN = {"nodeSelector": {"pool": "own"}}
CLOUD = {"nodeSelector": {"pool": "cloud"}}
WAITS = {"podLabels": {"k8s.aliyun.com/resource-policy-wait-for-ecs-scaling": "true"}}


def policy(*units: Json, name: str = "web", **spec: object) -> str:
    manifest = {
        "apiVersion": "scheduling.alibabacloud.com/v1alpha1",
        "kind": "ResourcePolicy",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"app": "web"}, "units": list(units or (OWN, CLOUD)), **spec},
    }
    return yaml.safe_dump(manifest)


def workload(kind: str, labels: Mapping[str, str] | None = None, **spec: object) -> str:
    pod = {"metadata": {"labels": {"app": "web", **(labels or {})}}, "spec": {"containers": []}}
    template = {"jobTemplate": {"spec": {"template": pod}}} if kind == "CronJob" else {"template": pod}
    metadata = {"name": "web", "namespace": "default"}
    return yaml.safe_dump({"kind": kind, "metadata": metadata, "spec": {**template, **spec}})


def both(*texts: str) -> str:
    return "---\n".join(texts)


def when(mode: str, timeout: str = "") -> Json:
    return {"whenTryNextUnits": {"policy": mode, **({"timeout": timeout} if timeout else {})}}


CAPPED = {**OWN, "max": 2}
GROUPED = policy(CAPPED, CLOUD, matchLabelKeys=["pod-template-hash"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(policy(), [], id="two units that do not overlap are fine"),
        pytest.param(
            policy(OWN, {"resource": "elastic", **CLOUD}), [], id="U4: an elastic last unit is fine"
        ),
        pytest.param(
            policy({**CAPPED, **WAITS}, CLOUD, **when("ExceedMax")),
            ["RP010"],
            id="O4: a unit that gets nodes may be waited in without limit",
        ),
        pytest.param(policy(**when("ExceedMax")), ["RP020"], id="O4: ExceedMax without any cap never waits"),
        pytest.param(
            policy(OWN, **when("ExceedMax")), [], id="one unit alone is never left, whatever the mode"
        ),
        pytest.param(
            policy({**OWN, **WAITS}, {**CLOUD, **WAITS}, **when("Timeout", "1m")),
            ["RP022"],
            id="O7: Timeout has a timer, too",
        ),
        pytest.param(
            policy(OWN, {**CLOUD, **WAITS}, **when("Timeout", "1m")),
            [],
            id="O7: only a unit that is left early matters, not the last",
        ),
        pytest.param(
            policy({**OWN, **WAITS}, CLOUD, **when("LackResourceAndNoterminating")),
            ["RP023"],
            id="O6: in either spelling",
        ),
        pytest.param(
            policy({**OWN, "maxResources": {"cpu": 0}}, CLOUD),
            ["RP014"],
            id="O2: maxResources of 0 never opens",
        ),
        pytest.param(
            policy({"resource": "acs", "podLabels": {"class": "a"}}, {"resource": "acs"}),
            ["RP032"],
            id="acs units on the same nodes differ in what they write",
        ),
        pytest.param(
            policy({"resource": "ecs"}, {"resource": "elastic"}),
            [],
            id="U4: the same nodes, and then waiting for more of them",
        ),
        pytest.param(
            policy(CAPPED, {"nodeSelector": {"pool": "own", "zone": "a"}}),
            ["RP013"],
            id="U5: a narrower unit after a capped one goes around the cap, too",
        ),
        pytest.param(
            policy({**OWN, "podLabels": {"app": "web"}}, CLOUD), [], id="L1: the same value changes nothing"
        ),
        pytest.param(
            policy({**OWN, "podLabels": {"app": "x"}}, CLOUD), ["RP031"], id="L1: the policy's own selector"
        ),
        pytest.param(both(GROUPED, workload("Deployment")), [], id="C2: Deployments add pod-template-hash"),
        pytest.param(both(GROUPED, workload("StatefulSet")), ["RP030"], id="C2: StatefulSets do not"),
        pytest.param(both(GROUPED, workload("CronJob")), ["RP030"], id="C2: nor do CronJobs"),
        pytest.param(
            both(policy(CAPPED, CLOUD, matchLabelKeys=["job-name"]), workload("Job")),
            [],
            id="C2: Jobs add job-name",
        ),
        pytest.param(
            both(
                policy(CAPPED, CLOUD, matchLabelKeys=["batch.kubernetes.io/job-completion-index"]),
                workload("Job", completionMode="Indexed"),
            ),
            [],
            id="C2: Indexed Jobs add the index",
        ),
        pytest.param(
            both(
                policy(),
                workload(
                    "Deployment",
                    selector={
                        "matchExpressions": [{"key": "alibabacloud.com/compute-qos", "operator": "Exists"}]
                    },
                ),
            ),
            ["RP031"],
            id="L1: ACK rewrites compute-qos, which no workload may select by",
        ),
        pytest.param(
            both(
                policy({**OWN, "podLabels": {"tier": "x"}}, CLOUD),
                workload("ReplicationController", {"tier": "z"}, selector={"tier": "z"}),
            ),
            ["RP031"],
            id="L1: a ReplicationController selects by a plain map",
        ),
        pytest.param(
            both(policy(), policy(name="b", selector={"app": "web", "tier": "x"})),
            ["RP040"],
            id="M4: a narrower selector is within the wider one",
        ),
        pytest.param(
            both(policy(), policy(name="b", selector={"tier": "x"})),
            [],
            id="M4: selectors that may or may not meet are no finding without a pod",
        ),
        pytest.param(
            both(policy(), policy(name="b", selector={"tier": "x"}), workload("Job", {"tier": "x"})),
            ["RP040"],
            id="M4: a workload that both select is one",
        ),
        pytest.param(
            policy(selector={}, matchExpressions=[{"key": "app", "operator": "Exists"}]),
            [],
            id="M3: matchExpressions select, too",
        ),
        pytest.param(
            both(policy(OWN, {"resource": "eci"}), "kind: MutatingAdmissionPolicy\n"),
            [],
            id="L7: the toleration may be admitted",
        ),
        pytest.param(
            "kind: ResourcePolicy\napiVersion: other.io/v1\n", [], id="another project's ResourcePolicy"
        ),
        pytest.param(both(policy(), policy(selector={"app": "x"})), ["RP008"], id="M1: a copy"),
        pytest.param("kind: ResourcePolicy\napiVersion: v1\n", ["RP007"], id="M6: no group is no project's"),
        pytest.param(
            "kind: ResourcePolicies\napiVersion: scheduling.alibabacloud.com/v1alpha1\n",
            ["RP007"],
            id="M6: the plural is no kind",
        ),
        pytest.param(
            policy({**OWN, "maxResources": {"gpu": 4}}, CLOUD), ["RP001"], id="O2: no pod requests plain gpu"
        ),
        pytest.param(
            policy({**OWN, "maxResources": {"nvidia.com/gpu": 4, "hugepages-2Mi": "1Gi", "cpu": 1}}, CLOUD),
            [],
            id="O2: what pods request may be capped",
        ),
        pytest.param(policy({**OWN, "max": "many"}, CLOUD), ["RP001"], id="M6: a fault hides other findings"),
        pytest.param(
            policy(selector={"app": "web"}, matchExpressions=[{"key": "a", "operator": "In"}]),
            ["RP001"],
            id="M3: an expression that cannot be",
        ),
    ],
)
def test_what_is_found(text: str, expected: list[str]) -> None:
    assert [str(finding.code) for finding in found_in(text)] == expected


@pytest.mark.parametrize(
    ("spec", "instead"),
    [
        pytest.param({"strategy": "prefered"}, "prefer or required", id="a word of few"),
        pytest.param({"units": {"max": 1}}, "units: [{nodeSelector: {…}}, …]", id="no list"),
        pytest.param({"units": []}, "units: [{nodeSelector: {…}}, …]", id="an empty list"),
        pytest.param({"units": [{"max": -1}]}, "a number greater than or equal to 0", id="O2: below 0"),
        pytest.param(
            {"units": [{"maxResources": {"cpu": "8 cores"}}]}, "for example 2, 500m", id="no quantity"
        ),
        pytest.param({"units": [{"nodeSelector": {"pool": 5}}]}, "a string", id="no string"),
        pytest.param(
            {"selector": {"matchLabels": {"app": "web"}}},
            "selector: {app: …}, without",
            id="M1: as Deployments",
        ),
        pytest.param({"matchExpressions": [{"key": "a"}]}, "operator: …", id="M3: a part is missing"),
        pytest.param(
            {"matchExpressions": [{"key": "a", "operator": "In"}]},
            "what the message names",
            id="M3: no values",
        ),
        pytest.param({"max": 3}, "max under a unit of spec.units", id="a unit's field outside units"),
        pytest.param(
            {"units": [{"strategy": "prefer"}]}, "strategy under spec", id="the policy's, in a unit"
        ),
    ],
)
def test_what_to_write_instead_is_said(spec: Json, instead: str) -> None:
    (finding,) = found_in(policy(**spec))
    assert finding.instead.startswith(instead)


def test_which_resource_is_no_quantity_is_said() -> None:
    (finding,) = found_in(policy({**OWN, "maxResources": {"cpu": 1, "nvidia.com/gpu": "4GPU"}}, CLOUD))
    assert "nvidia.com/gpu: '4GPU' is not a quantity" in finding.why


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param({}, [], id="M1: it has the labels"),
        pytest.param({"app": "wbe"}, [("RP041", Severity.INFO)], id="M1: a slip"),
    ],
)
def test_workloads_that_a_policy_misses_are_only_said(
    labels: Mapping[str, str], expected: list[tuple[str, Severity]]
) -> None:
    """They may be a part of what is there."""
    found = found_in(both(policy(), workload("Deployment", labels)))
    assert [(finding.code, finding.severity) for finding in found] == expected


def test_the_hint_on_virtual_nodes_is_a_warning_once_a_workload_lacks_the_toleration() -> None:
    units = (OWN, {"resource": "eci"})
    assert [f.severity for f in found_in(policy(*units))] == [Severity.INFO]
    assert [f.severity for f in found_in(both(policy(*units), workload("Job")))] == [Severity.WARNING]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param({"extenders": 5}, {"RP050", "RP051", "RP059"}, id="extenders that are no list"),
        pytest.param(
            {"profiles": [{"percentageOfNodesToScore": 10}], "percentageOfNodesToScore": 100},
            {"RP050", "RP051", "RP059"},
            id="E5: a profile's own percentage",
        ),
        pytest.param(
            {"extenders": [{"urlPrefix": "http://a:8888", "filterVerb": "f", "prioritizeVerb": "p"}]},
            {"RP051", "RP053", "RP054", "RP055", "RP056", "RP059"},
            id="a weight of 0 does not start",
        ),
        pytest.param(
            {"extenders": [{"urlPrefix": "http://a", "httpTimeout": "soon", "bindVerb": "bind"}]},
            {"RP051", "RP053", "RP054", "RP055", "RP059"},
            id="a time that is none",
        ),
        pytest.param(
            {"extenders": [{"urlPrefix": "http://a", "httpTimeout": "200ms", "filterVerb": "f"}]},
            {"RP051", "RP053", "RP054", "RP055", "RP059"},
            id="E11: a timeout below ours",
        ),
    ],
)
def test_what_is_found_in_a_scheduler_configuration(config: Json, expected: set[str]) -> None:
    found = found_in(yaml.safe_dump({"kind": "KubeSchedulerConfiguration", **config}))
    assert {str(finding.code) for finding in found} == expected


def test_a_policy_of_the_cluster_counts_as_one_that_may_govern() -> None:
    older = a_policy(a_unit("own"), name="older", selector={"app": "web"})
    newer = Document("web.yaml", yaml.safe_load(policy()))
    pod, nodes = a_pod(labels={"app": "web"}), [a_node("n1", "own"), a_node("n2", "cloud")]
    found = lint(LintInput([newer], snapshot=a_snapshot(older, pods=[pod], nodes=nodes)))
    assert [finding.code for finding in found] == [Code.TWO_POLICIES]
    assert "ResourcePolicy older selects the pod asking too" in found[0].why


def test_a_server_without_keep_alive_has_gunicorns_default() -> None:
    (finding,) = lint(LintInput(server=Document("gunicorn.conf.py", {})))
    assert "gunicorn's default of 2 s" in finding.why


def test_findings_are_in_the_order_of_the_file() -> None:
    text = policy({**CAPPED, **WAITS, "extra": 1}, {**CLOUD, "max": 0}, spares=2)
    positions = [finding.place.position for finding in found_in(text)]
    assert positions == sorted(positions)
    assert len(positions) == 6


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param((), "", id="the document"),
        pytest.param(("spec", "units", 0, "max"), "spec.units[0].max", id="an index"),
        pytest.param(("a", "b.c/d"), 'a["b.c/d"]', id="a key with dots"),
    ],
)
def test_a_path_is_spelled(path: tuple[str | int, ...], text: str) -> None:
    assert spelled(path) == text


def test_what_is_not_written_stands_where_its_parent_does() -> None:
    document = Document("f", {"spec": {}}, {(): Position(1, 1), ("spec",): Position(2, 3)})
    assert document.place("spec", "units", 0) == Location("f", "spec.units[0]", Position(2, 3))
    assert document.at("spec", "units", 0) is None


def test_a_workload_selects_by_nothing_where_its_selector_is_odd() -> None:
    for odd in ("text", ["list"], {"matchLabels": "text"}, {"matchExpressions": ["text"]}):
        document = Document("f", {"kind": "Deployment", "spec": {"selector": odd}})
        assert Workload(document, (), a_pod(), frozenset()).selects == frozenset()


ODD: st.SearchStrategy[object] = st.sampled_from(
    [None, True, 0, -1, 2.5, "", "x", [], [None], [{}], {}, {"x": 1}, {"app": None}]
)
TEXTS = [e.failing for e in EXAMPLES if e.language == "yaml"]


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield (*path, key)
        yield from places(child, (*path, key))


def changed(document: Json, path: tuple[str | int, ...], value: object) -> Json:
    copied = copy.deepcopy(document)
    inner: Any = copied
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return copied


@given(st.data())
def test_no_document_makes_lint_fail(data: st.DataObject) -> None:
    """Any value anywhere: a finding, a mistake that is told, or nothing."""
    documents = list(yaml.safe_load_all(data.draw(st.sampled_from(TEXTS))))
    number = data.draw(st.integers(0, len(documents) - 1))
    path = data.draw(st.sampled_from(list(places(documents[number]))))
    documents[number] = changed(documents[number], path, data.draw(ODD))
    try:
        findings = found_in(yaml.safe_dump_all(documents))
    except CommandError:
        return
    assert all(finding.why and finding.instead for finding in findings)


def test_a_pod_is_a_workload_of_its_own() -> None:
    document = Document("f", {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": []}})
    (found,) = workloads_in([document])
    assert (found.name, found.pod.name, found.template) == ("Pod p", "p", ())
