"""A reflector: lists one resource, then watches it for ever, and feeds a sink.

Model: client-go's reflector; paging KEP-365, bookmarks KEP-956, numbers in docs/design/python-stack.md.
"""

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Event
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from cluster.kube.client import ApiError, KubeClient, Status, Stream, Unreachable

__all__ = ["Backoff", "Reflector", "Resource", "ResourceEventHandler"]

log = logging.getLogger(__name__)

W = TypeVar("W")
R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)

PAGE = 500
LIST_SECONDS = 60.0
WATCH_SECONDS = (8, 12)
"""Short: an idle watch tells its place at its end, and else once a minute only."""
LIVED = 1.0  # seconds; a watch that ends sooner and brings nothing counts as failed

GONE = 410
DENIED = (401, 403)
LOST = (400, 404, GONE)  # the place we wanted to resume at is of no use any more
CHANGES = ("ADDED", "MODIFIED", "DELETED")
NOT_JSON = (UnicodeDecodeError, RecursionError, msgspec.DecodeError)
NOT_UNDERSTOOD = (ValueError, TypeError, KeyError, RecursionError, msgspec.DecodeError)


class ResourceEventHandler(Protocol[R_contra]):
    """Where the objects go. Called by the reflector's thread only."""

    def begin_list(self) -> None:
        """A list is asked for: it will hold nothing older than this moment."""

    def replace(self, items: Sequence[R_contra]) -> None:
        """Take a complete, consistent list: whatever is not in it is gone."""

    def upsert(self, item: R_contra) -> None: ...

    def remove(self, item: R_contra) -> None:
        """Forget an item, given in its last state; perhaps one that was never delivered."""


@dataclass(frozen=True, slots=True)
class Resource(Generic[W, R]):
    """What to watch, and how its objects become ours; ValueError from `convert` skips one."""

    path: str
    wire: type[W]
    convert: Callable[[W], R]


def _jitter() -> float:
    return random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing


@dataclass(slots=True)
class Backoff:
    """Seconds to wait: doubled from `first` to `ceiling`, times a jitter of at most 1."""

    first: float = 0.1
    ceiling: float = 30.0
    jitter: Callable[[], float] = _jitter
    _next: float = field(default=0.0, init=False)

    def failed(self) -> float:
        now = max(self._next, self.first)
        self._next = min(now * 2, self.ceiling)
        return now * self.jitter()

    def slow(self) -> float:
        return self.ceiling * self.jitter()

    def reset(self) -> None:
        self._next = self.first


class _Place(msgspec.Struct, gc=False):
    version: str = msgspec.field(default="", name="resourceVersion")
    name: str = ""
    namespace: str = ""
    continues: str = msgspec.field(default="", name="continue")

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class _Placed(msgspec.Struct, gc=False):
    metadata: _Place


class _Page(msgspec.Struct, Generic[W]):
    metadata: _Place
    items: list[W] | None


class _Change(msgspec.Struct, gc=False):
    type: str
    object: msgspec.Raw


class _ListAgain(Exception):  # noqa: N818 - control flow
    """The watch cannot go on from where it is."""

    def __init__(self, why: str, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class Reflector(Generic[W, R]):
    """Attributes without an underscore may be read by any thread; `run`'s thread writes them.

    States: no version -> list -> version -> watch -> version (resume) | no version (list again).
    """

    def __init__(
        self,
        client: KubeClient,
        resource: Resource[W, R],
        sink: ResourceEventHandler[R],
        *,
        clock: Callable[[], float] = monotonic,
        stall: float = 16.0,
        page: int = PAGE,
        backoff: Backoff | None = None,
    ) -> None:
        self.synced = False
        self.listed_at: float | None = None
        """When the last list was asked for that has arrived."""
        self.relists = 0
        self.events = 0
        self.undecodable = 0
        self._client = client
        self._resource = resource
        self._sink = sink
        self._clock = clock
        self._stall = stall
        self._limit = page
        self._backoff = backoff or Backoff()
        self._version = ""
        self._list_wanted = False
        self._stream: Stream | None = None
        self._latest: msgspec.Raw | None = None
        self._refused: frozenset[str] = frozenset()
        pages: Any = _Page
        self._pages = msgspec.json.Decoder(pages[resource.wire])
        self._raw_pages = msgspec.json.Decoder(_Page[msgspec.Raw])
        self._objects = msgspec.json.Decoder(resource.wire)
        self._places = msgspec.json.Decoder(_Placed)
        self._changes = msgspec.json.Decoder(_Change)

    @property
    def path(self) -> str:
        """Of the collection."""
        return self._resource.path

    @property
    def version(self) -> str:
        """The version up to which everything was delivered; empty before the first list."""
        latest = self._latest
        return self._version if latest is None else self._places.decode(latest).metadata.version

    def list_again(self) -> None:
        """Have a list that holds nothing older than this moment. Any thread may ask for it."""
        self._list_wanted = True
        stream = self._stream
        if stream is not None:
            stream.interrupt()

    def run(self, stop: Event) -> None:
        """List and watch until `stop`; close the connection to end a watch that is waiting."""
        while not stop.is_set():
            try:
                wait = self._once(stop)
            except Exception:
                # A bug must not end the watch unseen. What the sink knows may be wrong now: list all again.
                log.exception("%s: a bug; listing again", self._resource.path)
                self._version = ""
                wait = self._backoff.failed()
            stop.wait(wait)

    def _once(self, stop: Event) -> float:
        """List if need be, watch until that ends, and say how long to wait."""
        try:
            if self._list_wanted or not self._version:
                self._list(stop)
            if self._version and self._watch(stop):
                return 0.0
        except ApiError as error:
            return self._refused_by_server(error, stop)
        except _ListAgain as error:
            self._version = ""
            return max(self._wait(f"{error}; listing again", stop), error.retry_after or 0)
        except NOT_JSON as error:
            self._version = ""
            return self._wait(f"not a list or watch of ours: {error}; listing again", stop)
        except Unreachable as error:
            return self._wait(str(error), stop)
        return self._wait("the watch ended", stop, logging.DEBUG)

    def _wait(self, why: str, stop: Event, level: int = logging.WARNING) -> float:
        seconds = self._backoff.failed()
        if not stop.is_set():
            log.log(level, "%s: %s; next try in %.1f s", self._resource.path, why, seconds)
        return seconds

    def _refused_by_server(self, error: ApiError, stop: Event) -> float:
        if error.status in LOST:
            self._version = ""
        if error.status in DENIED:
            log.error("%s: our account needs list and watch: %s", self._resource.path, error)
            return self._backoff.slow()
        return max(self._wait(str(error), stop), error.retry_after or 0)

    def _list(self, stop: Event) -> None:
        items: list[R] = []
        refused: set[str] = set()
        query = {"limit": str(self._limit)}
        self._list_wanted, self._version = False, ""
        asked_at = self._clock()
        self._sink.begin_list()
        while not stop.is_set():
            body = self._client.get(self._resource.path, query, LIST_SECONDS)
            place = self._read_page(body, items, refused)
            if not place.continues:
                self._replace(items, refused, place.version)
                self.listed_at = asked_at
                return
            query["continue"] = place.continues

    def _replace(self, items: list[R], refused: set[str], version: str) -> None:
        self._sink.replace(items)
        self._refused = frozenset(refused)
        self._version = version
        self.relists += self.synced
        self.synced = True
        log.info("%s: listed %d", self._resource.path, len(items))

    def _read_page(self, body: bytes, items: list[R], refused: set[str]) -> _Place:
        convert = self._resource.convert
        try:
            page = self._pages.decode(body)
            items += [convert(item) for item in page.items or ()]
        except NOT_UNDERSTOOD:
            raw = self._raw_pages.decode(body)
            items += self._one_by_one(raw.items or [], refused)
            return raw.metadata
        place: _Place = page.metadata
        return place

    def _one_by_one(self, objects: list[msgspec.Raw], refused: set[str]) -> Iterator[R]:
        for raw in objects:
            try:
                yield self._resource.convert(self._objects.decode(raw))
            except NOT_UNDERSTOOD as error:
                refused.add(self._skip(raw, error))

    def _skip(self, raw: msgspec.Raw, error: Exception) -> str:
        key = self._places.decode(raw).metadata.key
        self.undecodable += 1
        if key not in self._refused:
            log.warning("%s: %s skipped, not understood: %s", self._resource.path, key, error)
        return key

    def _watch(self, stop: Event) -> bool:
        """Whether it lived and ended in good order: the next one may follow at once."""
        query = {
            "watch": "true",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(random.randint(*WATCH_SECONDS)),  # noqa: S311 - spreads load
        }
        began = self._clock()
        self._latest = None
        try:
            with self._client.stream(self._resource.path, query, self._stall) as lines:
                self._stream = lines
                if not self._list_wanted:  # it may have been wanted before there was a stream to interrupt
                    self._follow(lines, stop)
        finally:
            self._stream = None
            self._resume(began)
        return self._list_wanted or self._clock() - began >= LIVED

    def _follow(self, lines: Stream, stop: Event) -> None:
        for line in lines:
            change = self._changes.decode(line)
            if change.type in CHANGES:
                self.events += 1
                self._deliver(change)
            elif change.type == "ERROR":
                error = msgspec.json.decode(change.object, type=Status).error()
                raise _ListAgain(str(error), error.retry_after)
            elif change.type != "BOOKMARK":
                continue
            self._latest = change.object
            if stop.is_set():
                return

    def _resume(self, began: float) -> None:
        # Reading the version of the last change only, not of each, halves the cost of an event.
        if self._latest is not None:
            self._version = self._places.decode(self._latest).metadata.version
        if self._latest is not None or self._clock() - began >= LIVED:
            self._backoff.reset()

    def _deliver(self, change: _Change) -> None:
        try:
            item = self._resource.convert(self._objects.decode(change.object))
        except NOT_UNDERSTOOD as error:
            self._refuse(change, error)
            return
        if self._refused:
            self._refused -= {self._places.decode(change.object).metadata.key}
        if change.type == "DELETED":
            self._sink.remove(item)
        else:
            self._sink.upsert(item)

    def _refuse(self, change: _Change, error: Exception) -> None:
        key = self._skip(change.object, error)
        known = key in self._refused
        self._refused = self._refused - {key} if change.type == "DELETED" else self._refused | {key}
        if not known and change.type != "ADDED":
            # The sink holds an older state and cannot be told what to remove: only a list can.
            raise _ListAgain(f"{key} is not understood any more")
