"""What each event does to the world."""

from collections import Counter
from collections.abc import Callable, Mapping

from dev.faultsim.apiserver_model import ApiServer
from dev.faultsim.fault_injector import FaultInjector
from dev.faultsim.invariants import InvariantChecker
from dev.faultsim.objects import node_of, pod_of, policy_of
from dev.faultsim.processes import Processes
from dev.faultsim.scenario import FAULTS, OF_CALLS, Event, Kind, NodeShape, World
from dev.faultsim.virtual_clock import Loop
from policy.api.objects import Phase

__all__ = ["EventHandlers"]

_ON_LOST_NODE = (20.0, 40.0)
"""Seconds after a node is lost until its pods are terminating, and gone."""


class EventHandlers:
    """Applies events. What happens to a call waits outside for it."""

    def __init__(
        self,
        loop: Loop,
        api: ApiServer,
        world: World,
        accounts: InvariantChecker,
        parts: Processes,
        injector: FaultInjector,
    ) -> None:
        self._loop = loop
        self._api = api
        self._accounts = accounts
        self._processes = parts
        self._injector = injector
        self._policy = world.policy
        self._generation = 0
        self.faults: Counter[str] = Counter()
        """Those that were applied, by kind."""
        for node in world.nodes:
            api.put_node(node_of(node))
        self._write_policy()

    def apply(self, event: Event) -> None:
        """Have it happen now."""
        if event.kind in OF_CALLS:
            self._injector.prepare(event)
            return
        if event.kind in FAULTS:
            self.faults[event.kind] += 1
        effects: Mapping[Kind, Callable[[Event], None]] = {
            Kind.POD: lambda event: self._api.put_pod(pod_of(event, self._loop.now)),
            Kind.DELETE: lambda event: self._api.evict(event.name, event.seconds),
            Kind.FINISH: lambda event: self._api.finish(event.name, Phase.SUCCEEDED),
            Kind.NODE: lambda event: self._api.put_node(node_of(_shape(event))),
            Kind.EDIT: self._edit,
            Kind.POLICY_TOUCHED: lambda _: self._write_policy(),
            Kind.NODE_LOST: self._lose_node,
            Kind.LATE_LABEL: self._label_late,
            Kind.WATCH_LATE: self._disturb_watch,
            Kind.WATCH_TWICE: self._disturb_watch,
            Kind.WATCH_BROKEN: self._disturb_watch,
            Kind.WATCH_SILENT: self._disturb_watch,
            Kind.WATCH_GONE: self._disturb_watch,
            Kind.SERVER_RESTART: self._restart_server,
            Kind.SCHEDULER_RESTART: lambda e: self._processes.restart_scheduler(e.name, e.seconds),
            Kind.LEAD_CHANGED: self._change_lead,
            Kind.POLICY_REPLACED: self._replace_policy,
        }
        effects[event.kind](event)

    def _edit(self, event: Event) -> None:
        if event.policy is not None:
            self._policy = event.policy
            self._write_policy()

    def _write_policy(self) -> None:
        self._generation += 1
        policy = policy_of(self._policy, self._generation)
        self._accounts.policy_written(policy)
        self._api.put_policy(policy)

    def _replace_policy(self, event: Event) -> None:
        for key in list(self._api.policies):
            self._api.remove_policy(key)
        self._accounts.promises.clear()
        self._loop.after(event.seconds, self._write_policy)

    def _lose_node(self, event: Event) -> None:
        name = event.name
        if name in self._api.nodes:
            self._accounts.node_lost(name)
        self._api.remove_node(name)
        terminating, gone = _ON_LOST_NODE
        self._loop.after(terminating, lambda: self._on_lost(name, self._api.terminate))
        self._loop.after(gone, lambda: self._on_lost(name, self._api.remove_pod))

    def _on_lost(self, node: str, effect: Callable[[str], None]) -> None:
        if node in self._api.nodes:
            return
        for uid in [uid for uid, pod in self._api.pods.items() if pod.node_name == node]:
            effect(uid)

    def _label_late(self, event: Event) -> None:
        """A node that is up before it has the label that makes it part of a unit."""
        self._api.put_node(node_of(NodeShape(event.name, "", event.amount)))
        self._loop.after(event.seconds, lambda: self._api.put_node(node_of(_shape(event))))

    def _disturb_watch(self, event: Event) -> None:
        part, resource = event.name.split("/")
        owner = self._processes.server if part == "extender" else self._processes.schedulers.get(part)
        if owner is None:
            return
        watch = owner.watches[resource]
        match event.kind:
            case Kind.WATCH_LATE:
                watch.hold(event.seconds)
            case Kind.WATCH_SILENT:
                watch.fall_silent(event.seconds)
            case Kind.WATCH_TWICE:
                watch.repeat(event.amount)
            case Kind.WATCH_BROKEN:
                watch.list_again(event.seconds)
            case _:
                watch.list_again()

    def _restart_server(self, event: Event) -> None:
        self._accounts.promises.inherit()
        self._processes.restart_server(event.seconds)

    def _change_lead(self, event: Event) -> None:
        self._accounts.promises.inherit()
        self._processes.change_lead(event.seconds)


def _shape(event: Event) -> NodeShape:
    return NodeShape(event.name, event.label, event.amount)
