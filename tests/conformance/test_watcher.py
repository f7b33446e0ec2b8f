"""The real watcher beside the real cluster-autoscaler: which nodes are bought, when, and how often.

Owns a control plane of its own, as its autoscaler reads its groups once. Must not know how the watcher works.
Rules: W1 to W5, A1 to A10. The watcher runs with its own account and no more rights than manifests/rbac.yaml.
"""

import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, Self

import pytest
import yaml

from controlplane import ControlPlane, NodeGroup
from controlplane.autoscaler import GROUP_LABEL

Json = dict[str, Any]

MANIFESTS = Path(__file__).parents[2] / "manifests"
COMMAND = Path(sys.executable).with_name("resourcepolicy")
REQUESTS = "/apis/autoscaling.x-k8s.io/v1/namespaces/resourcepolicy/provisioningrequests"
TEMPLATES = "/api/v1/namespaces/resourcepolicy/podtemplates"
DELAY = "cluster-autoscaler.kubernetes.io/pod-scale-up-delay"
GPU = "nvidia.com/gpu"
QUIET = 4.0
"""Seconds without a purchase, some loops of the autoscaler, after which there will be none."""
GROUPS = [
    NodeGroup("near", {"pool": "near"}, gpus=1),
    NodeGroup("far", {"pool": "far"}, gpus=1),
    NodeGroup("slow", {"pool": "slow"}, gpus=1, boot_after="5s"),
    NodeGroup("small", {"pool": "small"}, gpus=1, max_count=2),
    NodeGroup("late", {"pool": "late"}, gpus=1, gpu_after="4s"),
]


@pytest.fixture(scope="module")
def bare() -> Iterator[ControlPlane]:
    """A plane with our manifests and the extender; no autoscaler, no ProvisioningRequests."""
    with ControlPlane() as plane:
        for name in ("namespace.yaml", "crd.yaml", "rbac.yaml"):
            plane.api.apply(yaml.safe_load_all((MANIFESTS / name).read_text()))
        host, port = plane.extender_address
        account = plane.service_account_kubeconfig("resourcepolicy", "resourcepolicy-extender")
        with running(plane, "serve", "--kubeconfig", str(account), "--bind", f"{host}:{port}"):
            yield plane


@pytest.fixture(scope="module")
def grown(bare: ControlPlane) -> ControlPlane:
    """The same with cluster-autoscaler and ProvisioningRequests."""
    bare.start_autoscaler(GROUPS)
    return bare


@contextmanager
def running(plane: ControlPlane, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with (plane.directory / f"{arguments[0]}-{secrets.token_hex(3)}.log").open("wb") as log:
        process = subprocess.Popen([COMMAND, *arguments], stdout=log, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


class Watcher:
    """`resourcepolicy watch`, with its account's rights only."""

    def __init__(self, plane: ControlPlane, settings: str = "") -> None:
        account = plane.service_account_kubeconfig("resourcepolicy", "resourcepolicy-watcher")
        self._log = plane.directory / f"watch-{secrets.token_hex(3)}.log"
        config = self._log.with_suffix(".yaml")
        config.write_text(settings)
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [COMMAND, "watch", "--kubeconfig", str(account), "--config", str(config)],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        print(self.log)  # noqa: T201  shown when the test fails

    @property
    def log(self) -> str:
        return self._log.read_text()


class World:
    """One namespace with its pods, its policy and the nodes of its pools."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self.plane = plane
        self.namespace = namespace
        self.pods = f"/api/v1/namespaces/{namespace}/pods"

    def policy(self, *units: Json, **spec: object) -> None:
        self.plane.api.create(
            {
                "apiVersion": "scheduling.alibabacloud.com/v1alpha1",
                "kind": "ResourcePolicy",
                "metadata": {"name": "gpus", "namespace": self.namespace},
                "spec": {"units": list(units), **spec},
            }
        )

    def create_pods(self, *names: str) -> None:
        for name in names:
            container = {"name": "c", "image": "none", "resources": {"limits": {GPU: "1"}}}
            self.plane.api.create(
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {"name": name, "namespace": self.namespace},
                    "spec": {"containers": [container]},
                }
            )

    def node_of(self, name: str) -> str:
        return str(self.plane.api.get(f"{self.pods}/{name}")["spec"].get("nodeName", ""))

    def pool_of(self, name: str) -> str:
        node = self.node_of(name)
        return self.plane.api.get(f"/api/v1/nodes/{node}")["metadata"]["labels"]["pool"] if node else ""

    def annotations(self, name: str) -> Json:
        return self.plane.api.get(f"{self.pods}/{name}")["metadata"].get("annotations") or {}

    def await_bound(self, *names: str, seconds: float = 40) -> None:
        self.plane.wait(lambda: all(map(self.node_of, names)), what=f"{names} to be bound", seconds=seconds)

    def bought(self, group: str) -> list[str]:
        found = self.plane.api.items("/api/v1/nodes", labelSelector=f"{GROUP_LABEL}={group}")
        return [node["metadata"]["name"] for node in found]

    def await_nothing_asked(self) -> None:
        def gone() -> bool:
            return not self.plane.api.items(REQUESTS) and not self.plane.api.items(TEMPLATES)

        self.plane.wait(gone, what="requests and templates to be deleted", seconds=20)


@pytest.fixture
def world(bare: ControlPlane) -> Iterator[World]:
    name = f"test-{secrets.token_hex(4)}"
    bare.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    world = World(bare, name)
    yield world
    for pod in bare.api.items(world.pods):
        bare.api.delete(f"{world.pods}/{pod['metadata']['name']}", grace_seconds=0)
    bare.api.delete(f"/apis/scheduling.alibabacloud.com/v1alpha1/namespaces/{name}/resourcepolicies/gpus")
    for node in bare.api.items("/api/v1/nodes"):
        if node["metadata"]["name"].startswith("dc"):
            bare.api.delete(f"/api/v1/nodes/{node['metadata']['name']}")
    bare.wait(lambda: not bare.api.items(world.pods), what="the pods to go")
    groups = [group.name for group in GROUPS]
    # CA takes idle nodes away after seconds; the next test counts from none.
    bare.wait(lambda: not any(map(world.bought, groups)), what="the bought nodes to go", seconds=60)
    bare.api.delete(f"/api/v1/namespaces/{name}")


def most(question: Callable[[], int], plane: ControlPlane, seconds: float = QUIET) -> int:
    """The highest answer within a time in which the autoscaler looks several times."""
    until, highest = monotonic() + seconds, 0

    def over() -> bool:
        nonlocal highest
        highest = max(highest, question())
        return monotonic() > until

    plane.wait(over, what="quiet", seconds=seconds + 20)
    return highest


def ecs(pool: str, **fields: object) -> Json:
    return {"resource": "ecs", "nodeSelector": {"pool": pool}, **fields}


def elastic(pool: str, **fields: object) -> Json:
    return {"resource": "elastic", "nodeSelector": {"pool": pool}, **fields}


def test_without_provisioning_requests_it_says_so_once_and_holds_nothing(world: World) -> None:
    """A8, W5. First in this module: the autoscaler, once started, brings the resource."""
    world.plane.create_node("dc-w5", {"pool": "dc"})
    world.policy(ecs("dc"), elastic("near"))
    with Watcher(world.plane) as watcher:
        world.create_pods("one", "two")
        world.plane.wait(lambda: "1 pod(s) in unit 1" in watcher.log, what="the observation")
        held = most(lambda: sum(DELAY in world.annotations(name) for name in ("one", "two")), world.plane, 2)
        assert held == 0
        assert watcher.log.count("does not serve ProvisioningRequests") == 1


def test_pods_that_overflow_get_exactly_their_nodes_in_the_group_of_their_unit(
    world: World, grown: ControlPlane
) -> None:
    """W1, A2: two groups fit, the policy names one. A5: nothing stays behind."""
    grown.create_node("dc-w1", {"pool": "dc"})
    world.policy(ecs("dc"), elastic("far"))
    with Watcher(grown) as watcher:
        world.create_pods("first")
        world.await_bound("first")
        began = monotonic()
        world.create_pods("second", "third")
        grown.wait(lambda: world.bought("far"), what="a node to be bought", seconds=25)
        print(f"bought after {monotonic() - began:.1f} s")  # noqa: T201
        world.await_bound("second", "third")
        assert [world.pool_of(name) for name in ("first", "second", "third")] == ["dc", "far", "far"]
        world.await_nothing_asked()
        assert most(lambda: len(world.bought("far")), grown) == 2
        assert not world.bought("near")
        age = re.search(r"asked for 2 pod\(s\) in unit 1 .* ([\d.]+) s after we saw", watcher.log)
        assert age, "two pods that became unschedulable together are one request"
        assert float(age[1]) < 15


def test_a_capped_unit_with_free_nodes_does_not_keep_the_next_from_growing(
    world: World, grown: ControlPlane
) -> None:
    """W2: the autoscaler alone believes that the pod fits."""
    for name in ("dc-a", "dc-b"):
        grown.create_node(name, {"pool": "dc"})
    world.policy(ecs("dc", max=1), elastic("near", max=1))
    with Watcher(grown):
        world.create_pods("one", "two", "three")
        grown.wait(
            lambda: sum(bool(world.node_of(n)) for n in ("one", "two", "three")) == 2, what="two bound"
        )
        world.await_nothing_asked()
        # W3: the third pod is over both caps.
        assert most(lambda: len(world.bought("near")), grown) == 1


def test_killed_and_restarted_it_asks_nothing_twice(world: World, grown: ControlPlane) -> None:
    """W3: while the nodes boot, with nothing kept but what is in the API."""
    world.policy(elastic("slow"))
    with Watcher(grown):
        world.create_pods("one", "two")
        grown.wait(lambda: world.bought("slow"), what="a node to be bought", seconds=25)
    with Watcher(grown):
        world.await_bound("one", "two", seconds=60)
        world.await_nothing_asked()
        assert most(lambda: len(world.bought("slow")), grown) == 2


def test_a_watcher_killed_right_after_asking_is_not_heard_twice(world: World, grown: ControlPlane) -> None:
    """W3: before any answer."""
    world.policy(elastic("slow"))
    with Watcher(grown):
        world.create_pods("one", "two")
        grown.wait(lambda: grown.api.items(REQUESTS), what="a request")
    with Watcher(grown):
        world.await_bound("one", "two", seconds=60)
        world.await_nothing_asked()
        assert most(lambda: len(world.bought("slow")), grown) == 2


def test_a_unit_at_its_maximum_is_filled_and_then_skipped(world: World, grown: ControlPlane) -> None:
    """W4, A6: the group takes two, the rest goes to the next unit; nothing is left to be repeated."""
    world.policy(elastic("small"), elastic("far"))
    with Watcher(grown):
        world.create_pods("one", "two", "three")
        world.await_bound("one", "two", "three", seconds=60)
        assert sorted(world.pool_of(name) for name in ("one", "two", "three")) == ["far", "small", "small"]
        world.await_nothing_asked()
        assert most(lambda: len(world.bought("far")), grown) == 1


def test_a_node_whose_gpu_comes_late_is_not_bought_again(world: World, grown: ControlPlane) -> None:
    """W3."""
    world.policy(elastic("late"))
    with Watcher(grown):
        world.create_pods("one")
        world.await_bound("one", seconds=60)
        assert most(lambda: len(world.bought("late")), grown) == 1


def test_a_pod_that_replaces_one_takes_the_node_on_its_way(world: World, grown: ControlPlane) -> None:
    """A4: a roll-out while the node boots buys nothing more."""
    world.policy(elastic("slow"))
    with Watcher(grown):
        world.create_pods("old")
        grown.wait(lambda: world.bought("slow"), what="a node to be bought", seconds=25)
        grown.api.delete(f"{world.pods}/old", grace_seconds=0)
        world.create_pods("new")
        world.await_bound("new", seconds=60)
        world.await_nothing_asked()
        assert most(lambda: len(world.bought("slow")), grown) == 1


def test_pods_are_held_at_first_sight_and_released_when_no_policy_governs_them(
    world: World, grown: ControlPlane
) -> None:
    """A1, A10. The hold that a user set stays."""
    world.policy(elastic("near", max=0))
    with Watcher(grown) as watcher:
        world.create_pods("one")
        grown.wait(lambda: DELAY in world.annotations("one"), what="the hold")
        grown.api.patch(f"{world.pods}/one", {"metadata": {"labels": {"alibabacloud.com/eci": "true"}}})
        grown.wait(lambda: DELAY not in world.annotations("one"), what="the release")
        watcher.process.send_signal(signal.SIGTERM)
        assert watcher.process.wait(10) == 0
