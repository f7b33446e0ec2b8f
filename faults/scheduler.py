"""A kube-scheduler: its own late view, assumed pods, attempts one by one, bindings beside them.

Owns what a stock scheduler does with an extender's answer, and what it never tells; must not know policies.
Model: pkg/scheduler/schedule_one.go, as told in scheduler-extender.md.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from zlib import crc32

from faults.apiserver import MESSAGE, ApiServer, Conflict, Object, Resource
from faults.loop import Loop
from faults.queue import Failure, Queue, Queued
from faults.schedule import World
from faults.watch import Sink, Watch
from policy.objects import Node, Pod

__all__ = ["SCHEDULER", "Answer", "Binding", "Calls", "Scheduler", "Ticket"]

SCHEDULER = "faults/scheduler"
"""The label that stands for `spec.schedulerName`."""
_FLUSH = 30.0
_LANDS_WITHIN = 1.0
"""Seconds after the death of its sender in which a binding may still be made."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What was decided for a pod, for the accounts of the invariants."""

    policy: str
    unit: str
    """Its fingerprint."""
    group: tuple[str, ...]
    generation: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Of filter: nodes, or a refusal, or an error."""

    nodes: Sequence[str] = ()
    refusal: str = ""
    error: str = ""
    ticket: Ticket | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """A binding on its way to the API server."""

    pod: Pod
    node: str
    ticket: Ticket | None


class Calls(Protocol):
    """The outside of a scheduler, and what may go wrong there with a pod."""

    def filter(self, pod: Pod, candidates: Sequence[str]) -> Answer:
        """POST filter."""

    def bind_seconds(self, pod: Pod) -> float:
        """How long its next binding takes."""

    def bind_fails(self, pod: Pod) -> bool:
        """Whether its next binding fails before it reaches the API server."""

    def bind_answer_lost(self, pod: Pod) -> bool:
        """Whether its next binding is made, and reported as failed."""

    def patch_seconds(self, pod: Pod) -> float:
        """How long its next patch takes."""

    def bound(self, binding: Binding) -> None:
        """A binding was made."""


class Scheduler:
    """One process. `stop` is its death: what it sent before still arrives."""

    def __init__(self, name: str, loop: Loop, api: ApiServer, world: World, calls: Calls) -> None:
        self.name = name
        self._loop = loop
        self._api = api
        self._world = world
        self._calls = calls
        self._queue = Queue()
        self._nodes: dict[str, Node] = {}
        self._pods: dict[str, Pod] = {}
        """The bound ones."""
        self._assumed: dict[str, Binding] = {}
        self.sent: dict[str, Binding] = {}
        """Bindings that have not arrived yet."""
        self._busy = False
        self._stopped = False
        self._stopped_at = math.inf
        self._kick_at = 0.0
        node_lag, pod_lag = world.scheduler_lags
        self.watches: Mapping[str, Watch] = {
            "nodes": Watch(
                loop,
                api,
                Resource.NODES,
                Sink(self._replace_nodes, self._put_node, self._remove_node),
                node_lag,
            ),
            "pods": Watch(
                loop, api, Resource.PODS, Sink(self._replace_pods, self._put_pod, self._remove_pod), pod_lag
            ),
        }
        loop.after(_FLUSH, self._flush)

    @property
    def synced(self) -> bool:
        return all(watch.synced for watch in self.watches.values())

    @property
    def attempted(self) -> Collection[str]:
        """The uids of the pods that are in an attempt."""
        return self._queue.attempted.keys()

    def stop(self) -> None:
        self._stopped = True
        self._stopped_at = self._loop.now
        for watch in self.watches.values():
            watch.stop()

    # What its watches bring.

    def _replace_nodes(self, listed: Sequence[Object]) -> None:
        names = {node.name for node in listed if isinstance(node, Node)}
        for name in [name for name in self._nodes if name not in names]:
            del self._nodes[name]
        for node in listed:
            self._put_node(node)

    def _put_node(self, node: Object) -> None:
        assert isinstance(node, Node)  # noqa: S101  tells the type
        self._nodes[node.name] = node
        self._event(room=True)

    def _remove_node(self, node: Object) -> None:
        assert isinstance(node, Node)  # noqa: S101  tells the type
        self._nodes.pop(node.name, None)

    def _replace_pods(self, listed: Sequence[Object]) -> None:
        uids = {pod.uid for pod in listed if isinstance(pod, Pod)}
        queue = self._queue
        known = [*self._pods, *self._assumed, *queue.active, *queue.waiting, *queue.stuck, *queue.attempted]
        for uid in known:
            if uid not in uids:
                self._forget_pod(uid)
        for pod in listed:
            self._put_pod(pod)

    def _put_pod(self, pod: Object) -> None:
        assert isinstance(pod, Pod)  # noqa: S101  tells the type
        if pod.finished:
            self._forget_pod(pod.uid)
        elif pod.node_name:
            self._pods[pod.uid] = pod
            self._assumed.pop(pod.uid, None)
            self._queue.remove(pod.uid)
            self._event(room=False)
        elif pod.uid in self._assumed:
            return
        elif pod.labels[SCHEDULER] == self.name and not pod.terminating:
            if pod.uid in self._queue:
                self._queue.update(pod, self._loop.now)
            else:
                self._queue.add(pod)
            self._kick()

    def _remove_pod(self, pod: Object) -> None:
        assert isinstance(pod, Pod)  # noqa: S101  tells the type
        self._forget_pod(pod.uid)

    def _forget_pod(self, uid: str) -> None:
        self._queue.remove(uid)
        held = self._pods.pop(uid, None) is not None
        if held or self._assumed.pop(uid, None) is not None:
            self._event(room=True)

    def _event(self, *, room: bool) -> None:
        self._queue.event(self._loop.now, room=room)
        self._kick()

    def _flush(self) -> None:
        if not self._stopped:
            self._queue.flush(self._loop.now)
            self._kick()
            self._loop.after(_FLUSH, self._flush)

    # One attempt.

    def _kick(self) -> None:
        """Try the next pod, now if none is being tried."""
        if not (self._busy or self._stopped) and self._kick_at <= self._loop.now:
            self._kick_at = self._loop.now + 1e-4
            self._loop.at(self._kick_at, self._cycle)

    def _cycle(self) -> None:
        if self._busy or self._stopped or not self.synced:
            return
        queued = self._queue.pop(self._loop.now)
        if queued is None:
            ready = self._queue.next_ready()
            if ready is not None:
                self._loop.at(ready, self._kick)
            return
        candidates = self._candidates(queued.pod)
        if not candidates:
            self._fail(queued, Failure("nodes have too little room"))
            return
        self._busy = True
        self._loop.after(self._world.call, lambda: self._asked(queued, candidates))

    def _candidates(self, pod: Pod) -> list[str]:
        used: dict[str, int] = {}
        for other, node in [
            *((held, held.node_name) for held in self._pods.values()),
            *((binding.pod, binding.node) for binding in self._assumed.values()),
        ]:
            used[node] = used.get(node, 0) + sum(other.requests.values())
        wanted = sum(pod.requests.values())
        return [
            node.name
            for node in self._nodes.values()
            if node.ready and used.get(node.name, 0) + wanted <= sum(node.allocatable.values())
        ]

    def _asked(self, queued: Queued, candidates: Sequence[str]) -> None:
        if self._stopped:
            return
        self._busy = False
        answer = self._calls.filter(queued.pod, candidates)
        if queued.pod.uid not in self._queue.attempted:
            self._kick()
        elif answer.error:
            self._fail(queued, Failure(answer.error, error=True))
        elif not answer.nodes:
            self._fail(queued, Failure(answer.refusal, extender=True))
        else:
            self._assume(queued, answer)

    def _assume(self, queued: Queued, answer: Answer) -> None:
        pod = queued.pod
        # Scores are whatever they are: any order of nodes may come out.
        node = min(answer.nodes, key=lambda name: crc32(f"{pod.uid}{name}{queued.refusals}".encode()))
        binding = Binding(pod, node, answer.ticket)
        self._assumed[pod.uid] = self.sent[pod.uid] = binding
        fails = self._calls.bind_fails(pod)
        self._loop.after(self._calls.bind_seconds(pod), lambda: self._bind(queued, binding, fails=fails))
        self._kick()

    def _bind(self, queued: Queued, binding: Binding, *, fails: bool) -> None:
        """The binding reaches the API server, even if its sender has just died."""
        if self.sent.get(binding.pod.uid) is binding:
            del self.sent[binding.pod.uid]
        failed = fails or self._loop.now > self._stopped_at + _LANDS_WITHIN
        if not failed:
            try:
                self._api.bind(binding.pod.uid, binding.node)
                self._calls.bound(binding)
            except Conflict:
                failed = True
        if self._stopped:
            return
        if failed or self._calls.bind_answer_lost(binding.pod):
            self._assumed.pop(binding.pod.uid, None)
            self._event(room=True)
            self._fail(queued, Failure("binding failed", error=True))
        else:
            self._queue.remove(binding.pod.uid)

    def _fail(self, queued: Queued, failure: Failure) -> None:
        pod = queued.pod
        self._queue.failed(queued, failure, self._loop.now)
        if pod.annotations.get(MESSAGE) == failure.message:
            self._kick()
            return
        seconds = self._calls.patch_seconds(pod)
        blocks = self._world.patches_block and not failure.message.startswith("binding")
        self._busy = self._busy or blocks
        self._loop.after(seconds, lambda: self._patch(pod, failure, blocks=blocks))
        if not blocks:
            self._kick()

    def _patch(self, pod: Pod, failure: Failure, *, blocks: bool) -> None:
        self._api.refuse(pod.uid, failure.message, unschedulable=not failure.error)
        if blocks and not self._stopped:
            self._busy = False
            self._kick()
