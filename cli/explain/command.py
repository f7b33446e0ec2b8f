"""What `resourcepolicy explain` does."""

from pathlib import Path

import click

from cli import options
from cli.cluster.source import cluster_at
from cli.completion import pods
from cli.errors import CommandError
from cli.explain.gather import gather_live, gather_snapshot
from cli.explain.report import explain_report
from cli.explain.text import SHOWN
from cluster.settings import load_settings

__all__ = ["explain"]


@click.command()
@click.argument("pod", metavar="POD", shell_complete=pods)
@options.NAMESPACE
@options.CLUSTER
@options.CONTEXT
@click.option(
    "--server",
    metavar="URL",
    help="Where `resourcepolicy serve` listens. Without it: its Service, through the API server's proxy.",
)
@options.SNAPSHOT
@options.CONFIG
@options.TEXT_OR_JSON
def explain(
    pod: str,
    namespace: str | None,
    kubeconfig: Path | None,
    context: str | None,
    server: str | None,
    snapshot: str | None,
    config: Path | None,
    form: str,
) -> None:
    """Say why a pod is where it is, and why in no earlier unit.

    For each unit: what it was to the pod (used, exhausted, no room, waiting, not reached), by which rule of
    docs/rules.md, and the numbers at the time, as the server remembers them. Then what kube-scheduler said,
    what cluster-autoscaler was asked and answered, and when the pod is tried again. If the server cannot be
    asked, the same rules are applied to what the API tells now, and it says so.

    Example: resourcepolicy explain web-7d9-x2x4z -n shop
    """
    settings = load_settings(config)
    name = pod.removeprefix("pods/").removeprefix("pod/").removeprefix("po/")
    if snapshot is None:
        facts = gather_live(kubeconfig, context, namespace, name, server, settings)
    elif server or context or kubeconfig:
        raise CommandError("--snapshot asks no cluster: leave --server, --context and --kubeconfig away")
    else:
        facts = gather_snapshot(cluster_at(snapshot), namespace or "default", name, settings)
    click.echo(SHOWN[form](explain_report(facts, settings)))
