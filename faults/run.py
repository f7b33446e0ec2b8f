"""One run: a world, its events applied in virtual time, and what came of it.

Owns how the parts are joined and what each event does; must not know how events are drawn.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from faults.apiserver import ApiServer
from faults.invariants import Accounts, Violation, seated
from faults.loop import EPOCH, Loop
from faults.schedule import FAULTS, GPU, Event, Kind, PolicyShape, Schedule
from faults.scheduler import SCHEDULER, Answer, Binding, Scheduler
from faults.server import RESERVATION_SECONDS, REVIEWED, Build, Server
from faults.watch import Watch
from policy.objects import Node, Phase, Pod
from policy.quantity import parse_quantity
from policy.resourcepolicy import ResourcePolicy
from policy.usage import RECORD

__all__ = ["Outcome", "run"]

_QUIET = 75.0
"""Seconds after the last event in which everything must come to rest."""
_LOOK = 1.0
_LATE_LOOK = 20.0
_TIMERS_LOOK = 5.0
"""Who could run changes with the truth, and with timers."""
_GROUP = "group"
_POOL = "pool"
_POKED = "faults/poked"
_ON_LOST_NODE = (20.0, 40.0)
"""Seconds after a node is lost until its pods are terminating, and gone."""


@dataclass(slots=True)
class Outcome:
    """What a run showed."""

    seed: int
    bound: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    worst_wait: float = 0.0
    worst_idle: float = 0.0
    violation: Violation | None = None


def run(schedule: Schedule, build: Build = REVIEWED) -> Outcome:
    """Run a schedule to its end, or to the first violation."""
    return _Run(schedule, build).run()


class _Run:
    """The outside of the schedulers (`Calls`), and the hands that apply events."""

    def __init__(self, schedule: Schedule, build: Build) -> None:
        self.outcome = Outcome(schedule.seed)
        self._schedule = schedule
        self._world = schedule.world
        self._build = build
        self._loop = Loop()
        self._api = ApiServer(self._loop)
        self._accounts = Accounts(self._api)
        self._pending: dict[tuple[Kind, str], list[Event]] = {}
        self._calm_since = 0.0
        self._seated: list[str] = []
        self._seated_of: tuple[int, list[Binding]] = (-1, [])
        self._seated_until = 0.0
        self._policy = self._world.policy
        self._generation = 0
        for node in self._world.nodes:
            self._api.put_node(_node(node.name, node.pool, node.gpus))
        self._write_policy()
        self._standby: Server | None = None
        self._server: Server | None = self._new_server()
        if self._world.replicas > 1:
            self._start_standby()
        self._dead: list[Scheduler] = []
        self._schedulers = {
            name: self._scheduler(name) for name in map("s{}".format, range(self._world.schedulers))
        }

    def run(self) -> Outcome:
        events = self._schedule.events
        for event in events:
            self._loop.at(EPOCH + event.at, lambda event=event: self._apply(event))  # type: ignore[misc]
        quiet = EPOCH + (events[-1].at if events else 0.0) + _QUIET
        end = quiet + RESERVATION_SECONDS
        try:
            self._look(quiet)
            self._loop.run(end)
            server = self._server
            if server is not None:
                self._accounts.at_the_end(server.cache.reservations(), self._loop.now)
        except Violation as violation:
            self.outcome.violation = violation
        self.outcome.seconds = self._loop.now - EPOCH
        self.outcome.worst_wait = self._accounts.worst_wait
        self.outcome.worst_idle = self._accounts.worst_idle
        return self.outcome

    # Looking.

    def _look(self, quiet: float) -> None:
        now = self._loop.now
        self._loop.after(_LOOK if now < quiet else _LATE_LOOK, lambda: self._look(quiet))
        disturbed = max((watch.disturbed_until for watch in self._watches()), default=0.0)
        ready = self._server is not None and not self._server.why_not()
        alive = ready and len(self._schedulers) == self._world.schedulers
        self._calm_since = max(self._calm_since, min(disturbed, now) if alive else now)
        if self._server is None:
            return
        cache, sent = self._server.cache, self._sent()
        busy = {binding.pod.uid for binding in sent}.union(*(s.attempted for s in self._schedulers.values()))
        self._accounts.slots([uid for uid in cache.reservations() if uid not in busy], now, self._calm_since)
        if now >= self._seated_until or self._seated_of != (self._api.version, sent):
            view = self._accounts.truth(sent, cache, self._server.started_at)
            self._seated = seated(view, now)
            self._seated_of, self._seated_until = (self._api.version, sent), now + _TIMERS_LOOK
        self._accounts.waits([uid for uid in self._seated if uid not in busy], now, self._calm_since)

    def _watches(self) -> list[Watch]:
        watches = [watch for each in self._schedulers.values() for watch in each.watches.values()]
        return watches + list(self._server.watches.values() if self._server else ())

    def _sent(self) -> list[Binding]:
        parts = [*self._schedulers.values(), *self._dead]
        return [binding for scheduler in parts for binding in scheduler.sent.values()]

    # Calls.

    def filter(self, pod: Pod, candidates: Sequence[str]) -> Answer:
        server = self._server
        if server is None:
            return Answer(error="connection refused")
        answer = server.filter(pod, candidates)
        if answer.ticket is not None:
            now = self._loop.now
            self._accounts.sent(pod.uid)
            self._accounts.placed(pod, candidates, answer.ticket, server.cache, now)
            if server.current:
                view = self._accounts.truth(self._sent(), server.cache, server.started_at)
                view = self._accounts.truth_and_slots(view, server.cache, now)
                self._accounts.placed_in_truth(pod, candidates, answer.ticket, view, now)
        if self._due(Kind.FILTER_TIMEOUT, pod.uid):
            return Answer(error="context deadline exceeded")
        return answer

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
        self.outcome.bound += 1
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

    def _due(self, kind: Kind, name: str) -> Event | None:
        """The fault that was prepared for the next such call, if any."""
        prepared = self._pending.get((kind, name))
        if not prepared:
            return None
        event = prepared.pop(0)
        self.outcome.faults[event.kind] += 1
        return event

    def _poke(self, pod: Pod) -> bool:
        if self._due(Kind.POKE_LOST, pod.uid) is not None:
            return False
        at = f"{self._loop.now:.3f}"
        self._loop.after(self._world.patch, lambda: self._api.annotate(pod.uid, _POKED, at))
        return True

    def _record(self, pod: Pod, record: str) -> bool:
        self._loop.after(self._world.patch, lambda: self._api.annotate(pod.uid, RECORD, record))
        return True

    # Events.

    def _apply(self, event: Event) -> None:
        effects: Mapping[Kind, Callable[[Event], None]] = {
            Kind.POD: self._create,
            Kind.DELETE: self._delete,
            Kind.FINISH: lambda event: self._api.finish(event.name, Phase.SUCCEEDED),
            Kind.NODE: lambda event: self._api.put_node(_node(event.name, event.label, event.amount)),
            Kind.EDIT: self._edit,
            Kind.POLICY_TOUCHED: lambda _: self._write_policy(),
            Kind.NODE_LOST: self._lose_node,
            Kind.LATE_LABEL: self._label_late,
            Kind.WATCH_LATE: self._disturb_watch,
            Kind.WATCH_TWICE: self._disturb_watch,
            Kind.WATCH_BROKEN: self._disturb_watch,
            Kind.WATCH_GONE: self._disturb_watch,
            Kind.SERVER_RESTART: self._restart_server,
            Kind.SCHEDULER_RESTART: self._restart_scheduler,
            Kind.LEAD_CHANGED: self._change_lead,
            Kind.POLICY_REPLACED: self._replace_policy,
        }
        effect = effects.get(event.kind)
        if effect is None:
            self._pending.setdefault((event.kind, event.name), []).append(event)
            return
        if event.kind in FAULTS:
            self.outcome.faults[event.kind] += 1
        effect(event)

    def _create(self, event: Event) -> None:
        scheduler, group = event.label.split("/")
        self._api.put_pod(
            Pod(
                uid=event.name,
                namespace="default",
                name=event.name,
                created=float(int(self._loop.now)),
                labels={SCHEDULER: scheduler, _GROUP: group},
                requests={GPU: parse_quantity(str(event.amount))},
            )
        )

    def _delete(self, event: Event) -> None:
        pod = self._api.pods.get(event.name)
        if pod is None:
            return
        if pod.node_name and event.seconds:
            self._api.terminate(event.name)
            self._loop.after(event.seconds, lambda: self._api.remove_pod(event.name))
        else:
            self._api.remove_pod(event.name)

    def _edit(self, event: Event) -> None:
        if event.policy is not None:
            self._policy = event.policy
            self._write_policy()

    def _write_policy(self) -> None:
        self._generation += 1
        policy = _policy(self._policy, self._generation)
        self._accounts.policy_written(policy)
        self._api.put_policy(policy)

    def _lose_node(self, event: Event) -> None:
        name = event.name
        self._api.remove_node(name)
        terminating, gone = _ON_LOST_NODE
        self._loop.after(terminating, lambda: self._evict(name, self._api.terminate))
        self._loop.after(gone, lambda: self._evict(name, self._api.remove_pod))

    def _evict(self, node: str, effect: Callable[[str], None]) -> None:
        if node in self._api.nodes:
            return
        for uid in [uid for uid, pod in self._api.pods.items() if pod.node_name == node]:
            effect(uid)

    def _label_late(self, event: Event) -> None:
        """A node that is up before it has the label that makes it part of a unit."""
        self._api.put_node(_node(event.name, "", event.amount))
        self._loop.after(
            event.seconds, lambda: self._api.put_node(_node(event.name, event.label, event.amount))
        )

    def _disturb_watch(self, event: Event) -> None:
        part, resource = event.name.split("/")
        owner = self._server if part == "extender" else self._schedulers.get(part)
        if owner is None:
            return
        watch = owner.watches[resource]
        match event.kind:
            case Kind.WATCH_LATE:
                watch.hold(event.seconds)
            case Kind.WATCH_TWICE:
                watch.repeat(event.amount)
            case Kind.WATCH_BROKEN:
                watch.list_again(event.seconds)
            case _:
                watch.list_again()

    def _replace_policy(self, event: Event) -> None:
        for key in list(self._api.policies):
            self._api.remove_policy(key)
        self._loop.after(event.seconds, self._write_policy)

    def _restart_server(self, event: Event) -> None:
        if self._server is None:
            return
        self._server.stop()
        self._server = None
        if self._standby is None:
            self._loop.after(event.seconds, self._start_server)
        else:
            self._loop.after(event.seconds, self._follow)
            self._loop.after(event.seconds, self._start_standby)

    def _change_lead(self, event: Event) -> None:
        """The leader has not reached the API server for long, and lives."""
        if self._server is None or self._standby is None:
            return
        deposed, self._server = self._server, None
        deposed.lead.held = False
        self._loop.after(event.seconds, lambda: self._follow(deposed))

    def _follow(self, deposed: Server | None = None) -> None:
        """The other one leads."""
        if self._standby is not None:
            self._standby.take_lead()
            self._server, self._standby = self._standby, deposed

    def _start_server(self) -> None:
        self._server = self._new_server()

    def _start_standby(self) -> None:
        self._standby = self._new_server(leads=False)

    def _new_server(self, *, leads: bool = True) -> Server:
        lags = self._world.server_lags
        return Server(self._loop, self._api, lags, self._poke, self._record, self._build, leads=leads)

    def _restart_scheduler(self, event: Event) -> None:
        scheduler = self._schedulers.pop(event.name, None)
        if scheduler is not None:
            scheduler.stop()
            self._dead.append(scheduler)
            self._loop.after(event.seconds, lambda: self._start_scheduler(event.name))

    def _start_scheduler(self, name: str) -> None:
        self._schedulers[name] = self._scheduler(name)

    def _scheduler(self, name: str) -> Scheduler:
        return Scheduler(name, self._loop, self._api, self._world, self)


def _node(name: str, pool: str, gpus: int) -> Node:
    labels = {_POOL: pool} if pool else {}
    return Node(name=name, labels=labels, allocatable={GPU: parse_quantity(str(gpus))})


def _policy(shape: PolicyShape, generation: int) -> ResourcePolicy:
    limit = "maxResources" if shape.by_resources else "max"
    units = [
        {
            "nodeSelector": {_POOL: pool},
            limit: {GPU: str(cap)} if shape.by_resources and cap is not None else cap,
        }
        for pool, cap in zip(shape.pools, shape.caps, strict=True)
    ]
    return ResourcePolicy.from_manifest(
        {
            "metadata": {
                "namespace": "default",
                "name": "policy",
                "generation": generation,
                "creationTimestamp": datetime.fromtimestamp(EPOCH - 100, UTC).isoformat(),
            },
            "spec": {
                "units": units,
                "matchLabelKeys": [_GROUP] if shape.groups else [],
                "ignoreTerminatingPod": shape.ignore_terminating,
                "whenTryNextUnits": {"policy": shape.mode, "timeout": "20s"},
            },
        }
    )
