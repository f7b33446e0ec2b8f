"""The command `python -m dev.soak differential`: play, simulate, compare, and tell each difference."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from dev.soak.differential.generator import draw
from dev.soak.differential.report import Report
from dev.soak.differential.runner import Comparison, compared
from dev.soak.differential.scale_up_generator import grow


@click.command()
@click.option("--count", default=100, show_default=True, help="How many worlds.")
@click.option("--seed", default=0, show_default=True, help="The first seed; the others follow it.")
@click.option("--at-once", default=8, show_default=True, help="Worlds that share the plane at a time.")
@click.option("--growing", is_flag=True, help="Worlds of which cluster-autoscaler grows a unit: nodes, too.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    help="Where to put worlds that differ.",
)
def main(count: int, seed: int, at_once: int, keep: Path | None, *, needs_nodes: bool) -> None:
    """Play random worlds on a real control plane and by `simulate`, and compare the pods of each unit."""
    report = Report()
    with click.progressbar(length=count, label="worlds", file=sys.stderr) as bar:
        worlds = [(grow if needs_nodes else draw)(number) for number in range(seed, seed + count)]
        for comparison in compared(worlds, at_once):
            report.add(comparison)
            bar.update(1)
            if keep and isinstance(comparison, Comparison) and _differs(comparison):
                _keep(comparison, keep)
    click.echo(str(report))
    sys.exit(bool(report.unexplained or report.unfinished or report.astray))


def _differs(comparison: Comparison) -> bool:
    return not comparison.agrees or bool(comparison.replayed.otherwise)


def _keep(comparison: Comparison, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    played = comparison.played
    told = json.dumps([asdict(each) for each in played.happened], indent=1)
    for name, text in (("before", played.before), ("after", played.after), ("attempts", told)):
        (directory / f"{comparison.world.name}-{name}.json").write_text(str(text))


if __name__ == "__main__":
    main()
