"""The demo's own eyes: watches on the API server, and the scene as they last saw it.

An event is stamped as it arrives, under one lock:
stamps are in the order in which things were noted.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from dev.controlplane import Api, Object
from dev.demo.decode import follow, read_average, read_node, read_pod, read_pool, read_replicas, read_request
from dev.demo.model import Level, Node, NodeState, Phase, Pod, PodState, Pool, Request, RequestState, Scene
from dev.harness.recorder import Recorder

__all__ = ["Observer"]

PODS = "/api/v1/namespaces/default/pods"
NODES = "/api/v1/nodes"
TEMPLATES = "/api/v1/namespaces/resourcepolicy/podtemplates"
HPAS = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
REQUESTS = "/apis/autoscaling.x-k8s.io/v1/namespaces/resourcepolicy/provisioningrequests"


class Observer(Recorder):
    """Sees from its construction on, which is second 0 of the story."""

    def __init__(self, api: Api, pools: Iterable[Pool], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._zero = clock()
        self._pools = {pool.identity: pool for pool in pools}
        self._pods: dict[str, Pod] = {}
        self._nodes: dict[str, Node] = {}
        self._requests: dict[str, Request] = {}
        self._asks_for: dict[str, str] = {}  # pool by template
        self._phases: list[Phase] = []
        self._load: list[Level] = []
        self._average: list[Level] = []
        self._replicas: list[Level] = []
        super().__init__(
            api,
            {
                TEMPLATES: self._note_template,
                REQUESTS: self._note_request,
                PODS: self._note_pod,
                NODES: self._note_node,
                HPAS: self._note_hpa,
            },
        )

    def enter(self, phase: str, mark: str = "") -> None:
        """The story goes on to `phase`, now."""
        with self.lock:
            self._phases.append(Phase(self._now(), phase, mark))

    def note_load(self, percent: float) -> None:
        with self.lock:
            self._note(self._load, percent)

    def scene(self) -> Scene:
        """What was seen up to now."""
        self.require_complete()
        with self.lock:
            return Scene(
                now=self._now(),
                pods=tuple(self._pods.values()),
                nodes=tuple(self._nodes.values()),
                requests=tuple(self._with_pool(request) for request in self._requests.values()),
                phases=tuple(self._phases),
                load=tuple(self._load),
                average=tuple(self._average),
                replicas=tuple(self._replicas),
                pools=self._pools,
            )

    def _now(self) -> float:
        return self._clock() - self._zero

    def _note_pod(self, event: str, seen: Object) -> None:
        pod = read_pod(seen)
        if event == "DELETED":
            pod = replace(pod, state=PodState.GONE, detail="")
        self._pods[pod.name] = follow(self._pods.get(pod.name), pod, self._now())

    def _note_node(self, event: str, seen: Object) -> None:
        node = read_node(seen)
        if event == "DELETED":
            node = replace(node, state=NodeState.GONE)
        self._nodes[node.name] = follow(self._nodes.get(node.name), node, self._now())

    def _note_request(self, event: str, seen: Object) -> None:
        request = read_request(seen)
        if event == "DELETED":
            request = replace(request, state=RequestState.GONE, detail="")
        self._requests[request.name] = follow(self._requests.get(request.name), request, self._now())

    def _note_template(self, event: str, seen: Object) -> None:
        if event != "DELETED":  # what was asked for is still to be told when both are gone
            self._asks_for[seen["metadata"]["name"]] = read_pool(seen)

    def _note_hpa(self, event: str, seen: Object) -> None:
        if event == "DELETED":
            return
        if (average := read_average(seen)) is not None:
            self._note(self._average, average)
        if replicas := read_replicas(seen):
            self._note(self._replicas, replicas)

    def _note(self, levels: list[Level], value: float) -> None:
        if not levels or levels[-1].value != value:
            levels.append(Level(self._now(), value))

    def _with_pool(self, request: Request) -> Request:
        return replace(request, pool=self._asks_for.get(request.template, ""))
