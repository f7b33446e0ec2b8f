"""One of our programs beside a control plane, with the rights of its own service account, and no more."""

import contextlib
import json
import os
import signal
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from dev.controlplane import ControlPlane
from dev.controlplane.processes import Process

__all__ = ["COMMAND", "MANIFESTS", "NAMESPACE", "Program", "Settings", "apply_manifests", "install"]

COMMAND = Path(sysconfig.get_path("scripts")) / "resourcepolicy"
MANIFESTS = Path(__file__).parents[2] / "manifests"
NAMESPACE = "resourcepolicy"

Settings = Mapping[str, Any]
"""What config/extender.yaml may hold."""


def install(plane: ControlPlane, *optional: str) -> None:
    """Namespace, CRD and rights, and `optional` manifests by name; again does no harm.

    Not the Deployments: the programs run beside the plane's.
    """
    apply_manifests(plane, "namespace", "crd", "rbac", *optional)


def apply_manifests(plane: ControlPlane, *names: str) -> None:
    """As `kubectl apply -f manifests/NAME.yaml`, one after the other."""
    for name in names:
        plane.api.apply(yaml.safe_load_all((MANIFESTS / f"{name}.yaml").read_text()))


class Program:
    """`resourcepolicy VERB`. Its log lies in the plane's directory and outlives its starts."""

    def __init__(self, plane: ControlPlane, verb: str, account: str, name: str) -> None:
        self._plane = plane
        self._verb = verb
        self._name = name
        self._kubeconfig = plane.service_account_kubeconfig(NAMESPACE, account)
        self._process: Process | None = None
        self.log = plane.directory / f"{name}.log"

    def begin(self, settings: Settings, *flags: str, kubeconfig: Path | None = None) -> None:
        """Start it, and do not wait."""
        written = self._plane.directory / f"{self._name}.settings.yaml"
        written.write_text(json.dumps(settings))  # JSON is YAML
        command = [str(COMMAND), self._verb, "--verbose", "--config", str(written)]
        command += ["--kubeconfig", str(kubeconfig or self._kubeconfig), *flags]
        self._process = Process(self._name, command, self.log, {})

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.alive

    @property
    def pid(self) -> int:
        """The number of its process, which leads its process group."""
        if self._process is None:
            raise ValueError(f"{self._name} does not run")
        return self._process.pid

    def require_alive(self) -> None:
        """Raise with the end of its log if it was started and runs no longer."""
        if self._process is not None:
            self._process.require_alive()

    def kill(self) -> None:
        """As a crash of its container: SIGKILL, to the worker of gunicorn as well."""
        if self._process is not None:
            if self._process.alive:  # so the number is still its own
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process = None

    def stop(self) -> int:
        """As a shutdown: SIGTERM. Its exit code; 0 if it was not running."""
        process, self._process = self._process, None
        return process.terminate() if process is not None else 0

    def pause(self) -> None:
        """As on a machine that is suspended: it runs, and does nothing."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on as if nothing had been."""
        os.killpg(self.pid, signal.SIGCONT)

    @contextlib.contextmanager
    def hung(self) -> Iterator[None]:
        """Paused, for a while."""
        self.pause()
        try:
            yield
        finally:
            self.resume()
