"""The outside of the schedulers: the server's answers, and what goes wrong with a call."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from dev.faultsim.apiserver_model import ApiServer
from dev.faultsim.extender_client import Answer
from dev.faultsim.extender_process import Server
from dev.faultsim.invariants import InvariantChecker
from dev.faultsim.processes import Processes
from dev.faultsim.scenario import Event, Kind, World
from dev.faultsim.scheduler_cache import Binding
from dev.faultsim.virtual_clock import Loop
from policy.api import wellknown
from policy.api.objects import Phase, Pod

__all__ = ["FaultInjector"]

_REQUEUED_AT = "faults/requeued"
_LOST = "context deadline exceeded"


class FaultInjector:
    """`dev.faultsim.extender_client.Calls`, and the two writes of the server."""

    def __init__(
        self, loop: Loop, api: ApiServer, world: World, accounts: InvariantChecker, parts: Processes
    ) -> None:
        self._loop = loop
        self._api = api
        self._world = world
        self._accounts = accounts
        self._processes = parts
        self._prepared: dict[tuple[Kind, str], list[Event]] = {}
        self.faults: Counter[str] = Counter()
        """Those that happened to a call, by kind."""
        self.bindings = 0

    def prepare(self, event: Event) -> None:
        """It happens to the next such call about the pod."""
        self._prepared.setdefault((event.kind, event.name), []).append(event)

    # Calls.

    def filter(self, pod: Pod, candidates: Sequence[str]) -> Answer:
        server = self._processes.server
        if server is None:
            return Answer(error="connection refused")
        answer = server.filter(pod, candidates)
        self._accounts.answered(answer, server.behind, self._loop.now)
        if server.current:
            self._accounts.promises.asked(pod, candidates, answer, server.cache, self._loop.now)
        if answer.ticket is not None:
            self._accounts.sent(pod.uid)
            self._accounts.placed(pod, candidates, answer.ticket, server.cache, self._loop.now)
            if server.current:
                self._compare_with_truth(pod, candidates, answer, server)
        return Answer(error=_LOST) if self._due(Kind.FILTER_TIMEOUT, pod.uid) else answer

    def _compare_with_truth(
        self, pod: Pod, candidates: Sequence[str], answer: Answer, server: Server
    ) -> None:
        now = self._loop.now
        view = self._accounts.truth(self._processes.sent(), server.cache, server.started_at)
        view = self._accounts.truth_and_slots(view, server.cache, now)
        if answer.ticket is not None:
            self._accounts.placed_in_truth(pod, candidates, answer.ticket, view, now)

    def preempt(self, pod: Pod, victims: Mapping[str, Sequence[str]], protected: Collection[str]) -> Answer:
        server = self._processes.server
        if server is None:
            return Answer(error="connection refused")
        answer = server.preempt(pod, victims, protected)
        self._accounts.answered(answer, server.behind, self._loop.now)
        self._accounts.promises.spared(pod, victims, protected, answer, server.cache, self._loop.now)
        self._accounts.promises.answered(
            pod, victims, answer, server.cache, self._loop.now, sure=server.current
        )
        return Answer(error=_LOST) if self._due(Kind.PREEMPT_TIMEOUT, pod.uid) else answer

    def eviction_fails(self, pod: Pod) -> bool:
        return self._due(Kind.EVICTION_FAILED, pod.uid) is not None

    def bind_seconds(self, pod: Pod) -> float:
        slow = self._due(Kind.SLOW_BIND, pod.uid)
        return self._world.bind + (slow.seconds if slow else 0.0)

    def bind_fails(self, pod: Pod) -> bool:
        return self._due(Kind.FAILED_BIND, pod.uid) is not None

    def bind_answer_lost(self, pod: Pod) -> bool:
        return self._due(Kind.LOST_ANSWER, pod.uid) is not None

    def patch_seconds(self, pod: Pod) -> float:
        late = self._due(Kind.LATE_PATCH, pod.uid)
        return self._world.patch + (late.seconds if late else 0.0)

    def bound(self, binding: Binding) -> None:
        self.bindings += 1
        node = self._api.nodes.get(binding.node)
        held = sum(
            sum(pod.requests.values())
            for pod in self._api.pods.values()
            if pod.node_name == binding.node and not pod.finished
        )
        if node is not None and held > sum(node.allocatable.values()):
            # Two schedulers may give one room away twice; the kubelet admits no more than there is.
            self._loop.after(0.05, lambda: self._api.finish(binding.pod.uid, Phase.FAILED))
        else:
            self._accounts.bound(binding, self._loop.now)

    # What the server writes.

    def requeue(self, pod: Pod) -> bool:
        if self._due(Kind.POKE_LOST, pod.uid) is not None:
            return False
        at = f"{self._loop.now:.3f}"
        self._loop.after(self._world.patch, lambda: self._api.annotate(pod.uid, _REQUEUED_AT, at))
        return True

    def record(self, pod: Pod, record: str) -> bool:
        self._loop.after(self._world.patch, lambda: self._api.annotate(pod.uid, wellknown.UNIT, record))
        return True

    def _due(self, kind: Kind, name: str) -> Event | None:
        """The fault that was prepared for the next such call, if any."""
        prepared = self._prepared.get((kind, name))
        if not prepared:
            return None
        event = prepared.pop(0)
        self.faults[event.kind] += 1
        return event
