"""One test's part of the cluster: a namespace, nodes in pools, pods and policies with defaults."""

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from dev.controlplane import ApiError, ControlPlane, Object
from dev.controlplane.nodes import GPU
from dev.harness.extender import Extender

__all__ = ["POLICY_API", "Site", "condition", "is_bound", "pod_spec"]

POLICY_API = "scheduling.alibabacloud.com/v1alpha1"
AT_ONCE = 8


def pod_spec(*, gpus: int = 1, cpu: str = "100m", memory: str = "64Mi", **fields: object) -> Object:
    """One container; `fields` are further ones of the spec."""
    requests = {"cpu": cpu, "memory": memory} | ({GPU: str(gpus)} if gpus else {})
    limits = {GPU: str(gpus)} if gpus else {}
    resources = {"requests": requests, "limits": limits}
    return {"containers": [{"name": "main", "image": "model", "resources": resources}], **fields}


def condition(document: Object, kind: str) -> Object:
    """A condition of its status; without one, {}."""
    conditions = document.get("status", {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == kind), {})


def is_bound(pod: Object) -> bool:
    return bool(pod["spec"].get("nodeName"))


class Site:
    """Its pods see its own nodes only: tests on one plane do not meet."""

    def __init__(self, plane: ControlPlane, extender: Extender) -> None:
        self.name = f"site-{secrets.token_hex(3)}"
        self.plane = plane
        self.api = plane.api
        self.extender = extender
        self.pods_path = f"/api/v1/namespaces/{self.name}/pods"
        self._nodes = 0
        self._others: list[str] = []  # paths of what is not in the namespace, and of policies
        self.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}})

    def close(self) -> None:
        """Take everything away, so that no later test meets it."""
        for path in self._others:
            self._delete(path)
        self.api.request("DELETE", f"/apis/apps/v1/namespaces/{self.name}/deployments")
        self.plane.wait(self._no_pods, what=f"the pods of {self.name} to be gone")
        if self._nodes:
            self.api.request("DELETE", "/api/v1/nodes", query={"labelSelector": f"site={self.name}"})
        self._delete(f"/api/v1/namespaces/{self.name}")

    # Nodes.

    def labels(self, pool: str) -> dict[str, str]:
        """What selects the nodes of a pool: "" is a pool, too, in no unit that names one."""
        return {"pool": f"{self.name}-{pool}"}

    def add_nodes(
        self,
        pool: str,
        count: int = 1,
        *,
        gpus: int = 1,
        labels: Mapping[str, str] | None = None,
        memory: str = "128Gi",
    ) -> list[str]:
        """Nodes that the scheduler knows and may use, once this returns."""
        names = [f"{self.name}.{pool}.{self._nodes + i}" for i in range(count)]
        self._nodes += count
        own = {"site": self.name, **self.labels(pool), **(labels or {})}
        with ThreadPoolExecutor(AT_ONCE) as creating:
            list(
                creating.map(lambda name: self.plane.create_node(name, own, gpus=gpus, memory=memory), names)
            )
        self.plane.wait(self._nodes_usable, what=f"the nodes of {self.name} to be usable", seconds=60)
        self.await_scheduler(names[-1])
        return names

    def await_scheduler(self, node: str) -> None:
        """Until the scheduler has seen every change of nodes so far: it sees them in order."""
        mark = f"seen-{secrets.token_hex(3)}"
        self.api.patch(f"/api/v1/nodes/{node}", {"metadata": {"labels": {mark: ""}}})
        self.create_pod(mark, gpus=0, nodeSelector={mark: ""})
        self.plane.wait(lambda: is_bound(self.pod(mark)), what=f"the scheduler to know {node}")
        self.delete_pod(mark)

    # Policies.

    def unit(self, pool: str, **fields: object) -> Object:
        return {"resource": "ecs", "nodeSelector": self.labels(pool), **fields}

    def create_policy(self, *units: Object, name: str = "policy", **spec: object) -> Object:
        """A policy for every pod of the namespace, unless `spec` selects; known, once this returns."""
        metadata = {"name": name, "namespace": self.name}
        written = {"apiVersion": POLICY_API, "kind": "ResourcePolicy", "metadata": metadata}
        policy = self.api.create(written | {"spec": {"units": list(units), **spec}})
        self._others.append(self.api.path_of(policy))
        path = self.api.collection(POLICY_API, "ResourcePolicy")
        self.plane.wait(
            lambda: self.extender.cached("resourcepolicies") == len(self.api.items(path)),
            what="the extender to know every policy",
        )
        return policy

    def edit_policy(self, policy: Object, *units: Object) -> None:
        """Other units; known to the extender, once this returns."""
        self.api.patch(self.api.path_of(policy), {"spec": {"units": list(units)}})
        mark = Site(self.plane, self.extender)  # its watch brings policies in order
        mark.create_policy({"resource": "ecs"})
        mark.close()

    def await_after(self, stamp: str) -> None:
        """Until a later second: the API tells times to the second."""
        then = datetime.fromisoformat(stamp).timestamp()
        self.plane.wait(lambda: time.time() >= then + 1, what="the next second")

    # Pods.

    def create_pod(
        self,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        gpus: int = 1,
        cpu: str = "100m",
        memory: str = "64Mi",
        **spec: object,
    ) -> Object:
        metadata = {"name": name, "namespace": self.name, "labels": dict(labels or {})}
        metadata["annotations"] = dict(annotations or {})
        selector = {"nodeSelector": {"site": self.name}}
        own = pod_spec(gpus=gpus, cpu=cpu, memory=memory, **(selector | spec))
        return self.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": own})

    def create_deployment(self, name: str, replicas: int, **annotations: str) -> str:
        """Pods of one GPU each, with `annotations`; its path."""
        labels = {"app": name}
        metadata = {"labels": labels, "annotations": annotations}
        template = {"metadata": metadata, "spec": pod_spec(nodeSelector={"site": self.name})}
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        written = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec}
        created = self.api.create(written | {"metadata": {"name": name, "namespace": self.name}})
        return self.api.path_of(created)

    def create_priority(self, name: str, value: int, **fields: object) -> str:
        """A PriorityClass; its name, for `priorityClassName`."""
        metadata = {"name": f"{self.name}-{name}"}
        written = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": metadata}
        created = self.api.create(written | {"value": value, **fields})
        self._others.append(self.api.path_of(created))
        return f"{self.name}-{name}"

    def create_pods(self, *names: str, gpus: int = 1, labels: Mapping[str, str] | None = None) -> None:
        """One after the other: the scheduler takes them in this order."""
        for name in names:
            self.create_pod(name, gpus=gpus, labels=labels)

    def pod(self, name: str) -> Object:
        return self.api.get(f"{self.pods_path}/{name}")

    def told(self, name: str, reason: str) -> Object:
        """The Event of this reason beside a pod or policy of the namespace, once it is there."""

        def found() -> Object | None:
            events = self.api.items(f"/apis/events.k8s.io/v1/namespaces/{self.name}/events")
            own = (e for e in events if e["regarding"]["name"] == name and e["reason"] == reason)
            return next(own, None)

        return self.plane.wait(found, what=f"an event {reason} beside {name}")

    def annotations(self, name: str) -> dict[str, str]:
        """Those of a pod."""
        return dict(self.pod(name)["metadata"].get("annotations", {}))

    def pod_node(self, name: str) -> str:
        """The node of a pod, once it is bound."""
        self.placed(name)
        return str(self.pod(name)["spec"]["nodeName"])

    def pods(self) -> list[Object]:
        return self.api.items(self.pods_path)

    def delete_pod(self, name: str) -> None:
        """At once, without an end to wait for."""
        self.api.delete(f"{self.pods_path}/{name}", grace_seconds=0)

    def delete_pod_slowly(self, name: str) -> None:
        """Terminating for as long as its annotation controlplane/gone-after says; known to the extender."""
        self.api.delete(f"{self.pods_path}/{name}", grace_seconds=600)
        mark = f"seen-{secrets.token_hex(3)}"  # its watch brings pods in order
        self.create_pod(mark, gpus=0, schedulerName="nobody")
        self.plane.wait(
            lambda: self.extender.cached("pods") == len(self.api.items("/api/v1/pods")),
            what=f"the extender to know that {name} is leaving",
        )
        self.delete_pod(mark)

    def placed(self, *names: str, seconds: float = 30) -> dict[str, str]:
        """The pool of each of these pods, all of them bound."""

        def found() -> dict[str, str] | None:
            bound = {pod["metadata"]["name"]: _pool(pod) for pod in self.pods() if is_bound(pod)}
            return {name: bound[name] for name in names} if bound.keys() >= set(names) else None

        return self._explained(found, f"{', '.join(names)} to be bound", seconds)

    def refused(self, name: str, saying: str = "", seconds: float = 30) -> Object:
        """The condition PodScheduled of a pod that was refused, once its message holds `saying`."""

        def found() -> Object | None:
            scheduled = condition(self.pod(name), "PodScheduled")
            said = scheduled.get("status") == "False" and saying in scheduled.get("message", "")
            return scheduled if said else None

        return self._explained(found, f"{name} to be refused: {saying!r}", seconds)

    def waiting(self) -> set[str]:
        """The names of the pods that are not bound."""
        return {pod["metadata"]["name"] for pod in self.pods() if not is_bound(pod)}

    def by_pool(self) -> dict[str, int]:
        """How many bound pods each pool has."""
        pools = [_pool(pod) for pod in self.pods() if is_bound(pod)]
        return {pool: pools.count(pool) for pool in sorted(set(pools))}

    def _explained(self, question: Callable[[], Object | None], what: str, seconds: float) -> Object:
        try:
            return self.plane.wait(question, what=what, seconds=seconds)
        except TimeoutError as error:
            for pod in self.pods():
                error.add_note(f"{_summary(pod)}")
            raise

    def _nodes_usable(self) -> bool:
        nodes = self.api.items("/api/v1/nodes", labelSelector=f"site={self.name}")
        return len(nodes) == self._nodes and all(map(_usable, nodes))

    def _no_pods(self) -> bool:
        for pod in (pods := self.pods()):
            self._delete(f"{self.pods_path}/{pod['metadata']['name']}", grace_seconds=0)
        return not pods

    def _delete(self, path: str, grace_seconds: int | None = None) -> None:
        try:
            self.api.delete(path, grace_seconds=grace_seconds)
        except ApiError as error:
            if error.reason != "NotFound":
                raise


def _usable(node: Object) -> bool:
    blocking: Iterable[Object] = node["spec"].get("taints", ())
    is_ready = condition(node, "Ready").get("status") == "True"
    return is_ready and not any(taint["key"].startswith("node.kubernetes.io/") for taint in blocking)


def _pool(pod: Object) -> str:
    return str(pod["spec"]["nodeName"]).split(".")[1]


def _summary(pod: Object) -> str:
    scheduled = condition(pod, "PodScheduled")
    told = f"{scheduled.get('status')} {scheduled.get('reason', '')}: {scheduled.get('message', '')}"
    return f"{pod['metadata']['name']} on {pod['spec'].get('nodeName')}: {told}"
