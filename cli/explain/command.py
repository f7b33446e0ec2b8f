"""What `resourcepolicy explain` does."""

from dataclasses import dataclass
from pathlib import Path

import click

from cli.cluster.source import cluster_at
from cli.errors import CommandError
from cli.explain.gather import ExplainInput, gather_live, gather_snapshot
from cli.explain.report import explain_report
from cli.explain.text import SHOWN
from cluster.settings import Settings, load_settings

__all__ = ["ExplainOptions", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainOptions:
    """The options, as they are typed."""

    pod: str
    namespace: str | None
    kubeconfig: Path | None
    context: str | None
    server: str | None
    snapshot: str | None
    config: Path | None
    form: str


def run(options: ExplainOptions) -> None:
    """Ask and print.

    Raises:
        Mistake: there is no such pod, or nobody to ask.
    """
    settings = load_settings(options.config)
    click.echo(SHOWN[options.form](explain_report(_gathered(options, settings), settings)))


def _gathered(options: ExplainOptions, settings: Settings) -> ExplainInput:
    name = options.pod.removeprefix("pods/").removeprefix("pod/").removeprefix("po/")
    if options.snapshot is None:
        return gather_live(
            options.kubeconfig, options.context, options.namespace, name, options.server, settings
        )
    if options.server or options.context or options.kubeconfig:
        raise CommandError("--snapshot asks no cluster: leave --server, --context and --kubeconfig away")
    return gather_snapshot(cluster_at(options.snapshot), options.namespace or "default", name, settings)
