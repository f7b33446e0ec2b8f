"""What tests of the watcher share: our two programs beside a real cluster-autoscaler, and a world each.

The watcher runs with its own account and no more rights than manifests/.
"""

import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from dev.controlplane import ControlPlane, NodeGroup
from dev.controlplane.autoscaler import GROUP_LABEL
from dev.harness.extender import Extender
from dev.harness.program import install

Json = dict[str, Any]

MANIFESTS = Path(__file__).parents[2] / "manifests"
COMMAND = Path(sys.executable).with_name("resourcepolicy")
REQUESTS = "/apis/autoscaling.x-k8s.io/v1/namespaces/resourcepolicy/provisioningrequests"
TEMPLATES = "/api/v1/namespaces/resourcepolicy/podtemplates"
PLACEHOLDERS = "/api/v1/namespaces/resourcepolicy/pods"
POLICIES = "/apis/scheduling.alibabacloud.com/v1alpha1/namespaces"
DELAY = "cluster-autoscaler.kubernetes.io/pod-scale-up-delay"
GPU = "nvidia.com/gpu"
QUIET = 4.0
"""Seconds without a purchase, some loops of the autoscaler, after which there will be none."""


@contextmanager
def extended_plane(*optional: str) -> Iterator[ControlPlane]:
    """A plane with our manifests and the extender; no autoscaler, no ProvisioningRequests."""
    with ControlPlane() as plane:
        install(plane, "served-once", *optional)
        extender = Extender(plane)
        extender.start()
        try:
            yield plane
        finally:
            extender.kill()


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

    def create_pods(self, *names: str, gpus: int = 1, cpu: str = "0") -> None:
        for name in names:
            limits = {GPU: str(gpus), "cpu": cpu}
            container = {"name": "c", "image": "none", "resources": {"limits": limits}}
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

    def await_refused(self, *names: str) -> None:
        """Until the scheduler has found no node for any of them."""

        def refused(name: str) -> bool:
            conditions = self.plane.api.get(f"{self.pods}/{name}")["status"].get("conditions") or ()
            return any(condition.get("reason") == "Unschedulable" for condition in conditions)

        self.plane.wait(lambda: all(map(refused, names)), what=f"{names} to be refused")

    def await_bound(self, *names: str, seconds: float = 40) -> None:
        self.plane.wait(lambda: all(map(self.node_of, names)), what=f"{names} to be bound", seconds=seconds)

    def bought(self, group: str) -> list[str]:
        found = self.plane.api.items("/api/v1/nodes", labelSelector=f"{GROUP_LABEL}={group}")
        return [node["metadata"]["name"] for node in found]

    def left_behind(self) -> list[str]:
        """Names of what we made and should not leave: requests, records and placeholders."""
        paths = [TEMPLATES, PLACEHOLDERS, *([REQUESTS] if self._serves_requests() else [])]
        return [item["metadata"]["name"] for path in paths for item in self.plane.api.items(path)]

    def await_nothing_asked(self) -> None:
        self.plane.wait(lambda: not self.left_behind(), what="all that was asked to be deleted", seconds=20)

    def close(self, groups: Sequence[NodeGroup]) -> None:
        """The next test counts from no node: CA takes idle ones away after seconds."""
        api = self.plane.api
        for pod in api.items(self.pods):
            api.delete(f"{self.pods}/{pod['metadata']['name']}", grace_seconds=0)
        api.delete(f"{POLICIES}/{self.namespace}/resourcepolicies/gpus")
        for node in api.items("/api/v1/nodes"):
            if node["metadata"]["name"].startswith("dc"):
                api.delete(f"/api/v1/nodes/{node['metadata']['name']}")
        self.plane.wait(lambda: not api.items(self.pods), what="the pods to go")
        names = [group.name for group in groups]
        self.plane.wait(lambda: not any(map(self.bought, names)), what="the bought nodes to go", seconds=60)
        api.delete(f"/api/v1/namespaces/{self.namespace}")

    def _serves_requests(self) -> bool:
        groups = self.plane.api.get("/apis")["groups"]
        return any(group["name"] == "autoscaling.x-k8s.io" for group in groups)


@contextmanager
def a_world(plane: ControlPlane, groups: Sequence[NodeGroup]) -> Iterator[World]:
    """A namespace of its own; at the end, and if the test went well, everything is gone again."""
    name = f"test-{secrets.token_hex(4)}"
    plane.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    world = World(plane, name)
    yield world
    world.close(groups)


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
