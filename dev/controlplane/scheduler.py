"""The scheduler's configuration: the one this project ships, with this plane's addresses.

Only addresses, the client's rate and leader election differ from `config/kube-scheduler.yaml`.
"""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from dev.controlplane.api import Object

__all__ = ["scheduler_configuration"]

SHIPPED = Path(__file__).parents[2] / "config" / "kube-scheduler.yaml"


def scheduler_configuration(
    kubeconfig: Path, extender_port: int, extenders: Sequence[Object] | None
) -> Object:
    """`extenders` None: those of the shipped file."""
    configuration: Object = yaml.safe_load(SHIPPED.read_text())
    listed = configuration["extenders"] if extenders is None else extenders
    return configuration | {
        # The default rate throttles a burst of pods, which would look like our slowness.
        "clientConnection": {"kubeconfig": str(kubeconfig), "qps": 1000, "burst": 1000},
        "leaderElection": {"leaderElect": False},
        "extenders": [_moved(extender, extender_port) for extender in listed],
    }


def _moved(extender: Object, port: int) -> Object:
    path = urlsplit(extender["urlPrefix"]).path
    return extender | {"urlPrefix": f"http://127.0.0.1:{port}{path}"}
