"""The age of the view: it grows while something has not arrived, whatever the reason, and falls when it has.

The API server is the fake one; that the real one tells as much is in
tests/e2e/test_fake_apiserver_contract.py.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

import pytest

from cluster.kube.client import KubeClient, connect
from cluster.kube.leader_election import Lease
from cluster.kube.reflector import Backoff, Reflector, Resource
from extender.cache_staleness import CacheStaleness
from extender.readiness import Readiness
from tests.fake_apiserver import FakeApiServer, Fault
from tests.unit.cluster.kube.test_reflector import DEADLINE, Recorder, Thing, to_item, wait_for

NODES, PODS = "/api/v1/nodes", "/api/v1/pods"
STALENESS = 30.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Followed:
    """An API server, informers that follow it, and the measure, whose rounds are made by hand."""

    def __init__(self, api: FakeApiServer, connection: KubeClient) -> None:
        self.api = api
        self.connection = connection
        self.clock = Clock()
        self.reflectors: dict[str, Reflector[Any, Any]] = {
            name: Reflector(
                connection,
                Resource(path, Thing, to_item),
                Recorder(),
                clock=self.clock,
                stall=60,
                backoff=Backoff(first=0.001, ceiling=0.01),
            )
            for name, path in (("nodes", NODES), ("pods", PODS))
        }
        self.freshness = CacheStaleness(connection, self.reflectors, self.clock)
        self.readiness = Readiness(
            self.reflectors.values(),
            self.freshness.oldest,
            staleness=STALENESS,
            pods=self.reflectors["pods"],
        )

    def watched(self) -> bool:
        return self.api.watching == len(self.reflectors)

    def after(self, seconds: float) -> None:
        """A round so much later."""
        self.clock.now += seconds
        self.freshness.round()

    def becomes(self, age: float, resource: str = "pods") -> None:
        """Once what is on its way has arrived."""

        def is_so() -> bool:
            self.freshness.round()
            return self.freshness.age(resource) == age

        wait_for(is_so, lambda: f"{self.freshness.age(resource)} is not {age}")

    def recovers(self) -> None:
        """The watches are made again, and say where they are."""
        self.api.drop_watches()

        def is_current() -> bool:
            self.api.bookmark()
            self.freshness.round()
            return self.freshness.oldest() == 0

        wait_for(is_current, lambda: f"{self.freshness.oldest()} old")

    def something_happens(self) -> None:
        """Nothing that we watch."""
        self.api.put("/apis/coordination.k8s.io/v1/leases", "kube-system", "kube-scheduler")


@contextmanager
def following(*faults: Fault) -> Iterator[Followed]:
    with (
        TemporaryDirectory() as directory,
        FakeApiServer() as api,
        closing(connect(api.kubeconfig(Path(directory)))) as connection,
    ):
        api.fail("watch", *faults)
        followed, stop = Followed(api, connection), Event()
        threads = [
            Thread(target=reflector.run, args=(stop,), daemon=True)
            for reflector in followed.reflectors.values()
        ]
        for thread in threads:
            thread.start()
        wait_for(followed.watched)
        try:
            yield followed
        finally:
            stop.set()
            connection.close()
            for thread in threads:
                thread.join(DEADLINE)


def test_a_list_is_as_old_as_its_question() -> None:
    with following() as followed:
        followed.becomes(0.0)
        assert followed.readiness.not_ready_reason() == ""


def test_an_event_tells_how_far_the_watch_has_come() -> None:
    with following() as followed:
        followed.after(10)
        followed.api.put(PODS, "default", "a", size=1)
        followed.becomes(0.0)


def test_a_bookmark_does_where_nothing_happens() -> None:
    with following() as followed:
        followed.something_happens()
        followed.after(10)
        assert followed.freshness.age("pods") == 10
        followed.api.bookmark()
        followed.becomes(0.0)


def behind(followed: Followed) -> None:
    """Every watch is silent, and the API server goes on."""


def dumb(followed: Followed) -> None:
    """The API server answers nothing any more."""
    followed.api.fail("list", *[Fault(status=503)] * 1000)


@pytest.mark.parametrize("fault", [behind, dumb])
def test_the_view_ages_while_nothing_arrives_and_is_then_too_old(fault: Callable[[Followed], None]) -> None:
    """E4: an error, not a stale answer."""
    with following(*[Fault(then="stall")] * 2) as followed:
        followed.becomes(0.0)
        fault(followed)
        for _ in range(15):
            followed.something_happens()
            followed.after(2)
        assert followed.freshness.oldest() == 30
        assert followed.readiness.not_ready_reason() == ""
        followed.after(2)
        assert followed.readiness.not_ready_reason() == "what it knows of the cluster is too old"
        followed.api.faults["list"].clear()
        followed.recovers()
        assert followed.readiness.not_ready_reason() == ""


def test_one_resource_that_is_behind_is_enough() -> None:
    with following() as followed:
        followed.something_happens()
        followed.after(10)
        followed.api.put(NODES, "", "n")
        followed.becomes(0.0, "nodes")
        assert (followed.freshness.age("pods"), followed.freshness.oldest()) == (10, 10)


def test_who_takes_the_lead_lists_the_pods_again_before_it_answers() -> None:
    """C7: its watch may be behind by a pod that the former leader has just sent on its way."""
    with following() as followed:
        reflectors, clock = followed.reflectors, followed.clock
        pods, connection = reflectors["pods"], followed.connection
        taken: list[float] = []

        def take() -> None:
            taken.append(clock.now)

        lease = Lease(connection, "resourcepolicy", "extender", "one", clock, 6, take)
        readiness = Readiness(
            reflectors.values(), followed.freshness.oldest, staleness=STALENESS, pods=pods, lease=lease
        )
        assert readiness.not_ready_reason() == "another replica leads"
        clock.now += 1
        lease.try_once()
        lease.try_once()
        assert taken == [clock.now]
        assert readiness.not_ready_reason() == "it has just taken the lead and lists the pods again"
        pods.list_again()
        wait_for(lambda: readiness.not_ready_reason() == "")


def test_what_was_not_reached_is_remembered_within_bounds() -> None:
    """A watch that is behind for hours costs no memory."""
    with following(*[Fault(then="stall")] * 2) as followed:
        for _ in range(150):
            followed.something_happens()
            followed.after(2)
        assert followed.freshness.age("pods") == 300
        followed.recovers()
