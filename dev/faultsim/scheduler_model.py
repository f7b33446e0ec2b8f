"""A kube-scheduler: its own late view, attempts one by one, and bindings and evictions beside them.

Model: pkg/scheduler/schedule_one.go and framework/preemption of 1.37 (docs/design/extender-protocol.md).
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from zlib import crc32

from dev.faultsim.apiserver_model import MESSAGE, ApiServer, Conflict, Object, Resource
from dev.faultsim.extender_client import Answer, Calls
from dev.faultsim.scenario import World
from dev.faultsim.scheduler_cache import Binding, PodRecorder
from dev.faultsim.scheduler_queue import Failure, Queue, Queued
from dev.faultsim.virtual_clock import Loop
from dev.faultsim.watch_model import Sink, Watch
from policy.api.objects import Node, Pod

__all__ = ["SCHEDULER", "Scheduler"]

SCHEDULER = "faults/scheduler"
"""The label that stands for `spec.schedulerName`."""
_FLUSH = 30.0
_LANDS_WITHIN = 1.0
"""Seconds after the death of its sender in which a binding may still be made."""
_TOO_LITTLE = Failure("nodes have too little room")


class Scheduler:
    """One process. `stop` is its death: what it sent before still arrives."""

    def __init__(self, name: str, loop: Loop, api: ApiServer, world: World, calls: Calls) -> None:
        self.name = name
        self._loop = loop
        self._api = api
        self._world = world
        self._calls = calls
        self._queue = Queue()
        self._sight = PodRecorder(world.guarded)
        self.sent: dict[str, Binding] = {}
        """Bindings that have not arrived yet."""
        self._busy = False
        self._stopped = False
        self._stopped_at = math.inf
        self._kick_at = 0.0
        node_lag, pod_lag = world.scheduler_lags
        nodes = Sink(self._replace_nodes, self._put_node, self._remove_node)
        pods = Sink(self._replace_pods, self._put_pod, self._remove_pod)
        self.watches: Mapping[str, Watch] = {
            "nodes": Watch(loop, api, Resource.NODES, nodes, node_lag),
            "pods": Watch(loop, api, Resource.PODS, pods, pod_lag),
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
        for name in [name for name in self._sight.nodes if name not in names]:
            del self._sight.nodes[name]
        for node in listed:
            self._put_node(node)

    def _put_node(self, node: Object) -> None:
        assert isinstance(node, Node)  # noqa: S101  tells the type
        self._sight.nodes[node.name] = node
        self._event(room=True)

    def _remove_node(self, node: Object) -> None:
        assert isinstance(node, Node)  # noqa: S101  tells the type
        self._sight.nodes.pop(node.name, None)

    def _replace_pods(self, listed: Sequence[Object]) -> None:
        uids = {pod.uid for pod in listed if isinstance(pod, Pod)}
        for uid in [*self._sight.bound, *self._sight.assumed, *self._queue]:
            if uid not in uids:
                self._forget_pod(uid)
        for pod in listed:
            self._put_pod(pod)

    def _put_pod(self, pod: Object) -> None:
        assert isinstance(pod, Pod)  # noqa: S101  tells the type
        if pod.finished:
            self._forget_pod(pod.uid)
        elif pod.node_name:
            self._sight.bound[pod.uid] = pod
            self._sight.assumed.pop(pod.uid, None)
            self._sight.nominated.pop(pod.uid, None)
            self._queue.remove(pod.uid)
            self._event(room=False)
        elif pod.uid in self._sight.assumed:
            return
        elif pod.labels[SCHEDULER] == self.name and not pod.terminating:
            self._put_pending(pod)
            self._kick()

    def _put_pending(self, pod: Pod) -> None:
        before = self._queue.get(pod.uid)
        nominated = before.nominated_node if before else ""
        if nominated or pod.nominated_node:
            # Else its own nomination may not have arrived yet.
            self._sight.nominate(pod, pod.nominated_node)
        if before is None:
            self._queue.add(pod)
            return
        self._queue.update(pod, self._loop.now)
        if nominated and nominated != pod.nominated_node:
            self._event(room=True, upto=pod.priority)

    def _remove_pod(self, pod: Object) -> None:
        assert isinstance(pod, Pod)  # noqa: S101  tells the type
        self._forget_pod(pod.uid)

    def _forget_pod(self, uid: str) -> None:
        waited = self._queue.get(uid)
        self._queue.remove(uid)
        self._sight.nominated.pop(uid, None)
        held = self._sight.bound.pop(uid, None) is not None
        if held or self._sight.assumed.pop(uid, None) is not None:
            self._event(room=True)
        elif waited is not None and waited.nominated_node:
            self._event(room=True, upto=waited.priority)

    def _event(self, *, room: bool, upto: float = math.inf) -> None:
        self._queue.event(self._loop.now, room=room, upto=upto)
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
        if queued is not None:
            self._try(queued, alone=True)
            return
        ready = self._queue.next_ready()
        if ready is not None:
            self._loop.at(ready, self._kick)

    def _try(self, queued: Queued, *, alone: bool) -> None:
        """With the nominated node alone first; with every node that fits if that comes to nothing."""
        pod = queued.pod
        candidates = self._sight.fitting(pod)
        alone = alone and pod.nominated_node in candidates
        if alone:
            candidates = [pod.nominated_node]
        if candidates:
            self._call(lambda: self._asked(queued, candidates, alone=alone))
        else:
            self._refused(queued, _TOO_LITTLE, ())

    def _asked(self, queued: Queued, candidates: Sequence[str], *, alone: bool) -> None:
        answer = self._calls.filter(queued.pod, candidates)
        if queued.pod.uid not in self._queue.attempted:
            self._kick()
        elif answer.nodes:
            self._assume(queued, answer)
        elif alone:
            self._try(queued, alone=False)
        elif answer.error:
            self._fail(queued, Failure(answer.error, error=True), nominated="")
        else:
            self._refused(queued, Failure(answer.refusal, extender=True), candidates)

    def _call(self, answered: Callable[[], None]) -> None:
        """A call that the scheduler waits for."""

        def back() -> None:
            if not self._stopped:
                self._busy = False
                answered()

        self._busy = True
        self._loop.after(self._world.call, back)

    # PostFilter.

    def _refused(self, queued: Queued, failure: Failure, unresolvable: Collection[str]) -> None:
        """No node: would one have room if pods of lower priority left it?"""
        pod = queued.pod
        waits = pod.nominated_node not in unresolvable and self._sight.leaves(pod, pod.nominated_node)
        if waits or not pod.preempts:
            self._fail(queued, failure)
            return
        victims = self._sight.victims(pod, unresolvable)
        if victims:
            self._call(lambda: self._may_preempt(queued, failure, victims))
        else:
            self._fail(queued, failure, nominated="")

    def _may_preempt(self, queued: Queued, failure: Failure, victims: Mapping[str, Sequence[Pod]]) -> None:
        uids = {node: [victim.uid for victim in some] for node, some in victims.items()}
        protected = [node for node, some in victims.items() if self._sight.broken(some)]
        answer = self._calls.preempt(queued.pod, uids, protected)
        if queued.pod.uid not in self._queue.attempted:
            self._kick()
        elif answer.nodes:
            node = self._sight.least({name: victims[name] for name in answer.nodes})
            self._preempt(queued, failure, node, victims[node])
        else:
            self._fail(queued, failure)

    def _preempt(self, queued: Queued, failure: Failure, node: str, victims: Sequence[Pod]) -> None:
        """The pod is not tried again before the deletes are sent; that is done beside the next attempts."""
        uid, patch = queued.pod.uid, self._world.patch
        for other in self._sight.nominated_below(queued.pod, node):
            self._sight.nominate(other, "")
            self._loop.after(patch, lambda other=other: self._api.end_nomination(other.uid))  # type: ignore[misc]
        doomed = [victim.uid for victim in victims if not victim.terminating]
        fails = bool(doomed) and self._calls.eviction_fails(queued.pod)
        self._queue.gated.add(uid)
        self._loop.after(patch, lambda: self._evict(uid, doomed, fails=fails))
        self._fail(queued, failure, nominated=node)

    def _evict(self, uid: str, doomed: Sequence[str], *, fails: bool) -> None:
        self._queue.gated.discard(uid)
        if fails:
            self._queue.activate(uid)
        else:
            for victim in doomed:
                self._api.preempt(victim, self._world.grace)
        self._kick()

    # Binding, and failing.

    def _assume(self, queued: Queued, answer: Answer) -> None:
        pod = queued.pod
        # Scores are whatever they are: any order of nodes may come out.
        node = min(answer.nodes, key=lambda name: crc32(f"{pod.uid}{name}{queued.refusals}".encode()))
        binding = Binding(pod, node, answer.ticket)
        self._sight.nominated.pop(pod.uid, None)
        self._sight.assumed[pod.uid] = self.sent[pod.uid] = binding
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
            self._sight.assumed.pop(binding.pod.uid, None)
            self._event(room=True)
            self._fail(queued, Failure("binding failed", error=True), nominated="")
        else:
            self._queue.remove(binding.pod.uid)

    def _fail(self, queued: Queued, failure: Failure, nominated: str | None = None) -> None:
        """`nominated`: to this node from now on; None leaves it as the API tells."""
        pod = queued.pod
        if pod.uid in self._queue:
            self._sight.nominate(pod, pod.nominated_node if nominated is None else nominated)
        self._queue.failed(queued, failure, self._loop.now)
        if pod.annotations.get(MESSAGE) == failure.message and nominated in (None, pod.nominated_node):
            self._kick()
            return
        seconds = self._calls.patch_seconds(pod)
        blocks = self._world.patches_block and not failure.message.startswith("binding")
        self._busy = self._busy or blocks
        self._loop.after(seconds, lambda: self._patch(pod, failure, nominated, blocks=blocks))
        if not blocks:
            self._kick()

    def _patch(self, pod: Pod, failure: Failure, nominated: str | None, *, blocks: bool) -> None:
        self._api.refuse(pod.uid, failure.message, unschedulable=not failure.error, nominated=nominated)
        if blocks and not self._stopped:
            self._busy = False
            self._kick()
