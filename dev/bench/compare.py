"""Two versions of the extender in one run, in turns: `python -m dev.bench compare --before CHECKOUT`.

A machine drifts by 30 % within minutes: only figures of one run can be compared.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from dev.bench.cells import full_tables
from dev.bench.rounds import measure
from dev.bench.stacks import Kind, ours

__all__ = ["compare"]

_FILTER = "Filter alone"
_MICROSECONDS = 1_000


def compare(
    client: Path, before: Path, settings: str, directory: Path, rounds: int, note: Callable[[str], None]
) -> Iterator[str]:
    """Lines of a table: filter alone by number of names, p50 and p99 in milliseconds, and their ratios.

    `before` is a checkout with its own virtual environment, `settings` what its extender is given, as JSON.
    """
    file = directory / "before.yaml"
    file.write_text(json.dumps(json.loads(settings)))
    command = [str(before / ".venv/bin/resourcepolicy"), "serve", "--config", str(file)]
    versions = (Kind("before", command), ours("after", directory))
    tables = [table for table in full_tables() if _FILTER.lower() in table.heading.lower()]
    yield "| names | before p50 | after p50 | ratio | before p99 | after p99 | ratio |"
    yield "|---|---|---|---|---|---|---|"
    for _, samples in measure(tables, client, versions, directory, rounds, note):
        for cell, found in samples.items():
            columns = [f"{cell.names:,}"]
            for share in (0.5, 0.99):
                old, new = (found.quantile(name, share) / _MICROSECONDS for name in ("before", "after"))
                columns += [f"{old:.2f} ms", f"{new:.2f} ms", f"{new / old:.2f}"]
            yield f"| {' | '.join(columns)} |"
