"""The command `python -m dev.soak scale-down`: play, and tell each exception with its cause."""

import sys
from functools import partial

import click

from dev.soak.scale_down.checks import Cause
from dev.soak.scale_down.report import report
from dev.soak.scale_down.runner import Outcome, played

WAYS = {"hpa": "by the real HPA", "hand": "by hand"}


@click.command()
@click.option(
    "--rounds", type=click.IntRange(1), default=50, show_default=True, help="How many, for each way."
)
@click.option("--seed", default=0, show_default=True, help="Of the first round; the others follow it.")
@click.option("--by", type=click.Choice([*WAYS, "both"]), default="both", show_default=True)
@click.option("--costs/--no-costs", default=True, help="Without: what Kubernetes does by itself.")
@click.option("--ready-after", type=click.FloatRange(0), default=0, help="Seconds that a pod takes.")
def main(rounds: int, seed: int, by: str, *, costs: bool, ready_after: float) -> None:
    """Scale in at random moments on a real control plane, and tell which pods went first."""
    outcomes = []
    for way in WAYS if by == "both" else [by]:
        title = f"{rounds} rounds {WAYS[way]}, pods ready after {ready_after:g} s"
        title += "" if costs else ", without costs"
        with click.progressbar(length=rounds, label=title, file=sys.stderr) as bar:
            step = partial(bar.update, 1)
            outcome = played(rounds, seed, step, by_hand=way == "hand", costs=costs, ready_after=ready_after)
        outcomes.append(outcome)
        click.echo(report(title, outcome))
    sys.exit(costs and any(map(_is_unexplained, outcomes)))


def _is_unexplained(outcome: Outcome) -> bool:
    exceptions = (exception for decision in outcome.choices for exception in decision.exceptions())
    return any(exception.cause == Cause.UNKNOWN for exception in exceptions)


if __name__ == "__main__":
    main()
