"""Random worlds with a model of the autoscaler: the right nodes, none too many, whatever is cut off.

The model buys as cluster-autoscaler 1.33 does beside held pods, loses answers, and starts no request twice,
as manifests/served-once.yaml sees to; the watcher dies at random, also between two writes. The real one is
played by `python -m dev.soak scale-up`. Rules: W1 to W4, A3 to A6.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import pytest

from cluster.settings import Settings, WatcherSettings
from dev.soak.scale_up.generator import Policy, Unit, Wave
from policy.api.objects import Node, Pod
from policy.scaleup.demand import Demand
from policy.scheduling.accounting import recorded_unit
from tests.builders import NOW, a_node, a_pod, a_policy, a_unit
from tests.unit.watcher.fixtures import Recorder, World, waiting
from watcher.provisioner.autoscaler_status import AutoscalerStatus, NodeGroup
from watcher.provisioner.interface import Request, RequestPhase
from watcher.provisioner.request_manifests import bundle_of

POOLS = ("near", "far", "last")
KNOWN = {pool: {"pool": pool} for pool in POOLS}
SETTINGS = Settings(watcher=WatcherSettings(node_groups=KNOWN, initial_backoff_seconds=5))
TICK = 0.1
LARGEST = {"nvidia.com/gpu": "1", "cpu": "2"}
SIZES = [a_pod("p", requests={**LARGEST, "cpu": cpu}).requests for cpu in ("1", "2")]
"""A pod takes a node, whatever its size."""


class Crash(Exception):  # noqa: N818  not an error: the watcher is killed here
    """The watcher dies."""


class Model(Recorder):
    """The API's requests, and an autoscaler that loops every second."""

    def __init__(self, dice: Random, out_of_stock: str, *, deadly: float, lossy: float) -> None:
        super().__init__()
        self.dice = dice
        self.out_of_stock = out_of_stock
        self.deadly = deadly
        self.lossy = lossy
        self.target = Counter[str]()
        self.bought: list[tuple[str, float]] = []
        """Pool, and when the node is there."""
        self.backoff: dict[str, float] = {}
        self.of_one_size = dice.choice((*POOLS, ""))
        """None of this pool's node groups takes pods of both sizes."""
        self.tell()

    def perhaps(self) -> None:
        if self.dice.random() < self.deadly:
            raise Crash

    def create(self, demands: Sequence[Demand], status: AutoscalerStatus) -> Sequence[str]:
        self.perhaps()
        names = super().create(demands, status)
        for name in names:
            self.live[name] = replace(self.live[name], made_at=float(int(self.now)), sizes=status.sizes)
        if self.dice.random() < self.deadly:
            self.mark(bundle_of(demands), RequestPhase.UNSENT)
            self.live = {n: r for n, r in self.live.items() if n not in names[1:]}
            raise Crash
        self.perhaps()
        return names

    def mark_provisioned(self, request: Request) -> None:
        self.perhaps()
        if self.dice.random() < self.deadly:
            self.mark(request.bundle, RequestPhase.SCALED_UP)
            raise Crash
        super().mark_provisioned(request)
        self.perhaps()

    def delete(self, request: Request) -> None:
        self.perhaps()
        super().delete(request)
        self.perhaps()

    def loop(self, pool_of: dict[str, str], spare: Counter[str], registered: Counter[str]) -> None:
        """Serve one request that was not started yet; `spare` is room that no pending pod fills."""
        began = self.now
        self.backoff = {pool: until for pool, until in self.backoff.items() if until > began}
        request = next((r for r in self.live.values() if r.phase is RequestPhase.SENT), None)
        if request is not None:
            bundle = [r for r in self.live.values() if r.bundle == request.bundle]
            pool, missing = pool_of[request.name], sum(len(r.pods) for r in bundle)
            missing -= spare[pool]
            phase = RequestPhase.PROVISIONED
            if missing > 0 and (pool == self.out_of_stock or pool in self.backoff):
                self.backoff.setdefault(pool, began + 5)
                phase = RequestPhase.FAILED
            elif missing > 0 and pool == self.of_one_size and len(bundle) > 1:
                phase = RequestPhase.FAILED
            elif missing > 0:
                self.target[pool] += missing
                self.bought += [(pool, began + self.dice.choice((0, 1, 3)))] * missing
            lost = self.dice.random() < self.lossy
            for each in bundle:
                accepted = replace(each, phase=RequestPhase.ACCEPTED, accepted_at=float(int(began)))
                self.live[each.name] = accepted if lost else replace(accepted, phase=phase)
        self.tell(registered)

    def tell(self, registered: Counter[str] | None = None) -> None:
        there = registered or Counter()
        self.current_status = AutoscalerStatus(
            f"{datetime.fromtimestamp(self.now, UTC):%Y-%m-%d %H:%M:%S} +0000 UTC",
            tuple(
                NodeGroup(p, self.target[p], there[p], there[p], 99, "no stock" if p in self.backoff else "")
                for p in POOLS
            ),
        )


class Play(World):
    """One world: a policy over three pools with caps, pods in waves, and a watcher that may die."""

    def __init__(self, seed: int, *, deadly: float) -> None:
        self.dice = Random(seed)  # noqa: S311  not for secrets
        caps = [self.dice.choice((1, 2, 3)), self.dice.choice((1, 2, None)), self.dice.choice((2, None))]
        units = [a_unit(pool, resource="elastic", max=cap) for pool, cap in zip(POOLS, caps, strict=True)]
        self.policy = a_policy(*units)
        super().__init__(self.policy, settings=SETTINGS)
        without = self.dice.choice((*POOLS, "", "", ""))
        self.autoscaler: Model = Model(self.dice, without, deadly=deadly, lossy=0.4)
        self.restart()
        self.due = {f"p{n}": NOW + self.dice.choice((0.0, 0.5, 3.0)) for n in range(self.dice.randint(1, 7))}
        self.pods: dict[str, Pod] = {}
        self.nodes: dict[str, Node] = {}
        self.dead_until = 0.0
        wanted = tuple(Unit(pool, cap) for pool, cap in zip(POOLS, caps, strict=True))
        self.expected = Policy(wanted, (Wave(0, len(self.due)),)).expected(0, without)

    @property
    def open(self) -> list[Pod]:
        return [pod for pod in self.pods.values() if not pod.node_name]

    def run(self, seconds: int) -> None:
        for tick in range(int(seconds / TICK)):
            self.autoscaler.now += TICK
            self.arrive()
            self.schedule()
            if tick % 10 == 0:
                self.autoscaler.loop(self.pools_of_requests(), self.spare(), self.pools(self.nodes.values()))
            if tick % 2 == 0:
                self.watch()

    def arrive(self) -> None:
        now = self.clock()
        for name, at in self.due.items():
            if at <= now and name not in self.pods:
                self.pods[name] = replace(waiting(name), requests=self.dice.choice(SIZES))
                self.put(self.pods[name])
        for number, (pool, at) in enumerate(self.autoscaler.bought):
            name = f"{pool}-{number}"
            if at <= now and name not in self.nodes:
                self.nodes[name] = replace(a_node(name, pool, allocatable=LARGEST), created=float(int(now)))
                self.put(self.nodes[name])

    def schedule(self) -> None:
        """As kube-scheduler with our extender does under O3: the first open unit with a free node."""
        for pod in self.open:
            taken = {p.node_name for p in self.pods.values()}
            counts = self.pools(self.nodes[name] for name in taken if name)
            for unit in self.policy.units:
                pool = unit.node_selector["pool"]
                free = [n for n in self.nodes.values() if n.labels["pool"] == pool and n.name not in taken]
                if free and (unit.max is None or counts[pool] < unit.max):
                    bound = replace(pod, node_name=free[0].name, bound_at=self.clock(), unschedulable=False)
                    self.pods[pod.name] = bound
                    self.put(bound)
                    break

    def watch(self) -> None:
        if self.clock() < self.dead_until:
            return
        if self.dead_until:
            self.restart()
            self.dead_until = 0.0
        try:
            self.autoscaler.perhaps()
            self.watcher.reconcile()
        except Crash:
            self.dead_until = self.clock() + self.dice.uniform(0, 3)

    def pools_of_requests(self) -> dict[str, str]:
        units = {r.name: recorded_unit(r.record, self.policy) or 0 for r in self.live}
        return {name: self.policy.units[unit].node_selector["pool"] for name, unit in units.items()}

    def spare(self) -> Counter[str]:
        """Free and upcoming nodes, less those that pending pods would fill, of whatever pool they are."""
        taken = {pod.node_name for pod in self.pods.values()}
        names = [f"{pool}-{n}" for n, (pool, _) in enumerate(self.autoscaler.bought)]
        free = [name for name in names if name not in taken]
        self.dice.shuffle(free)
        return Counter(name.partition("-")[0] for name in free[len(self.open) :])

    def pools(self, nodes: Iterable[Node]) -> Counter[str]:
        return Counter(node.labels["pool"] for node in nodes)


@pytest.mark.parametrize("deadly", [0.0, 0.05], ids=["alive", "killed at random"])
def test_the_nodes_are_those_that_the_policy_names_and_none_too_many(deadly: float) -> None:
    for seed in range(40):
        play = Play(seed, deadly=deadly)
        play.run(90)
        placed = play.pools(play.nodes[pod.node_name] for pod in play.pods.values() if pod.node_name)
        assert (seed, placed) == (seed, play.expected)
        assert (seed, Counter(pool for pool, _ in play.autoscaler.bought)) == (seed, play.expected)
