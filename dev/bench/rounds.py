"""Rounds: every cell asked of every extender in turn, and their answers compared before that.

Facts: a machine drifts by 30 % within minutes, so the extenders take turns in each cell.
"""

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from dev.bench.cells import Cell, Table, requests
from dev.bench.cluster import kept
from dev.bench.stacks import BRIEF, Api, Kind, Stack, serving, started
from dev.controlplane.launch import launched
from policy.scheduling.node_sampling import enough

__all__ = ["DifferentAnswers", "Samples", "measure"]

_WARMUP = 20


class DifferentAnswers(Exception):  # noqa: N818  what was found
    """The extenders do not agree, or not with what is right."""


@dataclass(slots=True)
class Samples:
    """Microseconds of each cycle, by extender."""

    by_stack: dict[str, list[float]] = field(default_factory=dict)
    decodings: dict[str, list[float]] = field(default_factory=dict)
    """By extender, of each run: what the client takes to decode the answers of one cycle."""

    def decoding(self, stack: str) -> float:
        """The median of the runs."""
        return median(self.decodings[stack])

    def quantile(self, stack: str, share: float) -> float:
        """Of the cycles of all rounds."""
        ordered = sorted(self.by_stack[stack])
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


@dataclass(frozen=True, slots=True)
class _Session:
    """One cluster with the extenders that watch it."""

    client: Path
    api: Api
    stacks: Sequence[Stack]
    nodes: int
    """Of the cluster."""

    def require_equal(self, cell: Cell) -> None:
        """Raises DifferentAnswers if they are not."""
        for request in requests(cell, self.api.directory)[0]:
            body = Path(request["file"]).read_bytes()
            asked = [stack for stack in self.stacks if _takes_part(stack, cell)]
            first, *others = [_comparable(stack.ask(request["verb"], body)) for stack in asked]
            if any(not _alike(other, first, self.nodes) for other in others):
                raise DifferentAnswers(f"{cell}, {request['verb']}: {_short(first)} is not {others}")
            if request["verb"] == "filter" and first["NodeNames"] != sorted(kept(cell.app, cell.names)):
                raise DifferentAnswers(f"{cell}: {_short(first)}")

    def run(self, cell: Cell, stack: Stack, samples: Samples) -> None:
        """One round of the cell: the sum over each cycle."""
        scenario = {
            "url": stack.url,
            "warmup": min(_WARMUP, cell.cycles),
            "count": cell.cycles,
            "pause_us": cell.pause_us,
            "cycles": requests(cell, self.api.directory),
        }
        if cell.rate:
            self.api.send_events(stack.name, cell.rate)
        asked = json.dumps(scenario)
        ran = subprocess.run(
            launched([str(self.client)]), input=asked, capture_output=True, text=True, check=False
        )
        if cell.rate:
            self.api.send_events(stack.name, 0)
        if ran.returncode:
            raise RuntimeError(f"{stack.name}: {ran.stderr}")
        told = json.loads(ran.stdout)
        samples.by_stack.setdefault(stack.name, []).extend(map(sum, told["microseconds"]))
        samples.decodings.setdefault(stack.name, []).append(told["decoding"])


def measure(
    tables: Sequence[Table],
    client: Path,
    kinds: Sequence[Kind],
    directory: Path,
    rounds: int,
    note: Callable[[str], None],
) -> Iterator[tuple[Table, dict[Cell, Samples]]]:
    """Each table with its samples; tables on one cluster share the running extenders."""
    for shape in dict.fromkeys(table.shape for table in tables):
        with ExitStack() as running:
            api = running.enter_context(serving(shape, directory))
            cells = [cell for table in tables if table.shape == shape for cell in table.cells]
            taking_part = [kind for kind in kinds if any(_takes_part(kind, cell) for cell in cells)]
            stacks = [running.enter_context(started(kind, api)) for kind in taking_part]
            waited = max(stack.wait_ready() for stack in stacks)
            note(f"{shape}: all ready after {waited:.1f} s")
            session = _Session(client, api, stacks, shape.nodes)
            for table in tables:
                if table.shape == shape:
                    note(table.heading)
                    yield table, _cells(session, table.cells, rounds)


def _cells(session: _Session, cells: Sequence[Cell], rounds: int) -> dict[Cell, Samples]:
    samples = {cell: Samples() for cell in cells}
    for cell in cells:
        session.require_equal(cell)
    for number in range(rounds):
        first = number % len(session.stacks)
        turns = [*session.stacks[first:], *session.stacks[:first]]
        for cell in cells:
            for stack in turns:
                if _takes_part(stack, cell):
                    session.run(cell, stack, samples[cell])
    return samples


def _takes_part(stack: Stack | Kind, cell: Cell) -> bool:
    """The brief one answers prioritize as the other does."""
    return stack.name != BRIEF or not cell.prioritized


def _alike(answer: Any, first: Any, nodes: int) -> bool:  # noqa: ANN401  as below
    """Equal; or brief: as many nodes as kube-scheduler would score, one for each reason in other words."""
    if answer == first or not isinstance(first, dict):
        return bool(answer == first)
    if answer["NodeNames"]:
        kept = set(answer["NodeNames"])
        return kept < set(first["NodeNames"]) and len(kept) == len(answer["NodeNames"]) == enough(nodes)
    told = [{text.removeprefix("of the ") for text in one["failed"][1].values()} for one in (answer, first)]
    brief = all(text.startswith("of the ") for text in answer["failed"][1].values())
    return brief and told[0] == told[1] and answer["NodeNames"] == first["NodeNames"]


def _comparable(answer: Any) -> Any:  # noqa: ANN401  JSON
    """What the scheduler reads of an answer; the order of names is nothing to it."""
    if isinstance(answer, list):
        return {score["Host"]: score["Score"] for score in answer}
    failed = [answer.get(key) or {} for key in ("FailedNodes", "FailedAndUnresolvableNodes")]
    return {"NodeNames": sorted(answer["NodeNames"]), "failed": failed, "Error": answer.get("Error") or ""}


def _short(answer: object) -> str:
    return str(answer)[:300]
