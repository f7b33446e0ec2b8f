"""Work that only the leader does.

Owns starting it with the lead and ending it when the lead is lost; must not know what the work is.
"""

import socket
import uuid
from collections.abc import Callable
from threading import Event, Thread

from cluster.connection import Connection
from cluster.lease import Lease

__all__ = ["identity", "lease_of", "together"]

_POLL = 0.2

Work = Callable[[Event], None]


def identity() -> str:
    """A name for this process that no other one has."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


def lease_of(
    connection: Connection,
    name: str,
    duration: int,
    clock: Callable[[], float],
    taken: Callable[[], None] = lambda: None,
) -> Lease | None:
    """The Lease that a setting names as NAMESPACE/NAME; none if it names none."""
    if not name:
        return None
    namespace, _, lease = name.partition("/")
    return Lease(connection, namespace, lease, identity(), clock, duration, taken)


def together(stop: Event, lease: Lease | None, *work: Work) -> None:
    """Do the work, each in a thread, until `stop`; with a lease only while it is held."""
    if lease is None:
        _until(stop.is_set, stop, work)
        return
    elect = Thread(target=lease.run, args=(stop,), name="lease", daemon=True)
    elect.start()
    while not stop.wait(_POLL):
        if lease.held:
            _until(lambda: not lease.held, stop, work)
    elect.join(timeout=5)


def _until(over: Callable[[], bool], stop: Event, work: tuple[Work, ...]) -> None:
    done = Event()
    threads = [Thread(target=each, args=(done,), daemon=True) for each in work]
    for thread in threads:
        thread.start()
    while not over() and not stop.wait(_POLL):
        pass
    done.set()
    for thread in threads:
        thread.join()
