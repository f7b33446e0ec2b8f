"""The extender or the API server dies and comes back: pods wait, and nothing is forgotten."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from dev.controlplane import ControlPlane
from dev.harness.extender import Extender
from dev.harness.program import install
from policy.api import wellknown
from tests.e2e.objects import Site
from tests.e2e.test_counting import census

WATCHED = (
    "/api/v1/nodes",
    "/api/v1/pods",
    "/apis/scheduling.alibabacloud.com/v1alpha1/resourcepolicies",
)


def test_without_the_extender_gpu_pods_wait_others_run_and_all_recovers(site: Site) -> None:
    """E4: never past the policy; E10: nobody else depends on it."""
    site.add_nodes("dc", gpus=1)
    site.add_nodes("cloud", gpus=8)
    site.create_policy(site.unit("dc"), site.unit("cloud"))
    site.extender.kill()
    site.create_pods("a", "b")
    site.create_pod("cpu", gpus=0)
    site.placed("cpu")
    for name in ("a", "b"):
        assert site.refused(name, "connection refused")["reason"] == "SchedulerError"
    site.extender.start()
    # The scheduler's own back-off after an error is up to 10 s.
    assert sorted(site.placed("a", "b", seconds=15).values()) == ["cloud", "dc"]


def test_pods_placed_before_a_crash_are_counted_after_it(site: Site) -> None:
    """C7, L3: those bound, and those that nobody had seen bound yet."""
    site.add_nodes("dc", gpus=20)
    site.add_nodes("cloud", gpus=20)
    site.create_policy(site.unit("dc", max=5), site.unit("cloud"))
    before = [f"before-{i}" for i in range(4)]
    site.create_pods(*before)
    site.extender.restart()
    after = [f"after-{i}" for i in range(4)]
    site.create_pods(*after)
    site.placed(*before, *after)
    assert site.by_pool() == {"cloud": 3, "dc": 5}


def test_units_of_the_same_nodes_are_told_apart_after_a_crash(site: Site) -> None:
    """L3, U5, C7: by the record on each pod; their nodes would put all of them into the first unit."""
    site.add_nodes("dc", gpus=20)
    site.create_policy(site.unit("dc", max=2), site.unit("dc", max=2, podLabels={"place": "second"}))
    site.create_pods("a", "b", "c", "d", "e")
    site.placed("a", "b", "c", "d")
    site.refused("e", "full: max 2 pod(s)")
    site.plane.wait(
        lambda: all(wellknown.UNIT in site.annotations(name) for name in "abcd"),
        what="the units of all to be recorded",
    )
    site.extender.restart()
    site.create_pod("f")
    site.refused("f", "full: max 2 pod(s)")
    site.delete_pod("c")
    site.plane.wait(lambda: len(site.waiting()) == 1, what="one pod to take its place")


def burst_through(site: Site, accident: Callable[[], None]) -> int:
    """40 pods at once, and an accident among them; the largest number in the data centre, whose max is 15."""
    site.add_nodes("dc", 6, gpus=8)
    site.add_nodes("cloud", 6, gpus=8)
    site.create_policy(site.unit("dc", max=15), site.unit("cloud"))
    names = [f"p{i}" for i in range(40)]
    with census(site, "dc") as counted, ThreadPoolExecutor(8) as creating:
        created = [creating.submit(site.create_pod, name) for name in names]
        site.plane.wait(lambda: sum(site.by_pool().values()) >= 8, what="the first pods to be placed")
        accident()
        for pod in created:
            pod.result()
        site.placed(*names, seconds=40)
    assert site.by_pool() == {"cloud": 25, "dc": 15}
    return counted.largest


def test_a_crash_in_a_burst_never_exceeds_max(site: Site) -> None:
    """C7: slots of pods that were sent and not bound yet were in the memory that is lost."""
    assert burst_through(site, site.extender.restart) == 15


def test_a_crash_of_the_scheduler_in_a_burst_never_exceeds_max(site: Site) -> None:
    """C7, E6: slots held for what it had decided and not yet bound are used by the same pods again."""
    assert burst_through(site, lambda: site.plane.restart("kube-scheduler")) == 15


def test_a_hung_extender_keeps_gpu_pods_waiting_and_no_others(site: Site) -> None:
    """E10: and once it goes on, so do they."""
    site.add_nodes("dc", gpus=1)
    site.add_nodes("cloud", gpus=8)
    site.create_policy(site.unit("dc"), site.unit("cloud"))
    with site.extender.hung():
        site.create_pods("a", "b")
        assert site.refused("a", "Client.Timeout exceeded")["reason"] == "SchedulerError"
        site.create_pod("cpu", gpus=0)
        site.placed("cpu")
        assert site.waiting() == {"a", "b"}
    assert sorted(site.placed("a", "b").values()) == ["cloud", "dc"]


def test_a_crash_does_not_restart_the_wait(site: Site) -> None:
    """O9: the pod goes on when its first refusal is `timeout` old, not the second."""
    site.add_nodes("dc", gpus=0)
    site.add_nodes("cloud", gpus=1)
    site.create_policy(
        site.unit("dc", max=5),
        site.unit("cloud"),
        whenTryNextUnits={"policy": "TimeoutOrExceedMax", "timeout": "8s"},
    )
    site.create_pod("a")
    site.refused("a", "waiting up to 8s for room in units[0]")
    began = time.monotonic()
    site.plane.wait(lambda: time.monotonic() - began > 4 or None, what="half of the wait")
    site.extender.restart()
    assert site.placed("a") == {"a": "cloud"}
    assert 6 < time.monotonic() - began < 9  # the API tells the first refusal to the second


@pytest.fixture
def own_plane() -> Iterator[ControlPlane]:
    with ControlPlane() as plane:
        install(plane)
        yield plane


def test_the_api_server_restarts(own_plane: ControlPlane) -> None:
    """E4: the caches come back by themselves, and what they missed is placed by the policy."""
    extender = Extender(own_plane)
    extender.start()
    site = Site(own_plane, extender)
    site.add_nodes("dc", gpus=2)
    site.add_nodes("cloud", gpus=8)
    site.create_policy(site.unit("dc", max=2), site.unit("cloud"))
    site.create_pod("before")
    site.placed("before")
    listed = [extender.lists(path) for path in WATCHED]
    own_plane.restart("kube-apiserver")
    site.create_pods("a", "b")
    site.placed("a", "b")
    assert site.by_pool() == {"cloud": 1, "dc": 2}
    again = [now - before for now, before in zip(map(extender.lists, WATCHED), listed, strict=True)]
    assert max(again) <= 1
    extender.kill()
