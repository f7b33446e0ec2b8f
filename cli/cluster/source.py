"""The cluster that a command is about: a snapshot, the live one, or none."""

import sys
from pathlib import Path

import click

from cli.cluster.live import live_cluster
from cli.cluster.snapshot import ClusterSnapshot, cluster_in
from cli.errors import CommandError

__all__ = ["cluster_at", "selected_cluster"]

_LONG = 10_000_000
"""Bytes of YAML that take seconds to read."""


def selected_cluster(snapshot: str | None, kubeconfig: Path | None, *, live: bool) -> ClusterSnapshot | None:
    """The cluster that the options name, if any.

    Raises:
        CommandError: they name two, or one that cannot be read.
    """
    if live and snapshot:
        raise CommandError("--live and --snapshot name two clusters; write one of them")
    if live:
        return live_cluster(kubeconfig)
    return None if snapshot is None else cluster_at(snapshot)


def cluster_at(snapshot: str) -> ClusterSnapshot:
    """The cluster in a file, or for `-` in what comes in.

    Raises:
        CommandError: it cannot be read.
    """
    if snapshot == "-":
        return _read("<stdin>", sys.stdin.buffer.read())
    try:
        text = Path(snapshot).read_bytes()
    except OSError as error:
        raise CommandError(f"{snapshot}: {error.strerror}; name a file, or - for stdin") from None
    return _read(snapshot, text)


def _read(source: str, text: bytes) -> ClusterSnapshot:
    if len(text) > _LONG and not text.lstrip().startswith(b"{") and sys.stderr.isatty():
        click.echo(
            f"reading {source}; what kubectl prints with -o json is read several times faster", err=True
        )
    return cluster_in(source, text)
