"""Pods per unit of each policy: as they are in the end, and as `simulate` says that they will be.

Reality is counted anew from what the API has, by the definition of `policy.scheduling.snapshot`, and not
from what the server thinks.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from cli.cluster.snapshot import ClusterSnapshot, cluster_in
from dev.soak.differential.environment import Photo
from dev.soak.differential.model import World
from policy.api.objects import Pod
from policy.api.options import NodeKinds
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.accounting import PodUsage
from policy.scheduling.matching import governing

__all__ = ["BOUGHT", "Counts", "asked", "cluster_of", "counted", "real", "simulated"]

Counts = Mapping[str, Mapping[str, int]]
"""By policy and place: `units[0]`, `outside every unit`, `pending`, `nodes bought`. What is 0 is left out."""

BOUGHT = "nodes bought"
_COMMAND = Path(sys.executable).with_name("resourcepolicy")


def real(before: Photo, after: Photo) -> Counts:
    """As it is in the end."""
    there = {pod.uid for pod in cluster_of(before).pods if pod.node_name}
    cluster = cluster_of(after)
    counts = counted(cluster.pods, cluster.policies, cluster.snapshot(NodeKinds()).share, there)
    bought = len(after.items("Node")) - len(before.items("Node"))
    return {name: +Counter({**count, BOUGHT: bought}) for name, count in counts.items()}


def counted(
    pods: Iterable[Pod],
    policies: Collection[ResourcePolicy],
    share_of: Callable[[ResourcePolicy, str], PodUsage | None],
    there: Container[str],
) -> Counts:
    """By policy; a pod outside every unit counts if it is none of those that were `there`."""
    counts = {policy.name: Counter[str]() for policy in policies}
    for pod in pods:
        policy = governing(pod, policies)
        share = share_of(policy, pod.uid) if policy else None
        if policy is None:
            continue
        if share is not None:
            counts[policy.name][f"units[{share.unit}]"] += share.counted
        elif not pod.node_name:
            counts[policy.name]["pending"] += 1
        elif pod.uid not in there:
            counts[policy.name]["outside every unit"] += 1
    return {name: +count for name, count in counts.items()}


def cluster_of(photo: Photo) -> ClusterSnapshot:
    """What a snapshot shows."""
    return cluster_in("the plane", str(photo).encode())


def simulated(world: World, before: Photo) -> Counts:
    """What the command answers."""
    with tempfile.TemporaryDirectory() as directory:
        outcomes = _outcomes(world, before, Path(directory))
    counts = {}
    for outcome in outcomes:
        count = Counter({f"units[{unit['unit']}]": unit["after"] for unit in outcome["units"]})
        count["outside every unit"] = outcome["outside"]
        if world.group:
            count[BOUGHT] = sum(purchase["nodes"] for purchase in outcome["purchases"])
        count["pending"] = sum(pending["pods"] for pending in outcome["pending"])
        counts[outcome["policy"].rpartition("/")[2]] = +count
    return counts


def asked(world: World, directory: Path) -> tuple[list[str], Path | None]:
    """What `--scale` and `--pod` say of a world's arrivals; the latter's file is written."""
    scale = [f"{arrival.name}={arrival.replicas}" for arrival in world.arrivals]
    new = [deployment for deployment in world.deployments if not deployment["spec"]["replicas"]]
    if not new:
        return scale, None
    path = directory / "new.yaml"
    path.write_text(yaml.safe_dump_all(new))
    return scale, path


def _outcomes(world: World, before: Photo, directory: Path) -> list[Mapping[str, Any]]:
    snapshot, policies = directory / "cluster.json", directory / "policies.yaml"
    snapshot.write_text(str(before))
    policies.write_text(yaml.safe_dump_all(before.items("ResourcePolicy")))
    scale, new = asked(world, directory)
    command: list[str | Path] = [_COMMAND, "simulate", "--policy", policies, "--snapshot", snapshot]
    command += [f"--scale={wanted}" for wanted in scale] + [f"--pod={new}"] * bool(new)
    command += ["--nodes-start=5s"] * bool(world.group)
    told = subprocess.run([*command, "-o", "json"], check=True, capture_output=True, text=True).stdout
    outcomes: list[Mapping[str, Any]] = json.loads(told)[0]["outcomes"]
    return outcomes
