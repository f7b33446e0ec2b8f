"""A world on the real control plane: made, filled, photographed, and left to itself until nothing happens.

Worlds share a plane: pods see the nodes of their own world only, and policies those of their namespace.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from dev.controlplane import ControlPlane, Object
from dev.harness.programs import Programs
from dev.soak.differential.model import GONE_AFTER, TIMEOUT, Arrival, World
from dev.soak.differential.scheduler_log import Left, Tried, happened
from policy.api import wellknown

__all__ = ["Live", "Photo", "Played"]

_POLICIES = "/apis/scheduling.alibabacloud.com/v1alpha1/resourcepolicies"
_BUSY = 8.0
"""Seconds in which the scheduler has tried again whatever it was told of, back-off included."""
_RECORDED = 3.0
"""Seconds after which a pod's unit is written to it (L3), if it has to be."""
_BUYING = 30.0
"""Seconds in which nodes come that the autoscaler was asked for."""
_LONGEST = 180.0


@dataclass(frozen=True, slots=True)
class Photo:
    """A world at one moment, as `kubectl get nodes,pods,resourcepolicies -o json` prints it."""

    listed: Object

    def __str__(self) -> str:
        return json.dumps(self.listed, indent=1)

    def items(self, kind: str) -> list[Object]:
        return [item for item in self.listed["items"] if item["kind"] == kind]


@dataclass(frozen=True, slots=True)
class Played:
    """A world before the arrivals, at its end, and what happened between."""

    before: Photo
    after: Photo
    happened: Sequence[Tried | Left] = ()


class Live:
    """The plane that worlds are played on."""

    def __init__(self, plane: ControlPlane, programs: Programs) -> None:
        self._plane = plane
        self._api = plane.api
        self._programs = programs

    def played(self, world: World) -> Played:
        """The world before the arrivals and when nothing happens any more. It is taken down again."""
        self._make(world)
        try:
            self._settle(world)
            self._wait(lambda: self._nodes_are_up(world), f"the nodes of {world.name} to be as new")
            since = time.time()
            for name in world.leaving:
                self._api.delete(f"{_pods(world)}/{name}", grace_seconds=600)
            before = self._photo(world)
            for arrival in world.arrivals:
                self._arrive(world, arrival)
            self._settle(world)
            after = self._photo(world)
            return Played(before, after, happened(self._plane.log("kube-scheduler"), world.name, since))
        finally:
            self._take_down(world)

    def _make(self, world: World) -> None:
        self._api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.name}})
        for node in world.nodes:
            self._api.create(node)
        self._wait(lambda: self._nodes_are_up(world), f"the nodes of {world.name}")
        for pod in world.before:
            self._api.create(pod)
        self._await_scheduler(world)
        time.sleep(1.0)  # times in the API are whole seconds, and a policy is younger than these pods (C4)
        for policy in world.policies:
            self._api.create(policy)
        self._wait(self._policies_are_known, f"the policies of {world.name} to be known")
        for deployment in world.deployments:
            self._api.create(deployment)
            wanted = Arrival(deployment["metadata"]["name"], deployment["spec"]["replicas"])
            self._await_arrival(world, wanted)

    def _nodes_are_up(self, world: World) -> bool:
        nodes = self._api.items("/api/v1/nodes", labelSelector=f"world={world.name}")
        return all(_is_up(node) for node in nodes)

    def _await_scheduler(self, world: World) -> None:
        """A pod that fits on the last node only: the scheduler learns of nodes in order."""
        last = world.nodes[-1]["metadata"]["name"]
        mark = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "mark", "namespace": world.name}}
        tolerations = [{"operator": "Exists"}]
        selector = {"kubernetes.io/hostname": last}
        containers = [{"name": "c", "image": "none"}]
        self._api.create(
            mark | {"spec": {"nodeSelector": selector, "tolerations": tolerations, "containers": containers}}
        )
        path = f"{_pods(world)}/mark"
        self._wait(lambda: self._api.get(path)["spec"].get("nodeName"), f"the scheduler to know {last}")
        self._api.delete(path, grace_seconds=0)

    def _policies_are_known(self) -> bool:
        """Policies stay until the plane goes: once the numbers agree every one is known."""
        with urlopen(f"{self._programs.extender_url}/metrics", timeout=5) as answer:  # noqa: S310  loopback
            if answer.status != HTTPStatus.OK:
                return False
            text = answer.read().decode()
        samples = (s for family in text_string_to_metric_families(text) for s in family.samples)
        known = next(s.value for s in samples if s.labels.get("resource") == "resourcepolicies")
        return bool(known == len(self._api.items(_POLICIES)))

    def _arrive(self, world: World, arrival: Arrival) -> None:
        path = f"/apis/apps/v1/namespaces/{world.name}/deployments/{arrival.name}"
        self._api.patch(path, {"spec": {"replicas": arrival.replicas}})
        self._await_arrival(world, arrival)

    def _await_arrival(self, world: World, arrival: Arrival) -> None:
        self._wait(lambda: self._has_come(world, arrival), f"{arrival} in {world.name}")

    def _has_come(self, world: World, arrival: Arrival) -> bool:
        pods = self._api.items(_pods(world), labelSelector=f"deployment={arrival.name}")
        return len(pods) == arrival.replicas

    def _settle(self, world: World) -> None:
        """Until every pod is bound, or nothing has happened for longer than anything waits."""
        quiet = _BUSY + world.timed * TIMEOUT + bool(world.leaving) * GONE_AFTER + bool(world.group) * _BUYING
        seen: dict[str, tuple[str, str]] = {}
        since = time.monotonic()

        def over() -> bool:
            nonlocal seen, since
            pods = self._api.items(_pods(world))
            there = {pod["metadata"]["name"]: _state(pod) for pod in pods}
            if there != seen:
                seen, since = there, time.monotonic()
            leaving = any("deletionTimestamp" in pod["metadata"] for pod in pods)
            waiting = leaving or not all(node for node, _ in there.values())
            calm = time.monotonic() - since > (quiet if waiting else _RECORDED)
            return calm and not any(map(_is_held, pods))

        self._wait(over, f"{world.name} to come to rest", _LONGEST)

    def _photo(self, world: World) -> Photo:
        nodes = self._api.items("/api/v1/nodes", labelSelector=f"world={world.name}")
        pods = self._api.items(_pods(world))
        path = _POLICIES.replace("resourcepolicies", f"namespaces/{world.name}/resourcepolicies")
        policies = self._api.items(path)
        kinds = {"Node": nodes, "Pod": pods, "ResourcePolicy": policies}
        items = [{"kind": kind, **item} for kind, found in kinds.items() for item in found]
        return Photo({"apiVersion": "v1", "kind": "List", "items": items})

    def _take_down(self, world: World) -> None:
        self._api.request("DELETE", f"/apis/apps/v1/namespaces/{world.name}/deployments")
        self._wait(lambda: self._pods_are_gone(world), f"the pods of {world.name} to be gone")
        self._api.request("DELETE", "/api/v1/nodes", query={"labelSelector": f"world={world.name}"})

    def _pods_are_gone(self, world: World) -> bool:
        query = {"gracePeriodSeconds": "0"}
        self._api.request("DELETE", _pods(world), query=query)
        return not self._api.items(_pods(world))

    def _wait(self, question: Callable[[], object], what: str, seconds: float = 60.0) -> None:
        self._programs.wait(question, what=what, seconds=seconds)


def _pods(world: World) -> str:
    return f"/api/v1/namespaces/{world.name}/pods"


def _state(pod: Object) -> tuple[str, str]:
    """Where it is, and through which unit."""
    annotations = pod["metadata"].get("annotations", {})
    return pod["spec"].get("nodeName", ""), annotations.get(wellknown.UNIT, "")


def _is_held(pod: Object) -> bool:
    """Not tried yet, or waiting for what ends by itself: on a busy machine that takes its time."""
    if pod["spec"].get("nodeName"):
        return False
    conditions = pod["status"].get("conditions") or ()
    told = next((c.get("message", "") for c in conditions if c["type"] == "PodScheduled"), "waiting up to")
    return "waiting up to" in told or "waiting for pods that are terminating" in told


def _is_up(node: Object) -> bool:
    """Ready, and without the taints that the node controller takes away after it."""
    conditions = node["status"]["conditions"]
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    taints = node["spec"].get("taints", ())
    return ready and not any(taint["key"].startswith("node.kubernetes.io/") for taint in taints)
