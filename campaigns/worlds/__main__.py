"""The command `python -m campaigns worlds`: play, simulate, compare, and tell each difference.

Owns arguments and the exit code, 1 if a difference is left. Must not know: what a world is made of.
"""

import sys

import click

from campaigns.worlds.campaign import compared
from campaigns.worlds.report import Report


@click.command()
@click.option("--count", default=100, show_default=True, help="How many worlds.")
@click.option("--seed", default=0, show_default=True, help="The first seed; the others follow it.")
@click.option("--at-once", default=8, show_default=True, help="Worlds that share the plane at a time.")
def main(count: int, seed: int, at_once: int) -> None:
    """Play random worlds on a real control plane and by `simulate`, and compare the pods of each unit."""
    report = Report()
    with click.progressbar(length=count, label="worlds", file=sys.stderr) as bar:
        for comparison in compared(range(seed, seed + count), at_once):
            report.add(comparison)
            bar.update(1)
    click.echo(str(report))
    sys.exit(bool(report.differing))


if __name__ == "__main__":
    main()
