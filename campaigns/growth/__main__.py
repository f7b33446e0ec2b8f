"""`python -m campaigns growth`: rounds of random demand, and a table of what the autoscaler was made to do.

Owns arguments and the exit code, 1 if a unit was grown that no policy named, or by a node too many.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
import yaml

from campaigns.growth.demand import draw
from campaigns.growth.play import GROUPS, NODE_GROUPS, Outcome, Stage, play
from campaigns.growth.report import fault_of, is_right, table
from controlplane import ControlPlane
from demo.cluster import MANIFESTS, WATCHER, Programs, Settings

_AUTOSCALER = (
    "--initial-node-group-backoff-duration=5s",
    "--max-node-group-backoff-duration=10s",
)
_PATIENCE = {"provisioningrequest": 60.0, "placeholder": 240.0}


@click.command()
@click.option("--rounds", default=30, show_default=True, help="How many.")
@click.option("--seed", default=0, show_default=True, help="Another seed, other rounds.")
@click.option(
    "--backend", type=click.Choice(sorted(_PATIENCE)), default="provisioningrequest", show_default=True
)
@click.option("--kill", is_flag=True, help="SIGKILL the watcher at random, again and again.")
@click.option("--alone", default=0, show_default=True, help="As many rounds without us before, to compare.")
@click.option("--keep", type=click.Path(path_type=Path), help="Logs of rounds that went wrong, into here.")
def main(rounds: int, seed: int, backend: str, alone: int, keep: Path | None, *, kill: bool) -> None:
    """Random demand over three elastic units on the real autoscaler."""
    settings = {"watcher": {"backend": backend, "node_groups": NODE_GROUPS, "retry_first": 5}}
    with _stage(settings, _PATIENCE[backend]) as stage:
        lonely = replace(stage, settings=None, patience=75)
        before = [_played(lonely, n, seed, keep, kill=False) for n in range(alone)]
        stage.programs.start_watcher(settings)
        ours = [_played(stage, n, seed, keep, kill=kill) for n in range(rounds)]
    who = f"{backend}{', killed at random' if kill else ''}"
    capped = [outcome for outcome in ours if outcome.round.capped]
    stock_outs = [outcome for outcome in ours if outcome.round.out_of_stock]
    parts = [
        ("the autoscaler alone", before),
        (who, ours),
        ("of these, with a cap reached beside free GPUs", capped),
        ("of these, with a pool out of stock", stock_outs),
    ]
    click.echo(table(parts))
    sys.exit(not all(map(is_right, ours)))


@contextmanager
def _stage(settings: Settings, patience: float) -> Iterator[Stage]:
    with ControlPlane() as plane, Programs(plane) as programs:
        programs.install()
        plane.api.apply(yaml.safe_load_all((MANIFESTS / "placeholder.yaml").read_text()))
        programs.start_extender({"settle": 0})
        plane.start_autoscaler(GROUPS, *_AUTOSCALER)
        status = "/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status"
        plane.wait(lambda: "nodeGroups" in plane.api.get(status)["data"]["status"], what="its first loop")
        yield Stage(plane, programs, settings, patience)


def _played(stage: Stage, number: int, seed: int, keep: Path | None, *, kill: bool) -> Outcome:
    logs = [stage.plane.log("cluster-autoscaler"), stage.programs.log(WATCHER)]
    marks = [log.stat().st_size if log.exists() else 0 for log in logs]
    outcome = play(stage, draw(number, seed, stock_outs=stage.settings is not None), kills=kill)
    verdict = "right" if is_right(outcome) else fault_of(outcome)
    click.echo(f"{time.strftime('%H:%M:%S')} round {number}, {outcome.seconds:.0f} s: {verdict}", err=True)
    if keep and stage.settings and not is_right(outcome):
        keep.mkdir(parents=True, exist_ok=True)
        for log, mark in zip(logs, marks, strict=True):
            (keep / f"round-{number}.{log.name}").write_bytes(log.read_bytes()[mark:])
    return outcome


if __name__ == "__main__":
    main(prog_name="python -m campaigns growth")
