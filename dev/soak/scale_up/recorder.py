"""What happened, seen from outside: when pods were refused, asked for and bound, and which nodes came."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from dev.controlplane.api import Api, Object
from dev.controlplane.autoscaler import GROUP_LABEL
from dev.harness.recorder import Handler, Recorder

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


class Record(Recorder):
    """`pods` are by uid, `nodes` have the group of each node that ever was."""

    def __init__(self, api: Api) -> None:
        self.pods: dict[str, PodStory] = {}
        self.nodes: dict[str, str] = {}
        self._asked: dict[str, list[float]] = {}
        handlers = {PODS: self._see_pod, NODES: self._see_node, TEMPLATES: self._see_template}
        super().__init__(api, {path: _present(handler) for path, handler in handlers.items()})

    def bought(self) -> Counter[str]:
        """Nodes by group, those that are gone included."""
        with self.lock:
            return Counter(group for group in self.nodes.values() if group)

    def of(self, namespace: str) -> list[PodStory]:
        """The pods of a namespace, those that are gone included."""
        with self.lock:
            return [story for story in self.pods.values() if story.namespace == namespace]

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


def _present(see: Callable[[Object, float], None]) -> Handler:
    """A handler of what is there, with the time; deletions are no news."""

    def handle(event: str, found: Object) -> None:
        if event in ("ADDED", "MODIFIED"):
            see(found, monotonic())

    return handle
