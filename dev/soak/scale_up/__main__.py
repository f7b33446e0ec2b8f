"""`python -m dev.soak scale-up`: rounds of random demand, and a table of what the autoscaler did."""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import click

from dev.harness.watcher import WATCHER
from dev.soak.scale_up.environment import Stage, hold_at_birth, killing, node_groups, staged
from dev.soak.scale_up.generator import draw
from dev.soak.scale_up.report import fault_of, is_right, table
from dev.soak.scale_up.runner import Outcome, play

_PATIENCE = {"provisioningrequest": 60.0, "placeholder": 240.0}


@click.command()
@click.option("--rounds", default=30, show_default=True, help="How many.")
@click.option("--seed", default=0, show_default=True, help="Another seed, other rounds.")
@click.option("--backend", type=click.Choice(sorted(_PATIENCE)), default="provisioningrequest")
@click.option("--kill", is_flag=True, help="SIGKILL the watcher at random, again and again.")
@click.option("--alone", default=0, show_default=True, help="As many rounds without us before, side by side.")
@click.option("--held", is_flag=True, help="Pods are born held: manifests/hold-at-birth.yaml.")
@click.option("--sizes", default=1, show_default=True, help="Pods are of so many sizes.")
@click.option(
    "--policies", type=click.IntRange(1, 2), default=2, show_default=True, help="Share pools, at most."
)
@click.option("--at-once", default=1, show_default=True, help="Rounds side by side; waits get longer.")
@click.option("--keep", type=click.Path(path_type=Path), help="Logs, if a round went wrong, into here.")
def main(
    rounds: int,
    seed: int,
    backend: str,
    alone: int,
    sizes: int,
    policies: int,
    at_once: int,
    keep: Path | None,
    *,
    held: bool,
    kill: bool,
) -> None:
    """Random demand over three elastic units on the real autoscaler."""
    lanes = max(at_once, alone)
    known = {group.name: dict(group.labels) for group in node_groups(lanes)}
    settings = {"watcher": {"backend": backend, "node_groups": known, "initial_backoff_seconds": 5}}
    with staged(settings, _PATIENCE[backend], lanes) as stage:
        before = _played(replace(stage, settings=None, patience=75), alone, seed, lanes)
        stage.programs.start_watcher(settings)
        own_stage = replace(hold_at_birth(stage) if held else stage, sizes=sizes, policies=policies)
        with killing(own_stage, seed) if kill else nullcontext():
            ours = _played(own_stage, rounds, seed, at_once)
        if keep and not all(map(is_right, ours)):
            _keep(stage, keep)
    click.echo(table(_parts(backend, before, ours, kill=kill)))
    sys.exit(not all(map(is_right, ours)))


def _played(stage: Stage, rounds: int, seed: int, lanes: int) -> list[Outcome]:
    """In order; each lane plays one after the other."""

    def lane(number: int) -> list[Outcome]:
        own = replace(stage, lane=number)
        return [_told(own, n, seed) for n in range(number, rounds, lanes)]

    with ThreadPoolExecutor(lanes) as pool:
        found = [outcome for outcomes in pool.map(lane, range(lanes)) for outcome in outcomes]
    return sorted(found, key=lambda outcome: outcome.round.number)


def _told(stage: Stage, number: int, seed: int) -> Outcome:
    drawn = draw(number, seed, stock_outs=stage.settings is not None, most_policies=stage.policies)
    outcome = play(stage, drawn)
    verdict = "right" if is_right(outcome) else fault_of(outcome)
    click.echo(f"{time.strftime('%H:%M:%S')} round {number}, {outcome.seconds:.0f} s: {verdict}", err=True)
    return outcome


def _keep(stage: Stage, into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    for log in (stage.plane.log("cluster-autoscaler"), stage.programs.log(WATCHER)):
        (into / log.name).write_bytes(log.read_bytes())


def _parts(
    backend: str, before: list[Outcome], ours: list[Outcome], *, kill: bool
) -> Iterator[tuple[str, list[Outcome]]]:
    yield "the autoscaler alone", before
    yield f"{backend}{', killed at random' if kill else ''}", ours
    yield "of these, with a cap reached beside free GPUs", [o for o in ours if o.round.capped]
    yield "of these, with a pool out of stock", [o for o in ours if o.round.out_of_stock]


if __name__ == "__main__":
    main(prog_name="python -m dev.soak scale-up")
