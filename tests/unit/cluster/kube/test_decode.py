"""Pods and nodes as the API server writes them, decoded: conditions, times and quantities."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from cluster.kube.decode import NodeObject, PodObject, node_of, pod_of
from policy.api.node_affinity import Terms
from policy.api.objects import EMPTY, Effect, Node, Owner, Pod, Taint, Toleration
from tests.builders import amounts

Json = Mapping[str, Any]
METADATA = {"name": "a", "namespace": "default", "uid": "u"}
T = "2026-11-24T12:00:00Z"
SECONDS = 1_795_521_600.0


def pod(**fields: object) -> Pod:
    return pod_of(msgspec.json.decode(msgspec.json.encode({"metadata": METADATA, **fields}), type=PodObject))


def node(**fields: object) -> Node:
    written = {"metadata": {"name": "n"}, **fields}
    return node_of(msgspec.json.decode(msgspec.json.encode(written), type=NodeObject))


def condition(status: str, reason: str = "", kind: str = "PodScheduled") -> Json:
    return {"conditions": [{"type": kind, "status": status, "reason": reason, "lastTransitionTime": T}]}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param({}, (None, None, False), id="nobody has looked at it"),
        pytest.param(condition("True"), (SECONDS, None, False), id="bound"),
        pytest.param(condition("False", "Unschedulable"), (None, SECONDS, True), id="refused"),
        pytest.param(condition("False", "SchedulerError"), (None, SECONDS, False), id="failed by an error"),
        pytest.param(
            condition("False", "SchedulingGated"), (None, None, False), id="held by a gate: no wait runs"
        ),
        pytest.param(condition("Unknown"), (None, None, False), id="unknown"),
        pytest.param(condition("False", "Unschedulable", "Ready"), (None, None, False), id="another"),
    ],
)
def test_what_the_scheduler_said_of_a_pod(
    status: Json, expected: tuple[float | None, float | None, bool]
) -> None:
    read = pod(status=status)
    assert (read.bound_at, read.unscheduled_since, read.unschedulable) == expected


@pytest.mark.parametrize(
    ("gates", "gated"),
    [
        pytest.param([{"name": "queue"}], True, id="one is left"),
        pytest.param([], False, id="the last has gone, and the scheduler has not written yet"),
        pytest.param(None, False, id="there is none"),
    ],
)
def test_a_pod_is_gated_by_its_gates(gates: list[Json] | None, *, gated: bool) -> None:
    """C7: without one it may be on its way, whatever its status still says."""
    read = pod(spec={"schedulingGates": gates}, status=condition("False", "SchedulingGated"))
    assert (read.gated, read.unscheduled_since) == (gated, None)


def test_the_fields_that_rules_read() -> None:
    read = pod(
        metadata={**METADATA, "creationTimestamp": T, "deletionTimestamp": T, "labels": {"a": "b"}},
        spec={
            "nodeName": "n",
            "nodeSelector": {"pool": "dc"},
            "priority": 7,
            "preemptionPolicy": "Never",
            "tolerations": [{"key": "k", "operator": "Exists"}, {}],
        },
        status={"phase": "Running", "nominatedNodeName": "m"},
    )
    assert (read.created, read.terminating, read.labels) == (SECONDS, True, {"a": "b"})
    assert (read.node_name, read.node_selector, read.nominated_node) == ("n", {"pool": "dc"}, "m")
    assert (read.priority, read.preempts) == (7, False)
    assert read.tolerations == (Toleration("k", "Exists"), Toleration())
    assert not read.finished


@pytest.mark.parametrize(
    ("affinity", "expected"),
    [
        pytest.param({}, (), id="of another sort"),
        pytest.param(
            {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}, (), id="a wish"
        ),
        pytest.param(
            {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["a"]}]},
                            {"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["n"]}]},
                        ]
                    }
                }
            },
            (
                Terms((("pool", "In", ("a",)),)),
                Terms((), (("metadata.name", "NotIn", ("n",)),)),
            ),
            id="a demand",
        ),
    ],
)
def test_the_node_affinity_that_is_required(affinity: Json, expected: tuple[Terms, ...]) -> None:
    assert pod(spec={"affinity": affinity}).affinity == expected


def test_what_kubectl_applied_is_not_kept() -> None:
    """It is as large as the pod, and no rule can mean it."""
    applied = "kubectl.kubernetes.io/last-applied-configuration"
    assert pod(metadata={**METADATA, "annotations": {applied: "{}", "a": "b"}}).annotations == {"a": "b"}


def test_pods_without_labels_share_one_empty_mapping() -> None:
    """50,000 of them are kept."""
    bare = pod(spec={"containers": [{}]})
    mappings: list[object] = [bare.labels, bare.annotations, bare.requests, node().labels]
    assert [mapping is EMPTY for mapping in mappings] == [True] * 4


@pytest.mark.parametrize(
    ("spec", "requests"),
    [
        pytest.param({"containers": [{}]}, {}, id="none"),
        pytest.param(
            {"containers": [{"resources": {"requests": {"cpu": 1, "memory": 1.5}}}]},
            {"cpu": "1", "memory": "1.5"},
            id="numbers for texts",
        ),
        pytest.param(
            {"containers": [{"resources": {"requests": {"cpu": "1"}}}] * 2}, {"cpu": "2"}, id="two containers"
        ),
        pytest.param(
            {
                "containers": [{"resources": {"requests": {"cpu": "1"}}}],
                "initContainers": [{"resources": {"requests": {"cpu": "3"}}}],
            },
            {"cpu": "3"},
            id="an init container that needs more",
        ),
        pytest.param(
            {
                "containers": [{"resources": {"requests": {"cpu": "1"}}}],
                "initContainers": [{"resources": {"requests": {"cpu": "3"}}, "restartPolicy": "Always"}],
            },
            {"cpu": "4"},
            id="a sidecar",
        ),
        pytest.param(
            {
                "containers": [{"resources": {"requests": {"cpu": "1"}}}],
                "resources": {"requests": {"cpu": "5"}},
                "overhead": {"cpu": "500m"},
            },
            {"cpu": "5500m"},
            id="the pod's own figure, and overhead",
        ),
    ],
)
def test_requests_are_those_of_the_scheduler(spec: Json, requests: dict[str, str]) -> None:
    assert dict(pod(spec=spec).requests) == amounts(requests)


def test_a_node() -> None:
    read = node(
        metadata={"name": "n", "labels": {"pool": "dc"}, "annotations": {"a": "b"}},
        spec={"taints": [{"key": "k", "effect": "NoSchedule"}], "unschedulable": True},
        status={"allocatable": {"cpu": "8", "pods": 110}, **condition("True", kind="Ready")},
    )
    assert read == Node(
        "n",
        labels={"pool": "dc"},
        taints=(Taint("k", "", Effect.NO_SCHEDULE),),
        allocatable=amounts({"cpu": "8", "pods": "110"}),
        unschedulable=True,
    )
    assert read.annotations == {"a": "b"}


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        pytest.param({}, False, id="nothing heard of it"),
        pytest.param(condition("True", kind="Ready"), True, id="ready"),
        pytest.param(condition("False", kind="Ready"), False, id="not ready"),
        pytest.param(condition("Unknown", kind="Ready"), False, id="lost"),
        pytest.param(condition("True", kind="DiskPressure"), False, id="another condition"),
    ],
)
def test_a_node_is_ready_once_it_says_so(status: Json, *, ready: bool) -> None:
    assert node(status=status).ready is ready


def test_a_node_without_a_name_is_none() -> None:
    with pytest.raises(ValueError, match=r"metadata\.name"):
        node(metadata={})


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        pytest.param(None, None, id="none"),
        pytest.param([{"kind": "Node", "name": "n"}], None, id="an owner that is no controller"),
        pytest.param(
            [
                {"kind": "Node", "name": "n", "controller": False},
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": "web",
                    "uid": "o",
                    "controller": True,
                },
            ],
            Owner("apps/v1", "ReplicaSet", "web", "o"),
            id="the one that controls",
        ),
    ],
)
def test_the_controller_of_a_pod(references: list[Json] | None, expected: Owner | None) -> None:
    assert pod(metadata={**METADATA, "ownerReferences": references}).owner == expected
