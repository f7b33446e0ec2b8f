"""What `resourcepolicy explain` does."""

from dataclasses import dataclass
from pathlib import Path

import click

from cli.cluster.source import cluster_at
from cli.errors import CommandError
from cli.explain.gather import ExplainInput, inquire_live, inquire_snapshot
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


def run(asked: ExplainOptions) -> None:
    """Ask and print.

    Raises:
        Mistake: there is no such pod, or nobody to ask.
    """
    settings = load_settings(asked.config)
    click.echo(SHOWN[asked.form](explain_report(_inquiry(asked, settings), settings)))


def _inquiry(asked: ExplainOptions, settings: Settings) -> ExplainInput:
    name = asked.pod.removeprefix("pods/").removeprefix("pod/").removeprefix("po/")
    if asked.snapshot is None:
        return inquire_live(asked.kubeconfig, asked.context, asked.namespace, name, asked.server, settings)
    if asked.server or asked.context or asked.kubeconfig:
        raise CommandError("--snapshot asks no cluster: leave --server, --context and --kubeconfig away")
    return inquire_snapshot(cluster_at(asked.snapshot), asked.namespace or "default", name, settings)
