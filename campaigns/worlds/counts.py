"""Pods per unit of each policy: as they are in the end, and as `simulate` says that they will be.

Owns both counts. Must not know: how a world came to its end. Reality is counted anew from what the API has,
by the definition of `policy.snapshot`, and not from what the server thinks.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from author.cluster import Cluster, cluster_in
from campaigns.worlds.live import Photo
from campaigns.worlds.world import World
from policy.match import governing
from policy.options import Kinds

__all__ = ["Counts", "real", "simulated"]

Counts = Mapping[str, Mapping[str, int]]
"""By policy and place: `units[0]`, `outside every unit`, `pending`. What is 0 is left out."""

_COMMAND = Path(sys.executable).with_name("resourcepolicy")


def real(before: Photo, after: Photo) -> Counts:
    """How many pods are where; those outside count if they came after `before`."""
    there = {pod.uid for pod in _cluster(before).pods if pod.node_name}
    cluster = _cluster(after)
    counts = {policy.name: Counter[str]() for policy in cluster.policies}
    snapshot = cluster.snapshot(Kinds())
    for pod in cluster.pods:
        policy = governing(pod, cluster.policies)
        if policy is None:
            continue
        share = snapshot.share(policy, pod.uid)
        if share is not None:
            counts[policy.name][f"units[{share.unit}]"] += share.counted
        elif not pod.node_name:
            counts[policy.name]["pending"] += 1
        elif pod.uid not in there:
            counts[policy.name]["outside every unit"] += 1
    return {name: +count for name, count in counts.items()}


def _cluster(photo: Photo) -> Cluster:
    return cluster_in("the plane", json.dumps(photo.listed).encode())


def simulated(world: World, before: Photo) -> Counts:
    """What the command answers."""
    with tempfile.TemporaryDirectory() as directory:
        outcomes = _outcomes(world, before, Path(directory))
    counts = {}
    for outcome in outcomes:
        count = Counter({f"units[{unit['unit']}]": unit["after"] for unit in outcome["units"]})
        count["outside every unit"] = outcome["outside"]
        count["pending"] = sum(pending["pods"] for pending in outcome["pending"])
        counts[outcome["policy"].rpartition("/")[2]] = +count
    return counts


def _outcomes(world: World, before: Photo, directory: Path) -> list[Mapping[str, Any]]:
    snapshot, policies, new = (directory / name for name in ("cluster.json", "policies.yaml", "new.yaml"))
    snapshot.write_text(str(before))
    policies.write_text(yaml.safe_dump_all(before.items("ResourcePolicy")))
    command: list[str | Path] = [
        _COMMAND,
        "simulate",
        "--policy",
        policies,
        "--snapshot",
        snapshot,
        "-o",
        "json",
    ]
    for arrival in world.arrivals:
        command += ["--scale", f"{arrival.name}={arrival.replicas}"]
    fresh = [deployment for deployment in world.deployments if not deployment["spec"]["replicas"]]
    if fresh:
        new.write_text(yaml.safe_dump_all(fresh))
        command += ["--pod", new]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    outcomes: list[Mapping[str, Any]] = json.loads(told)[0]["outcomes"]
    return outcomes
