"""`python -m dev.bench`: the tables; `... compare`, `... live`, `... spreading`.

Facts: the whole takes a quarter of an hour on two idle cores, and means little where others use them.
"""

import tempfile
import time
from pathlib import Path

import click

from dev.bench import live as live_run
from dev.bench import spreading as spreading_run
from dev.bench.cells import Cell, full_tables, quick_tables
from dev.bench.cluster import Shape
from dev.bench.compare import compare
from dev.bench.machine import described, load
from dev.bench.parts import parts
from dev.bench.programs import build
from dev.bench.report import costs_table, head, parts_table, table
from dev.bench.rest import costs
from dev.bench.rounds import Samples, measure
from dev.bench.stacks import brief, kinds
from dev.controlplane.toolchain import find_toolchain

_HERE = Path(__file__).parent
_EVENT_RATE, _EVENT_SECONDS = 500, 10.0
_REPEATS, _QUICK_REPEATS = 200, 20


@click.group(invoke_without_command=True)
@click.option("--quick", is_flag=True, help="Seconds instead of minutes: whether it runs, not how fast.")
@click.option("--rounds", default=3, show_default=True, help="In which the extenders take turns.")
@click.option("--only", default="", help="Only tables whose heading contains this.")
@click.option("--output", type=click.Path(path_type=Path), help="Instead of dev/bench/RESULTS.md.")
@click.pass_context
def main(context: click.Context, output: Path | None, only: str, rounds: int, *, quick: bool) -> None:
    """Ours beside a Go peer, fed by the same API server."""
    if context.invoked_subcommand is None:
        _run(output, only, 1 if quick else rounds, quick=quick)


@main.command()
@click.option("--nodes", default=1_000, show_default=True)
@click.option("--pods", default=1_000, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default=_HERE / "LIVE.md")
def live(nodes: int, pods: int, rounds: int, output: Path) -> None:
    """Pods bound per second by a real kube-scheduler: without an extender, with the peer, with ours."""
    _, peer = build()
    before = load()
    machine = described(find_toolchain().version)
    measured = list(live_run.measure(peer, nodes, pods, rounds, _note))
    text = live_run.told(measured, machine, (before, load()))
    output.write_text(text)
    click.echo(text)


@main.command()
@click.option("--nodes", default=1_000, show_default=True)
@click.option("--pods", default=2_000, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), default=_HERE / "SPREADING.md")
def spreading(nodes: int, pods: int, output: Path) -> None:
    """What `scored_nodes: sampled` does to the spreading of pods."""
    text = spreading_run.told(spreading_run.spreads(nodes, pods, _note), described(find_toolchain().version))
    output.write_text(text)
    click.echo(text)


@main.command("compare")
@click.option("--before", required=True, type=click.Path(path_type=Path, exists=True), help="A checkout.")
@click.option("--before-settings", default="{}", show_default=True, help="Of its extender, as JSON.")
@click.option("--rounds", default=3, show_default=True)
def compare_versions(before: Path, before_settings: str, rounds: int) -> None:
    """This version beside another checkout of it: filter alone, 100 to 15,000 names."""
    client, _ = build()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        for line in compare(client, before, before_settings, Path(name), rounds, _note):
            click.echo(line)


def _run(output: Path | None, only: str, rounds: int, *, quick: bool) -> None:
    client, peer = build()
    before = load()
    tables = [t for t in (quick_tables() if quick else full_tables()) if only in t.heading]
    shape = Shape(200, pods=500) if quick else Shape(5_000, pods=50_000)
    written: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        stacks = kinds(peer, directory)
        taking_turns = [*stacks, brief(directory)]
        calls: dict[Cell, Samples] = {}
        for measured, samples in measure(tables, client, taking_turns, directory, rounds, _note):
            calls |= samples
            written.append(table(measured, samples))
            click.echo(written[-1])
        if only in "Where the time goes":
            asked = [cell for table in tables for cell in table.cells if cell.bare]
            found = parts(asked, tables[0].shape.nodes, _QUICK_REPEATS if quick else _REPEATS)
            written.append(parts_table(list(found), calls))
            click.echo(written[-1])
        if only in "At rest":
            seconds = 1.0 if quick else _EVENT_SECONDS
            written.append(costs_table(shape, list(costs(shape, stacks, directory, _EVENT_RATE, seconds))))
            click.echo(written[-1])
    written.insert(0, head(described(find_toolchain().version), (before, load()), rounds))
    if output or not (quick or only):
        (output or _HERE / "RESULTS.md").write_text("\n".join(written))


def _note(text: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} {text}", err=True)


if __name__ == "__main__":
    main(prog_name="python -m dev.bench")
