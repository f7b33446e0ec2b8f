"""Never two leaders at a time, and no gap longer than the lease duration."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest

from cluster.kube.client import KubeClient, Unreachable, connect
from cluster.kube.leader_election import Lease
from tests.fake_apiserver import FakeApiServer

LEASES = "/apis/coordination.k8s.io/v1/leases"


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def api() -> Iterator[FakeApiServer]:
    with FakeApiServer() as server:
        yield server


@pytest.fixture
def connection(api: FakeApiServer, tmp_path: Path) -> Iterator[KubeClient]:
    connection = connect(api.kubeconfig(tmp_path))
    yield connection
    connection.close()


def a_lease(connection: KubeClient, identity: str, clock: Clock, duration: int = 15) -> Lease:
    return Lease(connection, "resourcepolicy", "extender", identity, clock, duration)


def requested(api: FakeApiServer) -> list[str]:
    return [request.verb for request in api.requests]


def test_the_first_to_ask_leads_and_the_second_does_not(connection: KubeClient) -> None:
    one, two = a_lease(connection, "one", Clock()), a_lease(connection, "two", Clock())
    one.try_once()
    two.try_once()
    assert (one.held, two.held) == (True, False)


def test_a_leader_that_renews_keeps_the_lead(connection: KubeClient) -> None:
    clock, other = Clock(), Clock()
    one, two = a_lease(connection, "one", clock), a_lease(connection, "two", other)
    for _ in range(20):
        one.try_once()
        two.try_once()
        clock.now += 5
        other.now += 5
    assert (one.held, two.held) == (True, False)
    assert one.held_since == 0


@pytest.mark.parametrize("duration", [3, 6, 15, 60])
def test_a_leader_gives_up_before_anybody_may_take_over(connection: KubeClient, duration: int) -> None:
    """With a third of the duration between: an answer that it had begun is given up by the scheduler."""
    clock = Clock()
    one, two = a_lease(connection, "one", clock, duration), a_lease(connection, "two", clock, duration)
    one.try_once()
    two.try_once()
    given_up = taken = 0.0
    while not taken:
        clock.now += 0.1
        two.try_once()
        given_up = given_up if one.held else given_up or clock.now
        taken = clock.now if two.held else 0.0
    assert given_up == pytest.approx(duration * 2 / 3, abs=0.11)
    assert taken == pytest.approx(duration, abs=0.21)


def test_a_renewal_is_one_request_unless_somebody_else_wrote(
    api: FakeApiServer, connection: KubeClient
) -> None:
    lease = a_lease(connection, "one", Clock())
    lease.try_once()
    first = len(api.requests)
    lease.try_once()
    lease.try_once()
    assert requested(api)[first:] == ["PUT", "PUT"]
    spec = api.get(LEASES, "resourcepolicy", "extender")["spec"]
    api.put(LEASES, "resourcepolicy", "extender", spec={**spec, "holderIdentity": "two"})
    lease.try_once()
    assert requested(api)[first + 2 :] == ["PUT", "GET"]
    assert not lease.held


def test_a_lease_that_was_deleted_is_made_again(api: FakeApiServer, connection: KubeClient) -> None:
    lease = a_lease(connection, "one", Clock())
    lease.try_once()
    api.delete(LEASES, "resourcepolicy", "extender")
    lease.try_once()
    lease.try_once()
    assert lease.held
    assert api.get(LEASES, "resourcepolicy", "extender")["spec"]["holderIdentity"] == "one"


def test_an_api_server_that_hangs_keeps_no_renewal_longer_than_the_lead(
    connection: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def hung(*_: object, seconds: float = 60) -> bytes:
        waits.append(seconds)
        raise Unreachable("timed out")

    def hung_write(_path: str, _body: object, seconds: float = 60) -> bytes:
        return hung(seconds=seconds)

    lease = a_lease(connection, "one", Clock(), duration=6)
    lease.try_once()
    monkeypatch.setattr(connection, "get", hung)
    monkeypatch.setattr(connection, "put", hung_write)
    lease.try_once()
    lease.try_once()
    assert waits == [2.0, 2.0]


def test_nobody_compares_clocks(connection: KubeClient) -> None:
    """Leads by years make no difference: each measures by its own clock since it saw the last renewal."""
    one, two = a_lease(connection, "one", Clock()), a_lease(connection, "two", Clock(now=1e9))
    one.try_once()
    two.try_once()
    assert not two.held


def test_a_released_lease_is_free_at_once(connection: KubeClient) -> None:
    one, two = a_lease(connection, "one", Clock()), a_lease(connection, "two", Clock())
    one.try_once()
    one.release()
    two.try_once()
    assert (one.held, two.held) == (False, True)


def test_an_unreachable_api_server_costs_the_lead_only_when_the_lease_runs_out(
    connection: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object, **__: object) -> bytes:
        raise Unreachable("cut off")

    clock = Clock()
    lease = a_lease(connection, "one", clock)
    lease.try_once()
    monkeypatch.setattr(connection, "get", cut)
    monkeypatch.setattr(connection, "put", cut)
    clock.now = 9
    lease.try_once()
    at_first = lease.held
    clock.now = 11
    assert (at_first, lease.held) == (True, False)


def test_of_two_that_write_at_once_one_leads(api: FakeApiServer, connection: KubeClient) -> None:
    clock = Clock()
    one, two = a_lease(connection, "one", clock), a_lease(connection, "two", clock)
    one.try_once()
    one.release()
    stored = api.get(LEASES, "resourcepolicy", "extender")
    spec = {**stored["spec"], "holderIdentity": "three"}
    put = connection.put

    def slow(path: str, body: object, seconds: float) -> bytes:
        api.put(LEASES, "resourcepolicy", "extender", spec=spec)
        return put(path, body, seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "put", slow)
        two.try_once()
    assert not two.held


def test_run_takes_the_lead_and_gives_it_back(connection: KubeClient) -> None:
    stop = Event()
    stop.set()
    clock = Clock()
    one, two = a_lease(connection, "one", clock), a_lease(connection, "two", clock)
    one.try_once()
    one.run(stop)
    two.try_once()
    assert two.held
