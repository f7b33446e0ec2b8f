"""A world from a seed.

Not drawn is what `simulate` says it does not play: preemption, pod affinity, topology spread, volumes; nor
are pods that finish.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from dev.controlplane import Object
from dev.controlplane.nodes import GPU, node
from dev.soak.differential.model import GONE_AFTER, TIMEOUT, Arrival, World
from policy.api.resourcepolicy import WAIT_LABEL, NextUnits

__all__ = ["draw"]

_API = "scheduling.alibabacloud.com/v1alpha1"
_TIMED = (NextUnits.TIMEOUT_OR_EXCEED_MAX, NextUnits.TIMEOUT)
_TAINT = {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}
_TOLERATION = {"key": "dedicated", "operator": "Exists"}
_APPS = ("web", "batch")


def draw(seed: int) -> World:
    """The same world each time."""
    return _Drawing(Random(seed), f"world-{seed}").world(seed)  # noqa: S311  dice, not secrets


@dataclass(slots=True)
class _Drawing:
    """The dice, and what has been drawn so far."""

    dice: Random
    name: str
    pools: list[str] = field(default_factory=list)
    nodes: list[Object] = field(default_factory=list)

    def world(self, seed: int) -> World:
        self.pools = ["dc", "near", "far"][: self.dice.choice((2, 3, 3))]
        outside = ["attic"] if self.rarely(0.3) else []
        for pool in (*self.pools, *outside):
            self.nodes += self._nodes(pool)
        before = list(self._before())
        policies = [self._policy(app) for app in _APPS[: 1 + self.rarely(0.4)]]
        deployments = [self._deployment(f"d{number}") for number in range(self.dice.randint(1, 4))]
        arrivals = [
            Arrival(d["metadata"]["name"], d["spec"]["replicas"] + self.dice.randint(1, 10))
            for d in deployments
        ]
        self.dice.shuffle(arrivals)
        governed = [pod["metadata"]["name"] for pod in before if pod["metadata"]["labels"]["app"] in _APPS]
        return World(
            seed=seed,
            name=self.name,
            nodes=tuple(self.nodes),
            before=tuple(before),
            policies=tuple(policies),
            deployments=tuple(deployments),
            leaving=tuple(name for name in governed if self.rarely(0.5)),
            arrivals=tuple(arrivals),
        )

    def rarely(self, chance: float) -> bool:
        return self.dice.random() < chance

    def labels(self, key: str, value: str) -> dict[str, str]:
        """A label whose value no other world has."""
        return {key: f"{self.name}-{value}"}

    # Nodes, and what is on them.

    def _nodes(self, pool: str) -> Iterator[Object]:
        sizes, model = (1, 2, 4, 4, 8, 8), self.dice.choice(("a", "b"))
        usual, mixed = self.dice.choice(sizes), self.rarely(0.3)
        tainted = self.rarely(0.2)
        for number in range(self.dice.randint(1, 5)):
            labels = {"world": self.name, **self.labels("pool", pool), "gpu": model}
            labels |= self.labels("zone", self.dice.choice(("1", "2")))
            yield node(
                f"{self.name}.{pool}.{number}",
                labels,
                gpus=self.dice.choice(sizes) if mixed else usual,
                cpu=self.dice.choice(("16", "32")),
                memory=self.dice.choice(("64Gi", "128Gi")),
                taints=[_TAINT] if tainted else [],
            )

    def _before(self) -> Iterator[Object]:
        """Pods of others that take room, and pods that a policy will find there."""
        for number, there in enumerate(self.nodes):
            if self.rarely(0.3):
                gpus = self.dice.randint(0, int(there["status"]["allocatable"][GPU]))
                app = self.dice.choice(("other", "other", *_APPS))
                gone = {"controlplane/gone-after": f"{GONE_AFTER:g}s"}
                metadata = {"name": f"before-{number}", "namespace": self.name, "labels": {"app": app}}
                spec = self._pod_spec(gpus) | {"nodeName": there["metadata"]["name"]}
                yield {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": metadata | {"annotations": gone},
                    "spec": spec,
                }

    # Policies.

    def _policy(self, app: str) -> Object:
        mode = self.dice.choice(list(NextUnits))
        when: Object = {"policy": str(mode)}
        if mode in _TIMED:
            when["timeout"] = f"{TIMEOUT:g}s"
        order = self.dice.sample(self.pools, len(self.pools))
        units = [self._unit(self.labels("pool", pool)) for pool in order]
        if self.rarely(0.2):  # nodes in two units
            units.insert(self.dice.randint(0, len(units)), self._unit(self.labels("zone", "1")))
        spec: Object = {
            "selector": {"app": app},
            "units": units,
            "whenTryNextUnits": when,
            "strategy": self.dice.choice(("prefer", "required")),
            "preemptPolicy": self.dice.choice(("AfterAllUnits", "BeforeNextUnit")),
            "ignorePreviousPod": self.rarely(0.3),
            "ignoreTerminatingPod": self.rarely(0.7),
        }
        keys = self.dice.choice(((), (), (), ("pod-template-hash",), ("team",)))
        if self.rarely(0.15):  # overlaps with the other policy
            both = {"key": "app", "operator": "In", "values": list(_APPS)}
            spec = {"matchExpressions": [both]} | {k: v for k, v in spec.items() if k != "selector"}
        metadata = {"name": app, "namespace": self.name}
        spec |= {"matchLabelKeys": list(keys)} if keys else {}
        return {"apiVersion": _API, "kind": "ResourcePolicy", "metadata": metadata, "spec": spec}

    def _unit(self, selector: dict[str, str]) -> Object:
        unit: Object = {"resource": self.dice.choice(("ecs", "ecs", "ecs", "elastic"))}
        unit["nodeSelector"] = selector
        if self.rarely(0.4):
            unit["max"] = self.dice.randint(0, 6)
        if self.rarely(0.15):
            unit["maxResources"] = self.dice.choice(({GPU: "3"}, {"cpu": "6"}, {GPU: "8", "cpu": "9500m"}))
        if self.rarely(0.15):
            unit["podLabels"] = self.dice.choice(({"placed": "here"}, {WAIT_LABEL: "true"}))
        return unit

    # Workloads.

    def _deployment(self, name: str) -> Object:
        app = self.dice.choice((*_APPS, *_APPS, "web", "other"))
        # What asks for no GPU is not sent (M8), and lands on any node: nobody can say in which unit's.
        gpus = self.dice.choice((1, 1, 1, 1, 1, 2, 2, 4) if app in _APPS else (0, 1, 2))
        labels = {"app": app, "deployment": name}
        if self.rarely(0.6):
            labels["team"] = self.dice.choice(("red", "blue"))
        spec = self._pod_spec(gpus)
        replicas = self.dice.randint(1, 6) if self.rarely(0.3) else 0
        selector = {"deployment": name}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": self.name},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": selector},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        }

    def _pod_spec(self, gpus: int) -> Object:
        room = {
            "cpu": self.dice.choice(("500m", "1", "2", "4")),
            "memory": self.dice.choice(("1Gi", "4Gi", "16Gi")),
        }
        limits = {GPU: str(gpus)} if gpus else {}
        container = {"name": "c", "image": "none", "resources": {"requests": room | limits, "limits": limits}}
        spec: Object = {"nodeSelector": {"world": self.name}, "containers": [container]}
        if self.rarely(0.8):
            spec["tolerations"] = [_TOLERATION]
        if self.rarely(0.1):
            spec["nodeSelector"] |= {"gpu": self.dice.choice(("a", "b"))}
        if self.rarely(0.1):
            spec["affinity"] = self._affinity()
        return spec

    def _affinity(self) -> Object:
        zone, operator = f"{self.name}-1", self.dice.choice(("In", "NotIn"))
        term = {"matchExpressions": [{"key": "zone", "operator": operator, "values": [zone]}]}
        required = {"nodeSelectorTerms": [term]}
        return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
