"""What `resourcepolicy status` does."""

import difflib
import time
from collections.abc import Sequence
from pathlib import Path

import click

from cli import options
from cli.cluster.live import Session, read_cluster
from cli.cluster.offline_extender import OfflineExtender
from cli.cluster.snapshot import ClusterSnapshot, snapshot_time
from cli.cluster.source import cluster_at
from cli.completion import policies
from cli.errors import CommandError
from cli.status.text import SHOWN, Shown
from cluster.settings import Settings, load_settings
from policy.api.quantity import format_quantity
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.matching import governing, is_managed
from policy.status.conditions import about_pods
from policy.status.unit_capacity import FreeCapacity, UnitCapacity, unit_capacities
from policy.status.usage_report import usage_report

__all__ = ["status"]


@click.command()
@click.argument("policy", metavar="[POLICY]", required=False, shell_complete=policies)
@options.NAMESPACE
@click.option("--all-namespaces", "-A", "everywhere", is_flag=True, help="Every policy of the cluster.")
@options.CLUSTER
@options.CONTEXT
@options.SNAPSHOT
@options.CONFIG
@options.TEXT_OR_JSON
def status(
    policy: str | None,
    namespace: str | None,
    kubeconfig: Path | None,
    context: str | None,
    snapshot: str | None,
    config: Path | None,
    form: str,
    *,
    everywhere: bool,
) -> None:
    """Show where the pods of a policy are, unit by unit.

    For each unit its nodes, its pods, their share, and how much of its caps the fullest group has; what is
    pending; and the spill, the share of pods that are not in units[0], by when they were placed. Of pods that
    are gone the API tells nothing.

    Example: resourcepolicy status web -n shop
    """
    if everywhere and (namespace or policy):
        raise CommandError("-A shows every policy of every namespace: leave POLICY and -n away")
    settings = load_settings(config)
    if snapshot is not None and (context or kubeconfig):
        raise CommandError("--snapshot asks no cluster: leave --context and --kubeconfig away")
    if snapshot is not None:
        cluster, namespace = cluster_at(snapshot), namespace or "default"
        now = snapshot_time(cluster)
    else:
        with Session(kubeconfig, context) as session:
            namespace, now = namespace or session.namespace, time.time()
            cluster = read_cluster(session, None if everywhere else namespace)
    there = [each for each in cluster.policies if everywhere or each.namespace == namespace]
    chosen = [each for each in there if policy in (None, each.name)]
    unusable = [refused for refused in cluster.rejected if everywhere or _named(refused.key, namespace)]
    if policy and not chosen:
        raise _no_such_policy(policy, namespace, there, [refused.key for refused in unusable])
    for refused in unusable if policy is None else ():
        click.echo(f"ResourcePolicy {refused.key} cannot be used (M6): {refused.errors[0]}", err=True)
    if not chosen and form == "text":
        where = "any namespace" if everywhere else f"namespace {namespace}; -A shows all"
        click.echo(f"No ResourcePolicy that can be used is in {where}.", err=True)
        return
    click.echo(SHOWN[form](_counted(chosen, cluster, settings, now)))


def _named(key: str, namespace: str) -> bool:
    return key.partition("/")[0] == namespace


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
