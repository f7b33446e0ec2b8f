"""Leadership by a Lease: never two holders at a time, and no gap longer than the lease.

Owns what the lease promises; the API server is the fake one, held to the real one by its contract test.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest

from extender.connection import Connection, Unreachable, connect
from extender.lease import Lease
from tests.extender.apiserver import FakeApiServer

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
def connection(api: FakeApiServer, tmp_path: Path) -> Iterator[Connection]:
    connection = connect(api.kubeconfig(tmp_path))
    yield connection
    connection.close()


def a_lease(connection: Connection, identity: str, clock: Clock) -> Lease:
    return Lease(connection, "resourcepolicy", "extender", identity, clock)


def test_the_first_to_ask_leads_and_the_second_does_not(connection: Connection) -> None:
    one, two = a_lease(connection, "one", Clock()), a_lease(connection, "two", Clock())
    one.try_once()
    two.try_once()
    assert (one.held, two.held) == (True, False)


def test_a_leader_that_renews_keeps_the_lead(connection: Connection) -> None:
    clock, other = Clock(), Clock()
    one, two = a_lease(connection, "one", clock), a_lease(connection, "two", other)
    for _ in range(20):
        one.try_once()
        two.try_once()
        clock.now += 5
        other.now += 5
    assert (one.held, two.held) == (True, False)
    assert one.held_for == 100


def test_a_leader_gives_up_before_anybody_may_take_over(connection: Connection) -> None:
    clock, other = Clock(), Clock()
    one, two = a_lease(connection, "one", clock), a_lease(connection, "two", other)
    one.try_once()
    two.try_once()
    for seconds in range(40):
        clock.now = other.now = float(seconds)
        two.try_once()
        assert not (one.held and two.held)
    assert two.held


def test_nobody_compares_clocks(connection: Connection) -> None:
    """Leads by years make no difference: each measures by its own clock since it saw the last renewal."""
    one, two = a_lease(connection, "one", Clock()), a_lease(connection, "two", Clock(now=1e9))
    one.try_once()
    two.try_once()
    assert not two.held


def test_a_released_lease_is_free_at_once(connection: Connection) -> None:
    one, two = a_lease(connection, "one", Clock()), a_lease(connection, "two", Clock())
    one.try_once()
    one.release()
    two.try_once()
    assert (one.held, two.held) == (False, True)


def test_an_unreachable_api_server_costs_the_lead_only_when_the_lease_runs_out(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> bytes:
        raise Unreachable("cut off")

    clock = Clock()
    lease = a_lease(connection, "one", clock)
    lease.try_once()
    monkeypatch.setattr(connection, "get", cut)
    clock.now = 9
    lease.try_once()
    at_first = lease.held
    clock.now = 11
    assert (at_first, lease.held, lease.held_for) == (True, False, 0)


def test_of_two_that_write_at_once_one_leads(api: FakeApiServer, connection: Connection) -> None:
    clock = Clock()
    one, two = a_lease(connection, "one", clock), a_lease(connection, "two", clock)
    one.try_once()
    one.release()
    stored = api.get(LEASES, "resourcepolicy", "extender")
    spec = {**stored["spec"], "holderIdentity": "three"}
    put = connection.put

    def slow(path: str, body: object) -> bytes:
        api.put(LEASES, "resourcepolicy", "extender", spec=spec)
        return put(path, body)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "put", slow)
        two.try_once()
    assert not two.held


def test_run_takes_the_lead_and_gives_it_back(connection: Connection) -> None:
    stop = Event()
    stop.set()
    clock = Clock()
    one, two = a_lease(connection, "one", clock), a_lease(connection, "two", clock)
    one.try_once()
    one.run(stop)
    two.try_once()
    assert two.held
