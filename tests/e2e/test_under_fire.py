"""Servers, schedulers and leaders die in the middle of bursts: nobody above max, and nobody stuck."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from dev.controlplane import ControlPlane, Object, Watch
from dev.controlplane.processes import free_ports
from dev.harness.extender import Extender, Service, second_scheduler
from tests.e2e.objects import Site, is_bound
from tests.e2e.test_outages import WATCHED, burst_through, own_plane
from tests.unit.extender.http.test_wire import asking

__all__ = ["own_plane"]  # a fixture

LEASE = "resourcepolicy/resourcepolicy-extender"
LEASE_PATH = "/apis/coordination.k8s.io/v1/namespaces/resourcepolicy/leases/resourcepolicy-extender"
SECONDS = 240  # for a busy machine
STILL_WAITING = 100
"""Pods that are there at an accident beyond those that it waits for."""


class Progress:
    """The pool of each pod that is bound, and the most that one pool ever had, as a watch tells it."""

    def __init__(self, pool: str) -> None:
        self.pools: dict[str, str] = {}
        self.largest = 0
        self._pool = pool
        self._changed = threading.Condition()

    def follow(self, events: Watch) -> None:
        for kind, pod in events:
            with self._changed:
                self._see(kind, pod)
                self._changed.notify_all()

    def await_bound(self, count: int) -> None:
        """At the very event that brings it about."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.pools) >= count, SECONDS), (
                f"{len(self.pools)} pods are bound, {count} may be"
            )

    def _see(self, kind: str, pod: Object) -> None:
        name = pod["metadata"]["name"]
        self.pools.pop(name, None)
        if kind != "DELETED" and is_bound(pod):
            self.pools[name] = pod["spec"]["nodeName"].split(".")[1]
        self.largest = max(self.largest, list(self.pools.values()).count(self._pool))


@contextmanager
def watched(site: Site, pool: str) -> Iterator[Progress]:
    progress = Progress(pool)
    events = Watch(site.api, site.pods_path)
    following = threading.Thread(target=progress.follow, args=(events,), daemon=True)
    following.start()
    try:
        yield progress
        assert following.is_alive()  # else it did not see all
    finally:
        events.stop()
        following.join(10)


@contextmanager
def hung(site: Site, program: str) -> Iterator[None]:
    """It lives, and does nothing."""
    pid = site.plane.pid(program)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


Accident = tuple[int, Callable[[], object]]
"""What happens, and how many pods are to be bound after the accident before it, or the beginning."""


def through(site: Site, progress: Progress, accidents: Sequence[Accident], *, pods: int, room: int) -> int:
    """The pods at once, and the accidents while others still wait; how many pods it took.

    More pods come as fast as the burst is used up, so that no accident finds it over on any machine.
    """
    began = time.monotonic()
    created: list[Future[Object]] = []
    with ThreadPoolExecutor(12) as creating:
        for more, accident in accidents:
            before = len(progress.pools)
            wanted = max(pods, before + more + STILL_WAITING)
            created += [creating.submit(site.create_pod, f"p{i}") for i in range(len(created), wanted)]
            progress.await_bound(min(before + more, room))
            at = len(progress.pools)
            assert at < len(created)
            accident()
            publish(began, f"{at} of {len(created)} were bound at an accident")
        for pod in created:
            pod.result()
    return len(created)


def publish(began: float, what: str) -> None:
    print(f"{time.monotonic() - began:6.1f} s: {what}")  # noqa: T201  `pytest -rP` shows it


def ends_with(site: Site, progress: Progress, **pools: int) -> None:
    """Every pod that may be bound is bound, and where it shall."""
    began = time.monotonic()
    progress.await_bound(sum(pools.values()))
    publish(began, f"{pools} after the last accident")
    assert site.by_pool() == pools


@pytest.mark.timeout(900)
def test_ten_crashes_of_the_server_and_three_of_the_scheduler_in_a_burst(site: Site) -> None:
    """C7: never above max, and all that may run run, with the default `handover_grace_seconds`."""
    site.add_nodes("dc", 4, gpus=8)
    site.add_nodes("cloud", 20, gpus=64)
    site.create_policy(site.unit("dc", max=20), site.unit("cloud"))
    server = site.extender.restart

    def scheduler() -> None:
        site.plane.restart("kube-scheduler")

    filling = [(1, server), (1, server), (1, scheduler), (2, server), (2, server), (1, server)]
    overflowing = [(20, server), (20, scheduler), (20, server), (20, server)] * 2
    accidents = [*filling, *overflowing[:7]]
    assert [accident for _, accident in accidents].count(server) == 10
    with watched(site, "dc") as progress:
        pods = through(site, progress, accidents, pods=300, room=20 + 20 * 64)
        ends_with(site, progress, cloud=pods - 20, dc=20)
    assert progress.largest == 20


@pytest.mark.timeout(900)
def test_a_unit_without_another_one_behind_it_is_filled_exactly(site: Site) -> None:
    """C7: 280 of 300 wait, and none of them takes a slot with it when a server or a scheduler dies."""
    site.add_nodes("dc", 4, gpus=8)
    site.create_policy(site.unit("dc", max=20))
    with watched(site, "dc") as progress:
        restart = site.extender.restart
        scheduler: Accident = (1, lambda: site.plane.restart("kube-scheduler"))
        accidents = [(1, restart), (2, restart), scheduler, (1, restart), (2, restart)]
        through(site, progress, accidents, pods=300, room=20)
        ends_with(site, progress, dc=20)
        site.refused(min(site.waiting()), "full: max 20 pod(s)", seconds=SECONDS)
    assert progress.largest == 20


def test_a_server_that_starts_among_bindings_under_way_counts_them(site: Site) -> None:
    """C7: the API server hangs, its clients' bindings wait in line, and who approved them dies."""
    site.add_nodes("dc", 4, gpus=8)
    site.add_nodes("cloud", 4, gpus=16)
    site.create_policy(site.unit("dc", max=20), site.unit("cloud"))
    names = [f"p{i}" for i in range(60)]
    with watched(site, "dc") as progress:
        with hung(site, "kube-scheduler"):
            site.create_pods(*names)
            asked = site.extender.outcome("placed")
        progress.await_bound(1)
        with hung(site, "kube-apiserver"):
            site.plane.wait(lambda: site.extender.outcome("placed") >= asked + 12, what="slots to be held")
            under_way = site.extender.outcome("placed") - asked - len(progress.pools)
            site.extender.kill()
            site.extender.begin_with()
            site.plane.wait(
                lambda: "not synced" in site.extender.why_not(), what="the next server to answer", seconds=60
            )
        print(f"{under_way:.0f} bindings were under way")  # noqa: T201  as above
        ends_with(site, progress, cloud=40, dc=20)
    assert progress.largest == 20


@pytest.mark.timeout(600)
def test_the_api_server_restarts_in_a_burst_and_twice_after_it(own_plane: ControlPlane) -> None:
    """C7, E4: nobody loses count, neither we nor the scheduler, and all that may run run."""
    extender = Extender(own_plane)
    extender.start()
    site = Site(own_plane, extender)
    site.add_nodes("dc", 4, gpus=8)
    site.add_nodes("cloud", 10, gpus=8)
    site.create_policy(site.unit("dc", max=20), site.unit("cloud"))
    with hung(site, "kube-scheduler"), ThreadPoolExecutor(12) as creating:
        list(creating.map(site.create_pod, [f"p{i}" for i in range(100)]))
    began = time.monotonic()
    for more in (5, 10, 20):
        site.plane.wait(lambda least=more: sum(site.by_pool().values()) >= least, what="some to be bound")  # type: ignore[misc]
        own_plane.restart("kube-apiserver")
        publish(began, f"{sum(site.by_pool().values())} of 100 are bound after a restart of the API server")
    site.plane.wait(lambda: not site.waiting(), what="all pods to be bound", seconds=SECONDS)
    publish(began, "all are bound")
    # No pod has gone since: at no time were there more.
    assert site.by_pool() == {"cloud": 80, "dc": 20}
    extender.kill()


@pytest.mark.timeout(600)
def test_leaders_that_stop_and_die_are_followed(site: Site) -> None:
    """E10, C7: of two replicas one is ready; the other one leads after it, and counts right."""
    site.add_nodes("dc", 10, gpus=8)
    site.add_nodes("cloud", 20, gpus=8)
    site.extender.kill()
    ports = free_ports(2)
    replicas = [Extender(site.plane, f"replica-{port}", port) for port in ports]
    for replica in replicas:
        replica.begin_with(lease=LEASE)
    try:
        with Service(site.plane, *replicas) as service, watched(site, "dc") as progress:
            site.plane.wait(lambda: service.leaders, what="a leader", seconds=60)
            site.create_policy(site.unit("dc", max=70), site.unit("cloud"))
            first = service.leaders[0]
            (second,) = set(replicas) - {first}

            def follow(leader: Extender) -> None:
                site.plane.wait(
                    lambda: service.leaders[-1] is leader, what="the next leader", seconds=SECONDS
                )

            def stopped() -> None:
                first.stop()
                follow(second)

            def died() -> None:
                second.kill()
                first.begin_with(lease=LEASE)
                follow(first)

            pods = through(site, progress, [(10, stopped), (10, died)], pods=120, room=70 + 20 * 8)
            ends_with(site, progress, cloud=pods - 70, dc=70)
        assert progress.largest == 70
        assert service.leaders == [first, second, first]
        assert service.two_at_once == 0
    finally:
        for replica in replicas:
            replica.kill()
        site.api.delete(LEASE_PATH)
        site.extender.start()


def test_two_schedulers_that_ask_one_server_are_counted_together(site: Site) -> None:
    """C7, E10: neither knows what the other one has decided and not bound yet."""
    site.add_nodes("dc", 6, gpus=8)
    site.add_nodes("cloud", 8, gpus=8)
    site.create_policy(site.unit("dc", max=15), site.unit("cloud"))

    def create(number: int) -> None:
        site.create_pod(f"p{number}", schedulerName=("default-scheduler", "second-scheduler")[number % 2])

    with (
        second_scheduler(site.plane, "second-scheduler"),
        watched(site, "dc") as progress,
        ThreadPoolExecutor(16) as creating,
    ):
        site.create_pod("first", gpus=0, schedulerName="second-scheduler")  # it knows the nodes
        site.placed("first", seconds=60)
        site.delete_pod("first")
        list(creating.map(create, range(60)))
        ends_with(site, progress, cloud=45, dc=15)
    assert progress.largest == 15


def test_a_worker_that_dies_in_a_burst_is_replaced_and_never_exceeds_max(site: Site) -> None:
    """C7: as a crash of the server, but for its process, which stays."""
    server, worker = site.extender.pid, site.extender.worker()
    assert burst_through(site, site.extender.kill_worker) == 15
    assert site.extender.pid == server
    assert site.extender.worker() not in (0, worker)


def test_a_new_worker_answers_only_when_it_has_listed_again(site: Site) -> None:
    """E4: until then it says why not, while the API server keeps it waiting."""
    site.add_nodes("dc", gpus=2)
    site.create_policy(site.unit("dc", max=1))
    site.create_pod("a")
    site.placed("a")
    listed = [site.extender.lists(path) for path in WATCHED]
    with hung(site, "kube-apiserver"):
        site.extender.kill_worker()
        site.plane.wait(
            lambda: "not synced" in site.extender.why_not(), what="the new worker to answer", seconds=60
        )
        assert set(site.extender.filtered(asking())) == {"Error"}
    site.extender.wait_ready()
    assert [site.extender.lists(path) for path in WATCHED] == [before + 1 for before in listed]
    site.create_pod("b")
    site.refused("b", "full: max 1 pod(s)", seconds=60)
