"""What `resourcepolicy lint` does."""

import ast
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path as File

import click

from cli import options
from cli.cluster.live import live_workloads
from cli.cluster.snapshot import ClusterSnapshot
from cli.cluster.source import selected_cluster
from cli.errors import CommandError
from cli.lint.formats import FORMATS
from cli.manifests.workloads import workloads_in
from cli.manifests.yaml_positions import documents_in, read
from cluster.settings import load_settings
from policy.api import wellknown
from policy.api.duration import parse_duration
from policy.lint import engine
from policy.lint.documents import NODES_START, Document, LintInput, Path, Position
from policy.lint.findings import Code, Finding, Severity

__all__ = ["lint", "server_in"]

_IDENTITY = {"apiVersion": wellknown.RESOURCEPOLICY_API, "kind": "ResourcePolicy"}
"""What the items of a list from the API server leave out."""
_LINTED = ("ResourcePolicy", "KubeSchedulerConfiguration")


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE|DIRECTORY|-]...")
@options.LIVE
@options.KUBECONFIG
@options.SNAPSHOT
@click.option("--scheduler-config", metavar="FILE", help="kube-scheduler's configuration, to be linted too.")
@click.option("--server-config", metavar="FILE", help="The extender's gunicorn.conf.py: its keep-alive.")
@options.CONFIG
@click.option(
    "--nodes-start",
    default="5m",
    show_default=True,
    metavar="DURATION",
    help="How long an autoscaler's node takes until pods run on it.",
)
@click.option(
    "--ignore",
    multiple=True,
    type=click.Choice([str(code) for code in Code]),
    metavar="CODE",
    help="Leave out these findings; may be repeated.",
)
@click.option(
    "-o",
    "--output",
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    show_default=True,
)
def lint(
    files: Sequence[str],
    kubeconfig: File | None,
    snapshot: str | None,
    scheduler_config: str | None,
    server_config: str | None,
    config: File | None,
    nodes_start: str,
    ignore: Collection[str],
    form: str,
    *,
    live: bool,
) -> None:
    """Report valid but harmful policy settings.

    Put workloads (Deployments, ...) beside the policies to have both compared. With a cluster, --live or
    --snapshot, selectors are tried on its pods and nodes; without FILE its own policies are linted. Exit code
    1 if there is an error, 2 if something cannot be read. Codes: docs/lint.md.

    Example: resourcepolicy lint policy.yaml deployment.yaml --scheduler-config kube-scheduler.yaml
    """
    if snapshot == "-" and "-" in files:
        raise CommandError("- is named twice, and stdin can be read once; write a file for one of them")
    cluster = selected_cluster(snapshot, kubeconfig, live=live)
    documents = list(_documents(files))
    if scheduler_config:
        documents += _scheduler(scheduler_config)
    workloads = list(workloads_in(documents))
    if live:
        workloads += workloads_in(live_workloads(kubeconfig))
    if cluster is not None and not files:
        documents += _policies(cluster)
    if not documents and server_config is None:
        raise CommandError(_nothing_found(snapshot or ("the cluster" if live else ", ".join(files))))
    settings = load_settings(config)
    server = next(read(server_config)) if server_config else None
    given = LintInput(
        documents,
        workloads,
        cluster.snapshot(settings.kinds) if cluster else None,
        server_in(*server) if server else None,
        _seconds(nodes_start),
    )
    _print([finding for finding in engine.lint(given) if finding.code not in ignore], given, form)


def _print(findings: Sequence[Finding], given: LintInput, form: str) -> None:
    click.echo(FORMATS[form](findings))
    linted = any(document.kind in _LINTED for document in given.documents)
    if not (findings or linted or given.server):
        click.echo("no ResourcePolicy was among what was read", err=True)
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise SystemExit(1)


def _nothing_found(where: str) -> str:
    if not where:
        return "nothing to lint; name a FILE with a ResourcePolicy, or --live"
    return f"nothing to lint: {where} holds no ResourcePolicy; name a FILE with one"


def _scheduler(name: str) -> list[Document]:
    documents = list(_documents([name]))
    if not any(document.kind == "KubeSchedulerConfiguration" for document in documents):
        raise CommandError(
            f"--scheduler-config {name}: holds no KubeSchedulerConfiguration; name the file that "
            "kube-scheduler is started with"
        )
    return documents


def _documents(names: Iterable[str]) -> Iterator[Document]:
    for name in dict.fromkeys(names):
        for source, text in read(name):
            yield from documents_in(source, text)


def _policies(cluster: ClusterSnapshot) -> Iterator[Document]:
    for manifest in cluster.manifests:
        metadata = manifest.get("metadata") or {}
        source = f"resourcepolicy/{metadata.get('name')} -n {metadata.get('namespace')}"
        yield Document(source, {**_IDENTITY, **manifest})


def _seconds(written: str) -> float:
    try:
        return parse_duration(written) or NODES_START
    except ValueError as error:
        raise CommandError(f"--nodes-start: {error}") from None


def server_in(source: str, text: str) -> Document:
    """The plain assignments of a Python file, which is not run.

    Raises:
        CommandError: it is no Python.
    """
    content: dict[str, object] = {}
    positions: dict[Path, Position] = {(): Position(1, 1)}
    try:
        statements = ast.parse(text).body
    except SyntaxError as error:
        raise CommandError(
            f"{source}:{error.lineno}: no Python; name the extender's gunicorn.conf.py"
        ) from None
    for statement in statements:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    content[target.id] = statement.value.value
                    positions[target.id,] = Position(statement.lineno, statement.col_offset + 1)
    return Document(source, content, positions)
