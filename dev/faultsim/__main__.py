"""The command `python -m dev.faultsim`: run, count, and tell the shortest story of what failed."""

import sys

import click

from dev.faultsim.report import Report, story
from dev.faultsim.runner import outcomes, shortest

_TOLD = 5


@click.command()
@click.option("--runs", default=1000, show_default=True, help="How many schedules.")
@click.option("--seed", default=0, show_default=True, help="The first seed; the others follow it.")
@click.option("--jobs", default=1, show_default=True, help="Processes.")
def main(runs: int, seed: int, jobs: int) -> None:
    """Disturb the extender in virtual time and look whether its rules hold."""
    report = Report()
    report.add(outcomes(range(seed, seed + runs), jobs))
    click.echo(str(report))
    for failed in report.failed[:_TOLD]:
        told = shortest(failed)
        click.echo(f"\n{story(*told)}" if told else f"\nseed {failed}: not again")
    sys.exit(bool(report.failed))


if __name__ == "__main__":
    main()
