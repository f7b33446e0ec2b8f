"""What `resourcepolicy status` does."""

import difflib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from cli.cluster.live import Session, read_cluster
from cli.cluster.offline_extender import OfflineExtender
from cli.cluster.snapshot import ClusterSnapshot, snapshot_time
from cli.cluster.source import cluster_at
from cli.errors import CommandError
from cli.status.text import SHOWN, Shown
from cluster.settings import Settings, load_settings
from policy.api.quantity import format_quantity
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.matching import governing, is_managed
from policy.status.conditions import about_pods
from policy.status.unit_capacity import FreeCapacity, UnitCapacity, unit_capacities
from policy.status.usage_report import usage_report

__all__ = ["StatusOptions", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusOptions:
    """The options, as they are typed."""

    policy: str | None
    namespace: str | None
    everywhere: bool
    kubeconfig: Path | None
    context: str | None
    snapshot: str | None
    config: Path | None
    form: str


def run(options: StatusOptions) -> None:
    """Count and print.

    Raises:
        Mistake: the policy is not there, or nothing can be read.
    """
    if options.everywhere and (options.namespace or options.policy):
        raise CommandError("-A shows every policy of every namespace: leave POLICY and -n away")
    settings = load_settings(options.config)
    cluster, namespace, now = _read(options)
    there = [policy for policy in cluster.policies if options.everywhere or policy.namespace == namespace]
    chosen = [policy for policy in there if options.policy in (None, policy.name)]
    unusable = [
        refused for refused in cluster.rejected if options.everywhere or _named(refused.key, namespace)
    ]
    if options.policy and not chosen:
        raise _no_such_policy(options.policy, namespace, there, [refused.key for refused in unusable])
    for refused in unusable if options.policy is None else ():
        click.echo(f"ResourcePolicy {refused.key} cannot be used (M6): {refused.errors[0]}", err=True)
    if not chosen and options.form == "text":
        where = "any namespace" if options.everywhere else f"namespace {namespace}; -A shows all"
        click.echo(f"No ResourcePolicy that can be used is in {where}.", err=True)
        return
    click.echo(SHOWN[options.form](_counted(chosen, cluster, settings, now)))


def _named(key: str, namespace: str) -> bool:
    return key.partition("/")[0] == namespace


def _read(options: StatusOptions) -> tuple[ClusterSnapshot, str, float]:
    """The cluster, the namespace that is meant, and the time."""
    if options.snapshot is not None:
        if options.context or options.kubeconfig:
            raise CommandError("--snapshot asks no cluster: leave --context and --kubeconfig away")
        cluster = cluster_at(options.snapshot)
        return cluster, options.namespace or "default", snapshot_time(cluster)
    with Session(options.kubeconfig, options.context) as session:
        namespace = options.namespace or session.namespace
        return read_cluster(session, None if options.everywhere else namespace), namespace, time.time()


def _counted(
    chosen: Sequence[ResourcePolicy], cluster: ClusterSnapshot, settings: Settings, now: float
) -> list[Shown]:
    managed = settings.watcher.managed_resources
    view = OfflineExtender(cluster.nodes, cluster.pods, cluster.policies, settings, now).view
    room = FreeCapacity(view)
    conditions = about_pods(cluster.policies, cluster.pods, managed, settings.on_conflict)
    shown = []
    for policy in sorted(chosen, key=lambda policy: policy.key):
        own = [p for p in cluster.pods if governing(p, cluster.policies) == policy]
        found = unit_capacities(policy, own, [p for p in own if is_managed(p, managed)], view, room, managed)
        shown.append(
            Shown(
                usage_report(policy, own, view, now),
                tuple(map(_state, found)),
                tuple({k: format_quantity(v) for k, v in one.free.items()} for one in found),
                tuple(condition.message for condition in conditions[policy.key] if condition.status),
            )
        )
    return shown


def _state(unit: UnitCapacity) -> str:
    if unit.exhausted is not None:
        return "full"
    return "room" if unit.room else "no room"


def _no_such_policy(
    name: str, namespace: str, there: Sequence[ResourcePolicy], unusable: Sequence[str]
) -> CommandError:
    if f"{namespace}/{name}" in unusable:
        return CommandError(
            f"ResourcePolicy {name} cannot be used (M6); `resourcepolicy lint --live` says why"
        )
    names = sorted(policy.name for policy in there)
    alike = difflib.get_close_matches(name, names) or names
    known = f"there are {', '.join(alike[:5])}" if names else "there is none at all"
    return CommandError(
        f"no ResourcePolicy {name} in namespace {namespace} ({known}); name one, or another -n NAMESPACE"
    )
