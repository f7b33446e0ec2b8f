"""The command line of every program.

Facts: each flag was tried with Kubernetes 1.37.2, etcd 3.6.16, KWOK 0.8.0, autoscaler 1.33.0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from dev.controlplane.credentials import Credentials

__all__ = ["LOOPBACK", "PORT_NAMES", "QUICK_HPA", "Command", "commands"]

STAGES = Path(__file__).parent / "stages.yaml"
LOOPBACK = "127.0.0.1"

# One port each; those named for a program are what it listens on once it is up.
PORT_NAMES = (
    "etcd",
    "etcd-peer",
    "kube-apiserver",
    "kube-controller-manager",
    "kwok",
    "kwok-node",
    "kube-scheduler",
    "cluster-autoscaler",
    "extender",
)

# For `PlaneOptions.flags`: the HPA decides every second, and waits 5 s before it scales in.
QUICK_HPA: Mapping[str, tuple[str, ...]] = {
    "kube-controller-manager": (
        "--horizontal-pod-autoscaler-sync-period=1s",
        "--horizontal-pod-autoscaler-downscale-stabilization=5s",
    )
}


@dataclass(frozen=True, slots=True)
class Command:
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def with_flags(self, flags: Sequence[str]) -> Self:
        """Added last, so they override."""
        return replace(self, arguments=(*self.arguments, *flags))


def commands(directory: Path, credentials: Credentials, ports: Mapping[str, int]) -> dict[str, Command]:
    """By program, in the order of starting."""
    return {
        "etcd": Command(_etcd(directory, ports)),
        "kube-apiserver": Command(_apiserver(credentials, ports)),
        "kube-controller-manager": Command(_controllers(directory, credentials, ports)),
        "kwok": Command(_kwok(credentials, ports)),
        "kube-scheduler": Command(_scheduler(directory, ports)),
        "cluster-autoscaler": Command(
            _autoscaler(credentials, ports),
            {
                "POD_NAMESPACE": "kube-system",
                "KWOK_PROVIDER_MODE": "local",
                "KUBECONFIG": str(credentials.admin),
            },
        ),
    }


def _etcd(directory: Path, ports: Mapping[str, int]) -> tuple[str, ...]:
    client = f"http://{LOOPBACK}:{ports['etcd']}"
    peer = f"http://{LOOPBACK}:{ports['etcd-peer']}"
    return (
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync=true",  # a plane survives its programs, not its machine
    )


def _apiserver(credentials: Credentials, ports: Mapping[str, int]) -> tuple[str, ...]:
    return (
        f"--etcd-servers=http://{LOOPBACK}:{ports['etcd']}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={ports['kube-apiserver']}",
        f"--cert-dir={credentials.certificates}",
        "--endpoint-reconciler-type=none",  # the others refuse a loopback address
        "--service-cluster-ip-range=10.0.0.0/24",
        "--allow-privileged=true",
        "--authorization-mode=RBAC",
        f"--token-auth-file={credentials.tokens}",
        "--disable-admission-plugins=ServiceAccount",  # pods need neither account nor token
        "--service-account-issuer=https://controlplane.test",
        f"--service-account-key-file={credentials.service_account_key}",
        f"--service-account-signing-key-file={credentials.service_account_key}",
        "--max-requests-inflight=2000",
        "--max-mutating-requests-inflight=2000",
    )


def _controllers(directory: Path, credentials: Credentials, ports: Mapping[str, int]) -> tuple[str, ...]:
    return (
        f"--kubeconfig={credentials.admin}",
        "--leader-elect=false",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={ports['kube-controller-manager']}",
        f"--cert-dir={directory / 'kube-controller-manager-certificates'}",
        "--controllers=*,-node-ipam-controller",
        f"--service-account-private-key-file={credentials.service_account_key}",
        "--use-service-account-credentials=false",
        "--kube-api-qps=500",
        "--kube-api-burst=500",
    )


def _kwok(credentials: Credentials, ports: Mapping[str, int]) -> tuple[str, ...]:
    return (
        f"--kubeconfig={credentials.admin}",
        f"--config={STAGES}",
        "--manage-all-nodes=true",
        "--node-lease-duration-seconds=40",  # with 0, nodes become NotReady
        "--cidr=10.0.0.0/24",
        f"--node-ip={LOOPBACK}",
        f"--node-port={ports['kwok-node']}",
        f"--server-address={LOOPBACK}:{ports['kwok']}",
    )


def _scheduler(directory: Path, ports: Mapping[str, int]) -> tuple[str, ...]:
    return (
        f"--config={directory / 'kube-scheduler.json'}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={ports['kube-scheduler']}",
        f"--cert-dir={directory / 'kube-scheduler-certificates'}",
        "--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics",
        "-v=2",
    )


def _autoscaler(credentials: Credentials, ports: Mapping[str, int]) -> tuple[str, ...]:
    return (
        "--cloud-provider=kwok",
        f"--kubeconfig={credentials.admin}",
        "--namespace=kube-system",
        "--leader-elect=false",
        f"--address={LOOPBACK}:{ports['cluster-autoscaler']}",
        "--enable-provisioning-requests=true",
        # In protobuf it cannot write a ProvisioningRequest's status.
        "--kube-api-content-type=application/json",
        "--scan-interval=1s",
        "--scale-down-delay-after-add=5s",
        "--scale-down-unneeded-time=5s",
        "--unremovable-node-recheck-timeout=5s",
        "--node-delete-delay-after-taint=0s",
        "--v=4",
    )
