"""A control plane on which one kube-scheduler after the other binds pods, each with another extender.

Facts: the scheduler reads its configuration once, so it is restarted for every variant, the plane is not.
"""

import json
import re
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import yaml

from dev.bench.cluster import POLICY_API
from dev.bench.stacks import Kind, Stack
from dev.controlplane import ApiError, ControlPlane, Object
from dev.controlplane.scheduler import SHIPPED, scheduler_configuration
from dev.harness.extender import ACCOUNT
from dev.harness.program import install

__all__ = ["PODS", "Variant", "bind", "extending", "pile_up", "set_up"]

PODS = "/api/v1/namespaces/default/pods"
_AT_ONCE = 8
_SECONDS = 300
_ZONES = 3
_BOUND = re.compile(rb'^I\d+ (\d+):(\d+):([\d.]+) .*"Successfully bound pod to node"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Variant:
    """An extender, or none, and the verbs that it is asked."""

    name: str
    kind: Kind | None = None
    prioritized: bool = False
    percentage: int = 100
    """percentageOfNodesToScore."""


def set_up(plane: ControlPlane, nodes: int, pools: Sequence[str]) -> None:
    """Nodes in the pools in turn and in three zones, and a policy with a unit for each pool."""
    install(plane)
    units = [{"resource": "ecs", "nodeSelector": {"pool": pool}} for pool in pools]
    metadata = {"name": "live", "namespace": "default"}
    spec = {"selector": {"app": "live"}, "units": units}
    plane.api.create({"apiVersion": POLICY_API, "kind": "ResourcePolicy", "metadata": metadata, "spec": spec})

    def create(index: int) -> None:
        labels = {"pool": pools[index % len(pools)], "topology.kubernetes.io/zone": f"zone-{index % _ZONES}"}
        plane.create_node(f"node-{index:05}.zone-b", labels, gpus=8)

    with ThreadPoolExecutor(_AT_ONCE) as creating:
        list(creating.map(create, range(nodes)))
    plane.wait(lambda: _all_up(plane, nodes), what="the nodes to be up", seconds=_SECONDS)


def pile_up(plane: ControlPlane, variant: Variant, pods: int) -> None:
    """So many new pods, and no scheduler, but its configuration."""
    plane.kill("kube-scheduler")
    _clear(plane)
    _configure(plane, variant)
    run = f"run-{secrets.token_hex(3)}"  # KWOK still deletes pods of the last one, by their names
    with ThreadPoolExecutor(_AT_ONCE) as creating:
        list(creating.map(lambda index: plane.api.create(_pod(run, index)), range(pods)))


@contextmanager
def extending(plane: ControlPlane, variant: Variant) -> Iterator[int | None]:
    """The process group of the extender, if the variant has one."""
    if variant.kind is None:
        yield None
        return
    kubeconfig = plane.service_account_kubeconfig(*ACCOUNT)
    stack = Stack(variant.kind, kubeconfig, plane.extender_address[1], plane.directory)
    try:
        stack.wait_ready()
        yield stack.group
    finally:
        stack.kill()


def bind(plane: ControlPlane, pods: int) -> list[float]:
    """Start the scheduler, and wait until it has bound them all; the second of each, as its log has it."""
    log = plane.log("kube-scheduler")
    start = log.stat().st_size
    plane.start_program("kube-scheduler")

    def bound() -> list[float] | None:
        with log.open("rb") as lines:
            lines.seek(start)
            found = [_seconds(*match) for match in _BOUND.findall(lines.read())]
        return found if len(found) == pods else None

    return plane.wait(bound, what=f"{pods} pods to be bound", seconds=_SECONDS)


def _all_up(plane: ControlPlane, nodes: int) -> bool:
    listed = plane.api.items("/api/v1/nodes")
    return len(listed) == nodes and not any(node["spec"].get("taints") for node in listed)


def _configure(plane: ControlPlane, variant: Variant) -> None:
    """The shipped configuration with the extender taken out, or asked for scores, too."""
    shipped: Object = yaml.safe_load(SHIPPED.read_text())["extenders"][0]
    if variant.prioritized:
        shipped |= {"prioritizeVerb": "prioritize", "weight": 1000}
    extenders = [shipped] if variant.kind else []
    written = scheduler_configuration(plane.kubeconfig, plane.extender_address[1], extenders)
    written["percentageOfNodesToScore"] = variant.percentage
    (plane.directory / "kube-scheduler.json").write_text(json.dumps(written))


def _clear(plane: ControlPlane) -> None:
    def gone() -> bool:
        with suppress(ApiError):  # a busy API server may take longer for many pods than a request may
            plane.api.request("DELETE", PODS, {"gracePeriodSeconds": 0})
        return not plane.api.items(PODS, limit="1")

    plane.wait(gone, what="the pods to be gone", seconds=_SECONDS)


def _pod(run: str, index: int) -> Object:
    room = {"cpu": "100m", "memory": "64Mi", "nvidia.com/gpu": "1"}
    resources = {"requests": room, "limits": {"nvidia.com/gpu": "1"}}
    container = {"name": "main", "image": "model", "resources": resources}
    metadata = {"name": f"{run}-{index:05}", "namespace": "default", "labels": {"app": "live"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def _seconds(hours: bytes, minutes: bytes, seconds: bytes) -> float:
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
