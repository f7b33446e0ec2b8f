"""The control plane: six programs started in order, stopped in reverse, and nothing left behind.

Facts: kcm, KWOK and the scheduler may start in any order once the apiserver is ready.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import yaml

from dev.controlplane.api import Api, ApiError, Object
from dev.controlplane.autoscaler import NodeGroup, provider_config_maps
from dev.controlplane.build import build
from dev.controlplane.commands import LOOPBACK, PORT_NAMES, commands
from dev.controlplane.credentials import Credentials
from dev.controlplane.directory import Directory
from dev.controlplane.nodes import node
from dev.controlplane.processes import free_ports, listening
from dev.controlplane.programset import ProgramSet
from dev.controlplane.scheduler import scheduler_configuration
from dev.controlplane.waiting import wait_for

__all__ = ["ControlPlane", "PlaneOptions"]

CRDS = Path(__file__).parent / "crds"
READY_SECONDS = 60.0  # for a busy machine; 3 s is usual

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class PlaneOptions:
    extenders: tuple[Object, ...] | None = None  # None: those of config/kube-scheduler.yaml
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by program
    keep: bool = False  # the directory, after the stop


class ControlPlane:
    """Use as a context; `api` is there once it is started."""

    api: Api

    def __init__(self, options: PlaneOptions | None = None) -> None:
        self.options = options or PlaneOptions()
        self.keep = self.options.keep  # the directory; may be set until the stop
        paths = build()
        self._ports = dict(zip(PORT_NAMES, free_ports(len(PORT_NAMES)), strict=True))
        self._directory = Directory()
        server = f"https://{LOOPBACK}:{self._ports['kube-apiserver']}"
        self._credentials = Credentials(self.directory, server)
        command_lines = commands(self.directory, self._credentials, self._ports)
        for name, flags in self.options.flags.items():
            command_lines[name] = command_lines[name].with_flags(flags)
        self._programs = ProgramSet(paths, command_lines, self.directory)

    @property
    def directory(self) -> Path:
        return self._directory.path

    @property
    def kubeconfig(self) -> Path:
        return self._credentials.admin

    @property
    def serving_certificate(self) -> tuple[Path, Path]:
        """Certificate and key for loopback, which the apiserver made at its first start."""
        return (
            self._credentials.certificates / "apiserver.crt",
            self._credentials.certificates / "apiserver.key",
        )

    @property
    def extender_address(self) -> tuple[str, int]:
        return LOOPBACK, self._ports["extender"]

    def start(self) -> Self:
        try:
            self._write_files()
            self._start_programs()
        except BaseException as error:
            self.stop(keep=isinstance(error, Exception))
            raise
        return self

    def stop(self, *, keep: bool = False) -> None:
        """Kill what runs, last started first, and remove the directory unless it is kept."""
        self._programs.kill_all()
        if "api" in vars(self):
            self.api.close()
        self.keep = self.keep or keep
        self._directory.close(keep=self.keep)
        if self.keep:
            print(f"the plane's files are kept in {self.directory}", file=sys.stderr)  # noqa: T201

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(keep=isinstance(error, Exception))

    def log(self, program: str) -> Path:
        return self._programs.log(program)

    def pid(self, program: str) -> int:
        return self._programs.pid(program)

    def start_program(self, name: str, *flags: str) -> None:
        """Start it and wait until it listens; without `flags` as it was started last."""
        self._programs.start(name, *flags)
        self._await_listening(name)
        if name == "kube-apiserver":
            self._await_api()

    def kill(self, name: str) -> None:
        """As a crash: SIGKILL."""
        self._programs.kill(name)

    def terminate(self, name: str) -> None:
        """As a shutdown: SIGTERM, on which the autoscaler deletes all its nodes."""
        self._programs.terminate(name)

    def restart(self, name: str) -> None:
        self.kill(name)
        self.start_program(name)

    def start_autoscaler(self, groups: Sequence[NodeGroup], *flags: str) -> None:
        """Give it its groups, which it reads once, and start it."""
        for path in sorted(CRDS.glob("*.yaml")):
            self.api.apply(yaml.safe_load_all(path.read_text()))
        self._await_creatable()
        self.api.apply(provider_config_maps(groups))
        self.start_program("cluster-autoscaler", *flags)

    def _await_creatable(self) -> None:
        """Spend the two seconds for which the API server holds back creates of a kind that has just come.

        It holds back the answer, not the object: the autoscaler would serve a request whose author does not
        know yet that it was made, and serve it again.
        """
        request: Object = {
            "apiVersion": "autoscaling.x-k8s.io/v1",
            "kind": "ProvisioningRequest",
            "metadata": {"name": "never-stored", "namespace": "default"},
            "spec": {
                "provisioningClassName": "check-capacity.autoscaling.x-k8s.io",
                "podSets": [{"podTemplateRef": {"name": "none"}, "count": 1}],
            },
        }
        path = self.api.collection("autoscaling.x-k8s.io/v1", "ProvisioningRequest", "default")
        self.api.request("POST", path, request, query={"dryRun": "All"})

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a real token of the account: RBAC applies to it."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        request: Object = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 24 * 3600},
        }
        token = self.api.request("POST", path, request)["status"]["token"]
        return self._credentials.kubeconfig(f"{namespace}.{name}", token)

    def create_node(
        self,
        name: str,
        labels: Mapping[str, str],
        *,
        gpus: int = 1,
        cpu: str = "32",
        memory: str = "128Gi",
        taints: Sequence[Object] = (),
        annotations: Mapping[str, str] | None = None,
    ) -> Object:
        """A node that boots at once, unless the annotation controlplane/boot-after delays it."""
        return self.api.create(
            node(
                name,
                labels,
                gpus=gpus,
                cpu=cpu,
                memory=memory,
                taints=taints,
                annotations=annotations,
            )
        )

    def wait(self, question: Callable[[], Answer | None], *, what: str, seconds: float = 30) -> Answer:
        """The first truthy answer; a refusal of the apiserver is "not yet", a dead program an error."""
        refusal: list[ApiError] = []

        def asked() -> Answer | None:
            self._programs.require_alive()
            try:
                return question()
            except ApiError as error:
                refusal[:] = [error]
                return None

        try:
            return wait_for(asked, seconds=seconds, what=what)
        except TimeoutError as error:
            for last in refusal:
                error.add_note(f"the apiserver's last refusal: {last}")
            raise

    def _write_files(self) -> None:
        self._credentials.write()
        configuration = scheduler_configuration(
            self.kubeconfig, self._ports["extender"], self.options.extenders
        )
        (self.directory / "kube-scheduler.json").write_text(json.dumps(configuration, indent=1))

    def _start_programs(self) -> None:
        for name in ("etcd", "kube-apiserver"):
            self._programs.start(name)
            self._await_listening(name)
        self.api = Api(self.kubeconfig)  # not before: its authority is written by the apiserver
        self._await_api()
        together = ("kube-controller-manager", "kwok", "kube-scheduler")
        for name in together:
            self._programs.start(name)
        for name in together:
            self._await_listening(name)

    def _await_listening(self, name: str) -> None:
        self.wait(lambda: listening(self._ports[name]), seconds=READY_SECONDS, what=f"{name} to listen")

    def _await_api(self) -> None:
        # /readyz is ok before the namespace exists, and without it the first create fails.
        self.wait(
            lambda: self.api.send("GET", "/readyz") and self.api.get("/api/v1/namespaces/default"),
            seconds=READY_SECONDS,
            what="the apiserver to be ready",
        )
