"""Reading what kubectl prints, thinned: nothing that a rule reads is lost, whatever stands beside it.

Nothing here is about rules; the JSON of the same objects, which is not thinned, is what is compared with.
"""

import json
from typing import Any

import pytest
import yaml

from cli.cluster.fast_yaml import load, thinned
from cli.cluster.snapshot import cluster_in
from tests.unit.cli.snapshots import a_cluster, a_node, a_pod, a_policy

Json = dict[str, Any]

PROBE = {"httpGet": {"path": "/healthz", "port": 8080}}
TEXT = "first: line\n- second\n\n  env:\n    - third\n"
CONTAINERS: list[Json] = [
    {"args": ["--a", TEXT], "image": "x", "name": "c", "resources": {"requests": {"cpu": "1"}}},
    {"command": ["sh", "-c", TEXT], "env": [{"name": "A", "value": TEXT}], "name": "d"},
    {"env": [{"name": "resources", "valueFrom": {"fieldRef": {"fieldPath": "a"}}}], "name": "e"},
    {"livenessProbe": PROBE, "name": "f", "resources": {"requests": {"nvidia.com/gpu": "1"}}},
    {"name": "g", "ports": [{"containerPort": 1}], "resources": {"limits": {"memory": "1Gi"}}},
]
"""Of each kind of first key, in kubectl's order of keys."""


def a_full_pod(name: str, **fields: object) -> Json:
    pod = a_pod(name, "n1", labels={"env": "production", "volumes": "many"}, annotations={"args": TEXT})
    pod["spec"] |= {"containers": CONTAINERS, "initContainers": CONTAINERS[1:3], "volumes": [{"name": "v"}]}
    pod["spec"] |= {"tolerations": [{"effect": "NoSchedule", "key": "env"}], **fields}
    pod["metadata"]["managedFields"] = [{"fieldsV1": {"f:spec": {"f:env": {}}}, "manager": "m"}]
    pod["status"]["containerStatuses"] = [{"env": TEXT, "name": "c"}]
    return pod


LISTED = a_cluster(
    a_node("n1", "dc", labels={"images": "none"}, taints=[{"effect": "NoSchedule", "key": "env"}]),
    a_full_pod("p1"),
    a_full_pod("p2", nodeSelector={"command": "x"}, overhead={"cpu": "1"}),
    a_policy({"nodeSelector": {"env": "a"}}),
)
CLUSTER: Json = json.loads(json.dumps(LISTED))  # no part twice, which YAML would write as an alias
CUT = ("valueFrom", "healthz", "containerPort", "fieldsV1", "containerStatuses", "--a")
"""What stands in the text of it, and in no rule."""


def test_what_rules_read_is_all_there() -> None:
    text = yaml.safe_dump(CLUSTER).encode()
    assert [word for word in CUT if word.encode() in thinned(text)] == []
    assert [word for word in CUT if word.encode() not in text] == []
    assert cluster_in("f", text) == cluster_in("f", json.dumps(CLUSTER).encode())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("kind: List\nitems: []\n", id="a list that somebody else wrote"),
        pytest.param(yaml.safe_dump(CLUSTER, indent=4), id="indented by four"),
        pytest.param(json.dumps(CLUSTER), id="JSON"),
    ],
)
def test_what_is_written_otherwise_is_left_as_it_is(text: str) -> None:
    assert load(text.encode()) == [yaml.safe_load(text)]
