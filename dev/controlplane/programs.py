"""The six programs: which module each comes from and how it is linked.

Facts: the module files in `modules/` pin every version; the stamped one is read from there.
"""

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PROGRAMS", "Program"]

MODULES = Path(__file__).parent / "modules"
STRIPPED = "-s -w"


@dataclass(frozen=True, slots=True)
class Program:
    name: str
    module: Path  # the directory of its go.mod and go.sum
    package: str
    flags: tuple[str, ...] = ()
    ldflags: str = STRIPPED

    def build_arguments(self, output: Path) -> list[str]:
        """The arguments of `go`, to be run in a copy of the module's directory."""
        flags = ["-trimpath", *self.flags, "-ldflags", self.ldflags]
        return ["build", *flags, "-o", str(output), self.package]


def stamp(go_mod: str) -> str:
    """Linker flags that tell the Kubernetes programs their version; unstamped, they say v0.0.0."""
    found = re.search(r"=> k8s\.io/kubernetes (v(\d+)\.(\d+)\.\S+)", go_mod)
    if not found:
        raise ValueError("go.mod replaces k8s.io/kubernetes by no version")
    version, major, minor = found.groups()
    return " ".join(
        f"-X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    )


def _kubernetes(name: str) -> Program:
    module = MODULES / "kubernetes"
    ldflags = f"{STRIPPED} {stamp((module / 'go.mod').read_text())}"
    return Program(name, module, f"k8s.io/kubernetes/cmd/{name}", ldflags=ldflags)


# The order of building: the first compiles much of what the next two share.
PROGRAMS = (
    _kubernetes("kube-scheduler"),
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    Program("etcd", MODULES / "etcd", "go.etcd.io/etcd/server/v3"),
    Program("kwok", MODULES / "kwok", "sigs.k8s.io/kwok/cmd/kwok"),
    Program(
        "cluster-autoscaler",
        MODULES / "cluster-autoscaler",
        "k8s.io/autoscaler/cluster-autoscaler",
        # Its go.mod lists only what the tag kwok needs: tidying would add every cloud's SDK.
        flags=("-mod=mod", "-tags", "kwok"),
    ),
)
