"""Nodes, pods and policies get from an API server into the cache; invalid ones say why."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.cache.cache import Cache
from cluster.cache.informers import Informers, _policy_of
from cluster.cache.pod_change_queue import PodChangeQueue
from cluster.kube.client import connect
from policy.api.options import NodeKinds
from policy.api.resourcepolicy import RejectedPolicy, ResourcePolicy
from tests.fake_apiserver import FakeApiServer

POLICIES = "/apis/scheduling.alibabacloud.com/v1alpha1/resourcepolicies"
DEADLINE = 10.0


class Joint:
    """A fake API server and a cache that follows it."""

    def __init__(self, api: FakeApiServer, cache: Cache, informers: Informers, news: PodChangeQueue) -> None:
        self.api = api
        self.cache = cache
        self.informers = informers
        self.news = news

    def put_pod(self, name: str, uid: str, **fields: object) -> None:
        metadata = {"name": name, "namespace": "default", "uid": uid}
        self.api.put("/api/v1/pods", "default", name, metadata=metadata, **fields)

    def await_synced(self) -> None:
        deadline = monotonic() + DEADLINE
        while not self.informers.synced():
            assert monotonic() < deadline

    def seen(self) -> dict[str, list[str]]:
        with self.cache.lock:
            return {
                "nodes": sorted(self.cache.nodes),
                "pods": sorted(pod.uid for pod in self.cache.pods()),
                "policies": sorted(policy.key for policy in self.cache.policies),
                "rejected": sorted(rejected.key for rejected in self.cache.policies.rejected()),
            }

    def comes_to(self, **expected: list[str]) -> None:
        deadline = monotonic() + DEADLINE
        while (seen := {key: self.seen()[key] for key in expected}) != expected:
            assert monotonic() < deadline, seen


@pytest.fixture
def joint(tmp_path: Path) -> Iterator[Joint]:
    with FakeApiServer() as api, closing(connect(api.kubeconfig(tmp_path))) as connection:
        cache = Cache(lambda: 0.0, NodeKinds(), reservation_seconds=600.0, remembers_since=0.0)
        news = PodChangeQueue()
        informers = Informers(connection, cache, news)
        yield Joint(api, cache, informers, news)
        informers.stop()


def test_what_is_listed_and_what_changes_arrives(joint: Joint) -> None:
    joint.api.put("/api/v1/nodes", "", "n-1", metadata={"name": "n-1"})
    joint.put_pod("a", "uid-a")
    joint.api.put(POLICIES, "default", "policy", spec={"units": [{}]})
    assert not joint.informers.synced()
    joint.informers.start()
    joint.comes_to(nodes=["n-1"], pods=["uid-a"], policies=["default/policy"])
    joint.await_synced()
    joint.api.put("/api/v1/nodes", "", "n-2", metadata={"name": "n-2"})
    joint.put_pod("b", "uid-b")
    joint.api.delete("/api/v1/pods", "default", "a")
    joint.api.delete("/api/v1/nodes", "", "n-1")
    joint.api.delete(POLICIES, "default", "policy")
    joint.comes_to(nodes=["n-2"], pods=["uid-b"], policies=[])


def test_who_acts_on_pods_is_told_of_each_once_the_cache_knows_it(joint: Joint) -> None:
    joint.informers.start()
    joint.await_synced()
    joint.put_pod("a", "uid-a")
    joint.news.wait(DEADLINE)
    assert [pod.uid for pod in joint.news.take() or ()] == ["uid-a"]
    assert joint.seen()["pods"] == ["uid-a"]
    assert not joint.news.take()
    joint.api.put(POLICIES, "default", "policy", spec={"units": [{}]})
    joint.news.wait(DEADLINE)
    assert joint.news.take() is None, "a policy concerns every pod"


def test_what_is_gone_when_it_is_listed_again_is_gone(joint: Joint) -> None:
    joint.put_pod("a", "uid-a")
    joint.api.put("/api/v1/nodes", "", "n-1", metadata={"name": "n-1"})
    joint.informers.start()
    joint.comes_to(nodes=["n-1"], pods=["uid-a"])
    with joint.api.changed:  # the watch hears of none of this
        joint.api.delete("/api/v1/pods", "default", "a")
        joint.api.delete("/api/v1/nodes", "", "n-1")
        joint.api.compact()
        joint.api.drop_watches()
    joint.comes_to(nodes=[], pods=[])


def test_an_invalid_policy_is_rejected_and_its_former_text_stays_in_force(joint: Joint) -> None:
    """M6."""
    joint.api.put(POLICIES, "default", "policy", spec={"units": [{"max": 1}]})
    joint.informers.start()
    joint.comes_to(policies=["default/policy"], rejected=[])
    joint.api.put(POLICIES, "default", "policy", spec={"units": [{"max": -1}], "strategy": "x"})
    joint.comes_to(policies=["default/policy"], rejected=["default/policy"])
    (rejected,) = joint.cache.policies.rejected()
    assert [error.partition(":")[0] for error in rejected.errors] == ["spec.units[0].max", "spec.strategy"]
    joint.api.put(POLICIES, "default", "policy", spec={"units": [{"max": 2}]})
    joint.comes_to(policies=["default/policy"], rejected=[])
    (policy,) = joint.cache.policies
    assert policy.units[0].max == 2


def test_an_invalid_policy_that_is_deleted_is_forgotten(joint: Joint) -> None:
    joint.api.put(POLICIES, "default", "policy", spec={"units": []})
    joint.informers.start()
    joint.comes_to(policies=[], rejected=["default/policy"])
    joint.api.delete(POLICIES, "default", "policy")
    joint.comes_to(rejected=[])


def test_what_cannot_be_read_keeps_nothing_else_out(joint: Joint) -> None:
    joint.put_pod("bad", "", status={})
    joint.put_pod("good", "uid-good")
    joint.api.put(
        "/api/v1/nodes", "", "n-1", metadata={"name": "n-1"}, status={"allocatable": {"cpu": "much"}}
    )
    joint.api.put("/api/v1/nodes", "", "n-2", metadata={"name": "n-2"})
    joint.informers.start()
    joint.comes_to(pods=["uid-good"], nodes=["n-2"])


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)
keys = st.sampled_from([
    "units", "selector", "matchExpressions", "strategy", "preemptPolicy", "ignorePreviousPod",
    "whenTryNextUnits", "matchLabelKeys", "consumerRef", "namespace", "name", "created", "generation",
])  # fmt: skip
expressions = st.dictionaries(st.sampled_from(["key", "operator", "values"]), values)
timeouts = st.dictionaries(st.sampled_from(["policy", "timeout"]), values)
units = st.dictionaries(
    st.sampled_from(["resource", "max", "maxResources", "nodeSelector", "podLabels", "podAnnotations"]),
    values,
)
specs = st.dictionaries(
    keys, values | st.lists(units, max_size=2) | st.lists(expressions, max_size=2) | timeouts
)


@given(spec=specs | values, metadata=st.fixed_dictionaries({}, optional={"creationTimestamp": values}))
def test_whatever_a_user_wrote_is_a_policy_or_rejected(spec: object, metadata: dict[str, Any]) -> None:
    """Another exception would end the thread that follows the policies."""
    manifest = {"metadata": {"namespace": "default", "name": "policy", **metadata}, "spec": spec}
    read = _policy_of(manifest)
    assert isinstance(read, ResourcePolicy | RejectedPolicy)
    assert read.key == "default/policy"
    if isinstance(read, RejectedPolicy):
        assert all(read.errors)
        assert read.errors
