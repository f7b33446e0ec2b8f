"""What `resourcepolicy lint` does."""

import ast
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path as File

import click

from cli.cluster.live import live_workloads
from cli.cluster.snapshot import ClusterSnapshot
from cli.cluster.source import selected_cluster
from cli.errors import CommandError
from cli.lint.formats import FORMATS
from cli.manifests.workloads import workloads_in
from cli.manifests.yaml_positions import documents_in, read
from cluster.settings import load_settings
from policy.api.duration import parse_duration
from policy.lint.documents import NODES_START, Document, LintInput, Path, Position
from policy.lint.engine import lint
from policy.lint.findings import Severity

__all__ = ["LintOptions", "run", "server_in"]

_IDENTITY = {"apiVersion": "scheduling.alibabacloud.com/v1alpha1", "kind": "ResourcePolicy"}
"""What the items of a list from the API server leave out."""
_LINTED = ("ResourcePolicy", "KubeSchedulerConfiguration")


@dataclass(frozen=True, slots=True, kw_only=True)
class LintOptions:
    """The options, as they are typed."""

    files: Sequence[str]
    live: bool
    kubeconfig: File | None
    snapshot: str | None
    scheduler_config: str | None
    server_config: str | None
    config: File | None
    nodes_start: str
    ignore: Collection[str]
    form: str


def run(options: LintOptions) -> None:
    """Read, lint, print.

    Raises:
        Mistake: something cannot be read.
        SystemExit: with 1, if there is an error.
    """
    given = _given(options)
    findings = [finding for finding in lint(given) if finding.code not in options.ignore]
    click.echo(FORMATS[options.form](findings))
    if (
        not findings
        and not any(document.kind in _LINTED for document in given.documents)
        and not given.server
    ):
        click.echo("no ResourcePolicy was among what was read", err=True)
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise SystemExit(1)


def _given(options: LintOptions) -> LintInput:
    if options.snapshot == "-" and "-" in options.files:
        raise CommandError("- is named twice, and stdin can be read once; write a file for one of them")
    cluster = selected_cluster(options.snapshot, options.kubeconfig, live=options.live)
    documents = list(_documents(options.files))
    if options.scheduler_config:
        documents += _scheduler(options.scheduler_config)
    workloads = list(workloads_in(documents))
    if options.live:
        workloads += workloads_in(live_workloads(options.kubeconfig))
    if cluster is not None and not options.files:
        documents += _policies(cluster)
    if not documents and options.server_config is None:
        raise CommandError(_nothing_found(options))
    settings = load_settings(options.config)
    server = next(read(options.server_config)) if options.server_config else None
    return LintInput(
        documents,
        workloads,
        cluster.snapshot(settings.kinds) if cluster else None,
        server_in(*server) if server else None,
        _seconds(options.nodes_start),
    )


def _nothing_found(options: LintOptions) -> str:
    where = options.snapshot or ("the cluster" if options.live else ", ".join(options.files))
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
        Mistake: it is no Python.
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
