"""kube-scheduler's queue: active, backing off, unschedulable.

Model: pkg/scheduler/backend/queue, as told in docs/design/extender-protocol.md, "Requeue and storms".
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from policy.api.objects import Pod

__all__ = ["Failure", "Queue", "Queued"]

_FIRST_BACKOFF = 1.0
_LONGEST_BACKOFF = 10.0
_FLUSHED_AFTER = 300.0


@dataclass(frozen=True, slots=True)
class Failure:
    """How an attempt ended. `extender`: recorded as a rejector, so that every event counts."""

    message: str
    extender: bool = False
    error: bool = False


@dataclass(slots=True)
class Queued:
    """A pod on its way through the queue."""

    pod: Pod
    refusals: int = 0
    errors: int = 0
    failure: Failure | None = None
    failed_at: float = 0.0
    ready_at: float = 0.0
    moved: bool = False
    """An event came during its attempt."""


class Queue:
    """Every pod is in one of the four maps, by uid."""

    def __init__(self) -> None:
        self.active: dict[str, Queued] = {}
        self.waiting: dict[str, Queued] = {}
        """Backing off."""
        self.stuck: dict[str, Queued] = {}
        """Unschedulable."""
        self.attempted: dict[str, Queued] = {}
        """In a scheduling or binding cycle."""
        self.gated: set[str] = set()
        """Not to be tried yet, wherever they are: the deletes of their victims are being sent."""

    def __contains__(self, uid: object) -> bool:
        return any(uid in part for part in self._processes)

    def __iter__(self) -> Iterator[str]:
        return chain(*self._processes)

    @property
    def _processes(self) -> tuple[dict[str, Queued], ...]:
        return self.active, self.waiting, self.stuck, self.attempted

    def get(self, uid: str) -> Pod | None:
        """The pod as it was last seen, if it is here."""
        return next((part[uid].pod for part in self._processes if uid in part), None)

    def add(self, pod: Pod) -> None:
        """A new pod."""
        self.active[pod.uid] = Queued(pod)

    def update(self, pod: Pod, now: float) -> None:
        """The pod changed: worth another try if an extender refused it."""
        for part in (self.active, self.waiting, self.attempted):
            if pod.uid in part:
                part[pod.uid].pod = pod
        if pod.uid in self.attempted:
            self.attempted[pod.uid].moved = True
        queued = self.stuck.get(pod.uid)
        if queued is not None:
            queued.pod = pod
            if queued.failure is not None and queued.failure.extender:
                self._move(queued, now)

    def remove(self, uid: str) -> None:
        for part in self._processes:
            part.pop(uid, None)

    def pop(self, now: float) -> Queued | None:
        """The next pod to try. When none is active those that back off are popped early, but for errors."""
        for uid in [uid for uid, queued in self.waiting.items() if queued.ready_at <= now]:
            self.active[uid] = self.waiting.pop(uid)
        early = [q for q in self.waiting.values() if q.failure is not None and not q.failure.error]
        chosen = min(self._free(self.active.values()), key=lambda queued: _rank(queued.pod), default=None)
        if chosen is None:
            chosen = min(self._free(early), key=lambda q: (q.ready_at, q.pod.uid), default=None)
        if chosen is None:
            return None
        for part in (self.active, self.waiting):
            part.pop(chosen.pod.uid, None)
        chosen.moved = False
        self.attempted[chosen.pod.uid] = chosen
        return chosen

    def _free(self, some: Iterable[Queued]) -> Iterator[Queued]:
        return (queued for queued in some if queued.pod.uid not in self.gated)

    def failed(self, queued: Queued, failure: Failure, now: float) -> None:
        """The attempt ended without a node."""
        if self.attempted.pop(queued.pod.uid, None) is None:
            return
        queued.failure, queued.failed_at = failure, now
        if failure.error:
            queued.errors += 1
            self._back_off(queued, queued.errors, now)
            return
        queued.errors = 0
        queued.refusals += 1
        if queued.moved:
            self._back_off(queued, queued.refusals, now)
        else:
            self.stuck[queued.pod.uid] = queued

    def event(self, now: float, *, room: bool, upto: float = math.inf) -> None:
        """Something happened in the cluster; `room`: it may have made some, for priorities up to this."""
        for queued in self.attempted.values():
            queued.moved = True
        for queued in list(self.stuck.values()):
            woken = room or (queued.failure is not None and queued.failure.extender)
            if woken and queued.pod.priority <= upto:
                self._move(queued, now)

    def activate(self, uid: str) -> None:
        """Try the pod again at once."""
        for part in (self.stuck, self.waiting):
            if uid in part:
                self.active[uid] = part.pop(uid)

    def flush(self, now: float) -> None:
        """What was stuck for five minutes is tried again."""
        for queued in list(self.stuck.values()):
            if now - queued.failed_at > _FLUSHED_AFTER:
                self._move(queued, now)

    def next_ready(self) -> float | None:
        """When the next pod has backed off."""
        return min((queued.ready_at for queued in self.waiting.values()), default=None)

    def _move(self, queued: Queued, now: float) -> None:
        del self.stuck[queued.pod.uid]
        self._back_off(queued, queued.refusals, now)

    def _back_off(self, queued: Queued, times: int, now: float) -> None:
        queued.ready_at = queued.failed_at + min(_FIRST_BACKOFF * 2 ** (times - 1), _LONGEST_BACKOFF)
        if queued.ready_at <= now:
            self.active[queued.pod.uid] = queued
        else:
            self.waiting[queued.pod.uid] = queued


def _rank(pod: Pod) -> tuple[int, float, str]:
    return -pod.priority, pod.created, pod.uid
