"""The objects of a round: namespaces with a policy each, pods in waves, nodes of the data centre."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from random import Random

from dev.controlplane.api import Object
from dev.controlplane.autoscaler import GROUP_LABEL
from dev.controlplane.nodes import GPU
from dev.soak.scale_up.environment import Stage
from dev.soak.scale_up.generator import DC, POOLS, Policy, Round
from dev.soak.scale_up.stockout import out_of_stock
from policy.api import wellknown

__all__ = ["create_pods", "namespaces", "placed", "world"]

POLICY_API = "scheduling.alibabacloud.com/v1alpha1"
_POLICY = "resourcepolicy.io/policy"
_TEMPLATES = "/api/v1/namespaces/resourcepolicy/podtemplates"


def namespaces(round_: Round) -> list[str]:
    """One for each policy."""
    return [f"round-{round_.number}-{n}" for n in range(len(round_.policies))]


@contextmanager
def world(stage: Stage, round_: Round) -> Iterator[None]:
    """Policies and nodes; at the end nothing is left of it, nor of what was bought and asked for."""
    api, names = stage.plane.api, namespaces(round_)
    for number in range(round_.free):
        stage.plane.create_node(
            f"dc-{round_.number}-{number}", {"pool": stage.pool(DC)}, taints=[stage.taint]
        )
    for name, policy in zip(names, round_.policies, strict=True):
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        api.create(_manifest(stage, name, policy))
        if stage.held:
            stage.plane.wait(partial(_is_born_held, stage, name), what="admission to know the policy")
    without = round_.out_of_stock
    with out_of_stock(stage.plane, stage.pool(without)) if without else nullcontext():
        yield
    for name in names:
        api.delete(f"/apis/{POLICY_API}/namespaces/{name}/resourcepolicies/gpus")
        for pod in api.items(f"/api/v1/namespaces/{name}/pods"):
            api.delete(f"/api/v1/namespaces/{name}/pods/{pod['metadata']['name']}", grace_seconds=0)
        api.delete(f"/api/v1/namespaces/{name}")
    for number in range(round_.free):
        api.delete(f"/api/v1/nodes/dc-{round_.number}-{number}")
    stage.plane.wait(lambda: not _bought(stage), what="the nodes to go", seconds=180)
    stage.plane.wait(lambda: not _asked(stage, names), what="what was asked to be withdrawn", seconds=60)


def placed(stage: Stage, namespace: str) -> Counter[str]:
    """Pods by pool."""
    nodes = stage.plane.api.items("/api/v1/nodes")
    pools = {n["metadata"]["name"]: n["metadata"]["labels"]["pool"].rpartition("-")[0] for n in nodes}
    pods = stage.plane.api.items(f"/api/v1/namespaces/{namespace}/pods")
    names = [pod["spec"].get("nodeName", "") for pod in pods]
    return Counter(pools[name] for name in names if name in pools)


def create_pods(stage: Stage, round_: Round) -> None:
    """Wave after wave, the policies side by side."""
    threads = [
        threading.Thread(target=_create, args=(stage, name, policy, Random(f"{round_.number}/{name}")))  # noqa: S311
        for name, policy in zip(namespaces(round_), round_.policies, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _bought(stage: Stage) -> list[Object]:
    groups = ",".join(stage.pool(name) for name in POOLS)
    return stage.plane.api.items("/api/v1/nodes", labelSelector=f"{GROUP_LABEL} in ({groups})")


def _asked(stage: Stage, names: list[str]) -> list[str]:
    found = stage.plane.api.items(_TEMPLATES)
    policies = [template["metadata"]["annotations"][_POLICY] for template in found]
    return [policy for policy in policies if policy.partition("/")[0] in names]


def _manifest(stage: Stage, namespace: str, policy: Policy) -> Object:
    units = [
        {
            "resource": "ecs" if unit.pool == DC else "elastic",
            "nodeSelector": {"pool": stage.pool(unit.pool)},
            **({} if unit.most is None else {"max": unit.most}),
        }
        for unit in policy.units
    ]
    return {
        "apiVersion": POLICY_API,
        "kind": "ResourcePolicy",
        "metadata": {"name": "gpus", "namespace": namespace},
        "spec": {"units": units},
    }


def _create(stage: Stage, namespace: str, policy: Policy, dice: Random) -> None:
    pause = threading.Event()
    names = iter(f"pod-{n}" for n in range(policy.pods + 1))
    sizes = Random(f"sizes of {namespace}")  # noqa: S311  not for secrets
    last = ""
    for wave in policy.waves:
        pause.wait(wave.after)
        for _ in range(wave.pods):
            last = next(names)
            stage.plane.api.create(_pod(stage, namespace, last, sizes.randint(1, stage.sizes)))
    if policy.replaces:
        pause.wait(dice.uniform(0, 2))
        stage.plane.api.delete(f"/api/v1/namespaces/{namespace}/pods/{last}", grace_seconds=0)
        stage.plane.api.create(_pod(stage, namespace, next(names), sizes.randint(1, stage.sizes)))


def _is_born_held(stage: Stage, namespace: str) -> bool:
    path = f"/api/v1/namespaces/{namespace}/pods"
    born = stage.plane.api.request("POST", path, _pod(stage, namespace, "first"), query={"dryRun": "All"})
    return wellknown.POD_SCALE_UP_DELAY in born["metadata"].get("annotations", {})


def _pod(stage: Stage, namespace: str, name: str, cpu: int = 1) -> Object:
    limits = {GPU: "1", "cpu": str(cpu)}
    container = {"name": "c", "image": "none", "resources": {"limits": limits}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [container], "tolerations": [stage.taint]},
    }
