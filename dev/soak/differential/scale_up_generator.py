"""A world from a seed whose last unit cluster-autoscaler grows.

Pods of one size fill the new nodes without a remainder or with one: how many nodes it takes is the question.
"""

from random import Random

from dev.controlplane import NodeGroup, Object
from dev.controlplane.autoscaler import GROUP_LABEL
from dev.controlplane.nodes import GPU, node
from dev.soak.differential.model import Arrival, World

__all__ = ["grow"]

_MODES = (
    {"policy": "LackResourceOrExceedMax"},
    {"policy": "ExceedMax"},
    {"policy": "TimeoutOrExceedMax", "timeout": "10m"},
)


def grow(seed: int) -> World:
    """The same world each time."""
    dice, name = Random(seed), f"growing-{seed}"  # noqa: S311  dice, not secrets
    gpus, boots = dice.choice((1, 1, 2, 4)), dice.choice(("", "2s"))
    labels = {"world": name, "pool": f"{name}-cloud"}
    group = NodeGroup(f"{name}-cloud", labels, gpus=gpus, max_count=30, boot_after=boots)
    there = [_own(name, number, dice.choice((1, 2, 4))) for number in range(dice.randint(1, 3))]
    before = [_pod(name, "other", 0, there[0])]
    if gpus > 1:  # from it `simulate` knows the size of nodes that are to come
        there.append(node(f"{name}.cloud.0", _labels_without_group(group), gpus=gpus))
        before.append(_pod(name, "full", gpus, there[-1]))
    deployments = [_deployment(name, f"d{n}", dice.randint(1, gpus)) for n in range(dice.randint(1, 2))]
    arrivals = [Arrival(d["metadata"]["name"], dice.randint(2, 8)) for d in deployments]
    units: list[Object] = [
        {"resource": "ecs", "nodeSelector": {"pool": f"{name}-dc"}},
        {"resource": "elastic", "nodeSelector": {"pool": f"{name}-cloud"}},
    ]
    for unit in units:
        unit.update({"max": dice.randint(1, 6)} if dice.random() < 1 / 3 else {})
    policy = {
        "apiVersion": "scheduling.alibabacloud.com/v1alpha1",
        "kind": "ResourcePolicy",
        "metadata": {"name": "web", "namespace": name},
        "spec": {"selector": {"app": "web"}, "units": units, "whenTryNextUnits": dice.choice(_MODES)},
    }
    return World(
        seed=seed,
        name=name,
        nodes=tuple(there),
        before=tuple(before),
        policies=(policy,),
        deployments=tuple(deployments),
        leaving=(),
        arrivals=tuple(arrivals),
        group=group,
    )


def _labels_without_group(group: NodeGroup) -> dict[str, str]:
    """As the group's nodes have them: a member that the autoscaler did not make leaves a group unhealthy."""
    labels = group.template()["metadata"]["labels"]
    left_out = (GROUP_LABEL, "kubernetes.io/hostname")
    return {key: value for key, value in labels.items() if key not in left_out}


def _own(name: str, number: int, gpus: int) -> Object:
    return node(f"{name}.dc.{number}", {"world": name, "pool": f"{name}-dc"}, gpus=gpus)


def _pod(name: str, called: str, gpus: int, there: Object) -> Object:
    metadata = {"name": called, "namespace": name, "labels": {"app": "other"}}
    spec = _spec(name, gpus) | {"nodeName": there["metadata"]["name"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _deployment(name: str, called: str, gpus: int) -> Object:
    labels = {"app": "web", "deployment": called}
    template = {"metadata": {"labels": labels}, "spec": _spec(name, gpus)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": called, "namespace": name},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"deployment": called}}, "template": template},
    }


def _spec(name: str, gpus: int) -> Object:
    limits = {GPU: str(gpus)} if gpus else {}
    resources = {"requests": {"cpu": "500m", "memory": "1Gi", **limits}, "limits": limits}
    containers = [{"name": "c", "image": "none", "resources": resources}]
    return {"nodeSelector": {"world": name}, "containers": containers}
