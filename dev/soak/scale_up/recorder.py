"""What happened, seen from outside: when pods were refused, asked for and bound, and which nodes came."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Self

from dev.controlplane.api import Api, Object
from dev.controlplane.autoscaler import GROUP_LABEL
from dev.controlplane.watch import Watch

__all__ = ["PodStory", "Record"]

PODS = "/api/v1/pods"
NODES = "/api/v1/nodes"
TEMPLATES = "/api/v1/namespaces/resourcepolicy/podtemplates"
_ASKED_FOR = "resourcepolicy.io/pods"


@dataclass(slots=True)
class PodStory:
    """One pod; times are monotonic."""

    namespace: str
    refused: float | None = None
    asked: list[float] = field(default_factory=list)
    bound: float | None = None
    node: str = ""


class Record:
    """Use as a context. `pods` are by uid, `nodes` tell the group of each node that ever was."""

    def __init__(self, api: Api) -> None:
        self.pods: dict[str, PodStory] = {}
        self.nodes: dict[str, str] = {}
        self._asked: dict[str, list[float]] = {}
        self._lock = threading.Lock()
        self._watches = {
            Watch(api, PODS): self._see_pod,
            Watch(api, NODES): self._see_node,
            Watch(api, TEMPLATES): self._see_template,
        }
        self._threads = [
            threading.Thread(target=self._follow, args=pair, daemon=True) for pair in self._watches.items()
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for watch in self._watches:
            watch.stop()
        for thread in self._threads:
            thread.join()

    def bought(self) -> Counter[str]:
        """Nodes by group, those that are gone included."""
        with self._lock:
            return Counter(group for group in self.nodes.values() if group)

    def of(self, namespace: str) -> list[PodStory]:
        """The pods of a namespace, those that are gone included."""
        with self._lock:
            return [story for story in self.pods.values() if story.namespace == namespace]

    def _follow(self, watch: Watch, see: Callable[[Object, float], None]) -> None:
        for kind, found in watch:
            if kind in ("ADDED", "MODIFIED"):
                with self._lock:
                    see(found, monotonic())

    def _see_pod(self, pod: Object, now: float) -> None:
        uid, namespace = pod["metadata"]["uid"], pod["metadata"]["namespace"]
        story = self.pods.setdefault(uid, PodStory(namespace, asked=self._asked.setdefault(uid, [])))
        for condition in pod["status"].get("conditions") or ():
            if (condition["type"], condition.get("reason")) == ("PodScheduled", "Unschedulable"):
                story.refused = story.refused or now
        if pod["spec"].get("nodeName") and not story.node:
            story.node, story.bound = pod["spec"]["nodeName"], now

    def _see_node(self, node: Object, _: float) -> None:
        self.nodes.setdefault(node["metadata"]["name"], node["metadata"]["labels"].get(GROUP_LABEL, ""))

    def _see_template(self, template: Object, now: float) -> None:
        if template["metadata"]["name"].endswith("-bought"):
            return
        for uid in template["metadata"]["annotations"][_ASKED_FOR].split():
            self._asked.setdefault(uid, []).append(now)
