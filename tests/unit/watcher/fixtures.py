"""A watcher on a real cache with a fake clock, and an autoscaler that answers what a test says."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from cluster.cache.cache import Cache
from cluster.kube.client import ApiError
from cluster.settings import Settings, WatcherSettings
from policy.api.objects import Node, Pod
from policy.api.options import NodeKinds
from policy.api.resourcepolicy import ResourcePolicy
from policy.scaleup.demand import Demand
from policy.scheduling.accounting import record_of
from tests.builders import NOW, a_node, a_pod, a_unit
from watcher.provisioner.autoscaler_status import AutoscalerStatus, NodeGroup
from watcher.provisioner.interface import Request, RequestPhase, shape_key
from watcher.provisioner.request_manifests import bundle_of, name_of
from watcher.scaleup.controller import ScaleUpController
from watcher.scaleup.pod_holds import HoldChange
from watcher.scaleup.scaleup_status import LatestScaleUpStatus

__all__ = ["DC", "FAR", "GPU", "NEAR", "Recorder", "World", "room", "waiting"]

GPU = {"nvidia.com/gpu": "1"}
DC, NEAR, FAR = a_unit("dc"), a_unit("near", resource="elastic"), a_unit("far", resource="elastic")
SETTINGS = Settings(watcher=WatcherSettings(initial_backoff_seconds=60, max_backoff_seconds=600))


class Recorder:
    """An autoscaler that answers what the test says, and keeps what it was told."""

    def __init__(self) -> None:
        self.serves = True
        self.live: dict[str, Request] = {}
        self.current_status = AutoscalerStatus("1", (NodeGroup("near", 0), NodeGroup("far", 0)))
        self.asked: list[tuple[int, list[str]]] = []
        self.settled: list[str] = []
        self.refusals: list[ApiError] = []
        self.now = NOW

    def available(self) -> bool:
        return self.serves

    def status(self) -> AutoscalerStatus:
        return self.current_status

    def requests(self) -> Sequence[Request]:
        return list(self.live.values())

    def scale(self, request: Request, places: int) -> None:
        self.live[request.name] = replace(request, placeholders=places)

    def create(self, demands: Sequence[Demand], status: AutoscalerStatus) -> Sequence[str]:
        assert status == self.current_status
        if self.refusals:
            raise self.refusals.pop()
        return [self.put(demand, bundle_of(demands)) for demand in demands]

    def put(self, demand: Demand, bundle: str) -> str:
        name, pods = name_of(demand), sorted(pod.uid for pod in demand.pods)
        self.asked.append((demand.unit, pods))
        self.live[name] = Request(
            name=name,
            policy=demand.policy.key,
            record=record_of(demand.policy, demand.unit),
            pods=frozenset(pods),
            shape=shape_key(demand.pods[0]),
            bundle=bundle,
            phase=RequestPhase.SENT,
            made_at=self.now,
        )
        return name

    def mark_provisioned(self, request: Request) -> None:
        self.settled.append(request.name)
        self.live[request.name] = request
        self.mark(request.bundle, RequestPhase.PROVISIONED)

    def delete(self, request: Request) -> None:
        del self.live[request.name]
        if request.phase is not RequestPhase.PROVISIONED:
            self.mark(request.bundle, RequestPhase.UNSENT)

    def mark(self, bundle: str, phase: RequestPhase) -> None:
        """The requests of a bundle share what the autoscaler sees."""
        for name, request in self.live.items():
            if request.bundle == bundle:
                self.live[name] = replace(request, phase=phase)

    def set_phase(self, phase: RequestPhase) -> None:
        self.live = {
            name: replace(r, phase=phase) if r.phase in (RequestPhase.SENT, RequestPhase.ACCEPTED) else r
            for name, r in self.live.items()
        }


class World:
    """A watcher, its cluster and its autoscaler."""

    def __init__(self, *policies: ResourcePolicy, settings: Settings = SETTINGS) -> None:
        self.autoscaler = Recorder()
        self.held: list[HoldChange] = []
        self.counted = Counter[tuple[str, str]]()
        self.settings = settings
        self.cache = Cache(self.clock, NodeKinds(), 600, remembers_since=math.inf)
        self.cache.lock.acquire()  # one thread, to the end of the test
        self.cache.replace_policies(policies)
        self.restart()

    def clock(self) -> float:
        return self.autoscaler.now

    def restart(self) -> None:
        self.latest_status = LatestScaleUpStatus()
        self.watcher = ScaleUpController(
            self.cache, self.autoscaler, self.hold, self.clock, self.settings, self.latest_status, self.count
        )

    def count(self, policy: str, outcome: str) -> None:
        self.counted[policy, outcome] += 1

    def hold(self, wanted: Iterable[HoldChange]) -> None:
        self.held = list(wanted)

    def put(self, *objects: Pod | Node) -> None:
        for item in objects:
            if isinstance(item, Pod):
                self.cache.upsert_pod(item)
            else:
                self.cache.upsert_node(replace(item, created=item.created or self.clock()))

    def bind(self, name: str, node: str) -> None:
        self.put(replace(waiting(name), node_name=node, bound_at=self.clock() + 1, unschedulable=False))

    def reconcile(self, seconds: float = 0.2) -> list[tuple[int, list[str]]]:
        """What was asked in it, as (unit, pods)."""
        self.autoscaler.now += seconds
        before = len(self.autoscaler.asked)
        self.watcher.reconcile()
        return self.autoscaler.asked[before:]

    def after_phase(self, phase: RequestPhase) -> list[tuple[int, list[str]]]:
        """What is asked for, once that answer is in."""
        self.autoscaler.set_phase(phase)
        return self.reconcile() + self.reconcile()

    @property
    def live(self) -> list[Request]:
        return list(self.autoscaler.live.values())


def waiting(name: str) -> Pod:
    return a_pod(name, requests=GPU, unschedulable=True, unscheduled_since=NOW)


def room(name: str, pool: str, gpus: int = 1) -> Node:
    return a_node(name, pool, allocatable={"nvidia.com/gpu": str(gpus)})
