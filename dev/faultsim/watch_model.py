"""A list and watch of one resource as a client lives it: late, silent, twice, broken, listed again.

The real one is cluster/kube/reflector.py.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dev.faultsim.apiserver_model import ApiServer, Object, Resource
from dev.faultsim.virtual_clock import Loop

__all__ = ["Sink", "Watch"]

_STALL = 16.0
"""Seconds without a byte after which the client opens a new watch, as cluster/kube/reflector.py does."""
_BOOKMARK = 10.0
"""A watch ends after about so long, and tells its place."""


@dataclass(frozen=True, slots=True)
class Sink:
    """Where the objects go."""

    replace: Callable[[Sequence[Object]], None]
    upsert: Callable[[Object], None]
    remove: Callable[[Object], None]
    begin_list: Callable[[], None] = lambda: None


class Watch:
    """Begins with a list. `lag` is how long everything takes to arrive."""

    def __init__(self, loop: Loop, api: ApiServer, resource: Resource, sink: Sink, lag: float) -> None:
        self.synced = False
        self.path = resource.value
        self.version = ""
        """Up to which everything has arrived, as far as the client was told."""
        self.listed_at: float | None = None
        self.disturbed_until = 0.0
        self._loop = loop
        self._api = api
        self._resource = resource
        self._sink = sink
        self._lag = lag
        self._position = 0
        self._listing = False
        self._held_until = 0.0
        self._list_serial = 0
        self._asked_at = 0.0
        self._stopped = False
        self._end = api.watch(resource, self._notified)
        self.list_again()
        loop.after(_BOOKMARK, self._ask_bookmark)

    @property
    def behind_since(self) -> float:
        """When the first change was made that has not arrived; inf if everything has."""
        history = self._api.history[self._resource]
        return history[self._position].at if self._position < len(history) else math.inf

    @property
    def current(self) -> bool:
        """Whether every change has arrived."""
        return self.synced and not self._listing and self._position == len(self._api.history[self._resource])

    def stop(self) -> None:
        """Nothing arrives any more."""
        self._stopped = True
        self._end()

    def hold(self, seconds: float) -> None:
        """What comes within this time arrives at its end."""
        self._held_until = max(self._held_until, self._loop.now + seconds)
        self._disturb(self._held_until)
        self._loop.at(self._held_until, self._deliver)

    def fall_silent(self, seconds: float) -> None:
        """No watch brings anything for so long; one that is open then is given up later, without a byte."""
        self.hold(_STALL * math.ceil(seconds / _STALL))

    def repeat(self, amount: int) -> None:
        """The last changes arrive again, in their order: the connection broke before they were noted."""
        if self._listing:
            return
        history = self._api.history[self._resource]
        first = max(0, self._position - amount)
        again = history[first : self._position]
        for change in again:
            self._take(change.object, deleted=change.deleted)

    def list_again(self, after: float = 0.0) -> None:
        """Nothing arrives until a new list does: what happened in between shows only in that."""
        self._listing = True
        self._list_serial += 1
        serial = self._list_serial
        self._disturb(self._loop.now + after + 2 * self._lag)
        self._loop.after(after, lambda: self._ask_list(serial))

    def _ask_list(self, serial: int) -> None:
        if not self._stopped and serial == self._list_serial:
            self._sink.begin_list()
            self._asked_at = self._loop.now
            self._loop.after(self._lag, lambda: self._read_list(serial))

    def _read_list(self, serial: int) -> None:
        if self._stopped or serial != self._list_serial:
            return
        objects, version = self._api.objects(self._resource), self._api.version
        position = len(self._api.history[self._resource])
        self._loop.after(self._lag, lambda: self._listed(objects, position, version, serial))

    def _listed(self, objects: Sequence[Object], position: int, version: int, serial: int) -> None:
        if self._stopped or serial != self._list_serial:
            return
        self.version = str(version)
        self._sink.replace(objects)
        self._position = position
        self.synced = True
        self.listed_at = self._asked_at
        self._listing = False
        self._deliver()

    def _ask_bookmark(self) -> None:
        if not self._stopped:
            asked_at, told, serial = self._loop.now, self._api.version, self._list_serial
            self._loop.after(self._lag, lambda: self._bookmarked(asked_at, told, serial))
            self._loop.after(_BOOKMARK, self._ask_bookmark)

    def _bookmarked(self, asked_at: float, told: int, serial: int) -> None:
        """It comes after all changes before it; one that is kept back is as good as none."""
        kept_back = self._listing or serial != self._list_serial or self._loop.now < self._held_until
        if not kept_back and self.behind_since >= asked_at:
            self.version = str(max(told, int(self.version)))

    def _disturb(self, until: float) -> None:
        self.disturbed_until = max(self.disturbed_until, until)

    def _notified(self) -> None:
        self._loop.at(max(self._loop.now + self._lag, self._held_until), self._deliver)

    def _deliver(self) -> None:
        history = self._api.history[self._resource]
        now = self._loop.now
        while not (self._stopped or self._listing) and self._position < len(history):
            change = history[self._position]
            if now < self._held_until or change.at + self._lag > now + 1e-9:
                self._loop.at(max(change.at + self._lag, self._held_until), self._deliver)
                return
            self._position += 1
            self.version = str(change.version)
            self._take(change.object, deleted=change.deleted)

    def _take(self, received: Object, *, deleted: bool) -> None:
        if deleted:
            self._sink.remove(received)
        else:
            self._sink.upsert(received)
