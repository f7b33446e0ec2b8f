"""Which servers and schedulers are alive, and how they die and follow each other."""

from collections.abc import Callable

from dev.faultsim.apiserver_model import ApiServer
from dev.faultsim.extender_client import Calls
from dev.faultsim.extender_process import Build, Server
from dev.faultsim.scenario import World
from dev.faultsim.scheduler_cache import Binding
from dev.faultsim.scheduler_model import Scheduler
from dev.faultsim.virtual_clock import Loop
from dev.faultsim.watch_model import Watch
from policy.api.objects import Pod

__all__ = ["Processes"]


class Processes:
    """Construct, then `start` with those who are called."""

    def __init__(self, loop: Loop, api: ApiServer, world: World, build: Build) -> None:
        self._loop = loop
        self._api = api
        self._world = world
        self._build = build
        self.server: Server | None = None
        """The one that answers."""
        self._standby: Server | None = None
        self._dead: list[Scheduler] = []
        self.schedulers: dict[str, Scheduler] = {}

    def start(self, calls: Calls, requeue: Callable[[Pod], bool], record: Callable[[Pod, str], bool]) -> None:
        """Everybody at once."""
        self._calls, self._requeue, self._record = calls, requeue, record
        self.server = self._new_server()
        if self._world.replicas > 1:
            self._start_standby()
        for number in range(self._world.schedulers):
            self._start_scheduler(f"s{number}")

    @property
    def ready(self) -> bool:
        """Whether everybody who should be there is, and answers."""
        answers = self.server is not None and not self.server.not_ready_reason()
        return answers and len(self.schedulers) == self._world.schedulers

    def watches(self) -> list[Watch]:
        """Of those that matter now."""
        watches = [watch for each in self.schedulers.values() for watch in each.watches.values()]
        return watches + list(self.server.watches.values() if self.server else ())

    def sent(self) -> list[Binding]:
        """The bindings on their way, those of the dead included."""
        parts = [*self.schedulers.values(), *self._dead]
        return [binding for scheduler in parts for binding in scheduler.sent.values()]

    def restart_server(self, seconds: float) -> None:
        """It dies; so much later it, or the other one, answers."""
        if self.server is None:
            return
        self.server.stop()
        self.server = None
        if self._standby is None:
            self._loop.after(seconds, self._start_server)
        else:
            self._loop.after(seconds, self._follow)
            self._loop.after(seconds, self._start_standby)

    def change_lead(self, seconds: float) -> None:
        """The leader has not reached the API server for long, and lives."""
        if self.server is None or self._standby is None:
            return
        deposed, self.server = self.server, None
        deposed.lead.held = False
        self._loop.after(seconds, lambda: self._follow(deposed))

    def restart_scheduler(self, name: str, seconds: float) -> None:
        """What it sent before still arrives."""
        scheduler = self.schedulers.pop(name, None)
        if scheduler is not None:
            scheduler.stop()
            self._dead.append(scheduler)
            self._loop.after(seconds, lambda: self._start_scheduler(name))

    def _follow(self, deposed: Server | None = None) -> None:
        """The other one leads."""
        if self._standby is not None:
            self._standby.take_lead()
            self.server, self._standby = self._standby, deposed

    def _start_server(self) -> None:
        self.server = self._new_server()

    def _start_standby(self) -> None:
        self._standby = self._new_server(leads=False)

    def _new_server(self, *, leads: bool = True) -> Server:
        lags = self._world.server_lags
        return Server(self._loop, self._api, lags, self._requeue, self._record, self._build, leads=leads)

    def _start_scheduler(self, name: str) -> None:
        self.schedulers[name] = Scheduler(name, self._loop, self._api, self._world, self._calls)
