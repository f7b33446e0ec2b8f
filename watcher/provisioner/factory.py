"""Which way the autoscaler is asked (A8).

Without a word from the operator no
pods are made up: placeholders count in quotas and show in every list, so they are used only where they are
asked for, and `auto` means ProvisioningRequests where these are served, and observing elsewhere.
"""

import time

from cluster.kube.client import KubeClient
from cluster.settings import Backend, Settings
from watcher.provisioner.interface import Provisioner
from watcher.provisioner.placeholder_pods import PlaceholderPodBackend
from watcher.provisioner.provisioning_request import ProvisioningRequestBackend

__all__ = ["make_provisioner"]


def make_provisioner(settings: Settings, connection: KubeClient) -> Provisioner:
    """The back-end that the settings name."""
    own = settings.watcher
    kind = PlaceholderPodBackend if own.backend is Backend.PLACEHOLDER else ProvisioningRequestBackend
    return kind(connection, time.monotonic, settings.kinds, own.namespace, own.autoscaler_namespace)
