"""Work that only the leader does.

Owns starting it with the lead and ending it when the lead is lost; must not know what the work is.
"""

import socket
import uuid
from collections.abc import Callable
from threading import Event, Thread

from extender.lease import Lease

__all__ = ["identity", "lead"]

_POLL = 0.2

Work = Callable[[Event], None]


def identity() -> str:
    """A name for this process that no other has."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


def lead(lease: Lease, stop: Event, *work: Work) -> None:
    """Do the work, each in a thread, whenever the lease is held, until `stop`. Its event ends it soon."""
    elect = Thread(target=lease.run, args=(stop,), name="lease", daemon=True)
    elect.start()
    while not stop.wait(_POLL):
        if lease.held:
            _work_while_held(lease, stop, work)
    elect.join(timeout=5)


def _work_while_held(lease: Lease, stop: Event, work: tuple[Work, ...]) -> None:
    done = Event()
    threads = [Thread(target=each, args=(done,), daemon=True) for each in work]
    for thread in threads:
        thread.start()
    while lease.held and not stop.wait(_POLL):
        pass
    done.set()
    for thread in threads:
        thread.join()
