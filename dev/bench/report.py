"""The results as Markdown: one table for each question, and what it was measured on."""

from collections.abc import Mapping, Sequence

from dev.bench.cells import Cell, Table
from dev.bench.cluster import Shape
from dev.bench.parts import Parts
from dev.bench.rest import Cost
from dev.bench.rounds import Samples
from dev.bench.stacks import BRIEF

__all__ = ["costs_table", "head", "parts_table", "table"]

_P50, _P99 = 0.5, 0.99
_BRIEF = "ours, brief"
_NAMES = {"ours": "ours", "go": "Go", "go-gogc800": "Go, GOGC=800"}

_JSON_ONLY = """
This benchmark's API server speaks JSON. A real one sends Go's client nodes and pods as protobuf, which is
cheaper for it, at the start and with every event.
"""

_PARTS = """
A filter call of ours, in microseconds: the p50 above; what of it the client takes to decode the answer; what
the application takes (timed alone, in one process, medians); and the way, which is what is left: both bodies
through two HTTP libraries and the kernel.
"""


def head(machine: str, loads: tuple[float, float], rounds: int) -> str:
    """What every number depends on."""
    return f"""# Benchmark

`python -m dev.bench` wrote this: {machine}; load of the machine before: {loads[0]:.2f},
after: {loads[1]:.2f} (its own share is about 1.5).

Microseconds, p50 / p99 of {rounds} rounds in which the extenders took turns. The client does what
kube-scheduler's `HTTPExtender.send` does: one keep-alive connection, one request after the other, every
answer decoded; its own work is in every number, and what of it is decoding, the same for every extender, is
in the column *decoding*. *Go* is `bench/peer` (net/http, encoding/json, client-go
informers, the same index of units as ours; it reserves nothing, counts no metrics); *ratio* is ours/Go, and
in brackets ours/Go with GOGC=800. Below 1, ours is faster. Only numbers within a row compare.
*{_BRIEF}* is ours with the settings `refused_nodes: one` and `scored_nodes: sampled`, and in brackets its
ratio of p50 to Go.
"""


def table(measured: Table, samples: Mapping[Cell, Samples]) -> str:
    """One heading with its rows."""
    rows = [_row(cell, samples[cell]) for cell in measured.cells]
    columns = ["names", "events/s", "ours", "Go", "Go, GOGC=800", "ratio p50", "ratio p99", "decoding"]
    if any(BRIEF in samples[cell].by_stack for cell in measured.cells):
        columns.append(_BRIEF)
    return f"## {measured.heading}\n\n{_written(columns, rows)}"


def parts_table(found: Sequence[Parts], calls: Mapping[Cell, Samples]) -> str:
    """The parts of a filter call: the application's, timed alone, the client's decoding, and the rest."""
    columns = ["names", "answer", "call", "client's decoding", "the way", "application"]
    columns += ["of it: decode", "decide and remember", "encode"]
    rows = []
    for one in found:
        stack, samples = BRIEF if one.brief else "ours", calls[one.cell]
        call, decoding = samples.quantile(stack, _P50), samples.decoding(stack)
        inside = (one.whole, one.decoding, one.deciding, one.encoding)
        numbers = [f"{number:,.0f}" for number in (call, decoding, call - decoding - one.whole, *inside)]
        answer = "refused" if one.cell.app == "full" else "placed"
        rows.append([f"{one.cell.names:,}", f"{answer}, brief" if one.brief else answer, *numbers])
    return f"## Where the time goes\n{_PARTS}\n{_written(columns, rows)}"


def costs_table(shape: Shape, costs: Sequence[Cost]) -> str:
    """Memory, start and events."""
    columns = ["", "start to ready", "CPU until ready", "resident (PSS)", "CPU per 1,000 pod events"]
    rows = [
        [
            _NAMES[cost.stack],
            f"{cost.ready_seconds:.2f} s",
            f"{cost.ready_cpu_seconds:.2f} s",
            f"{cost.resident_mib:.0f} MiB",
            f"{cost.cpu_ms_per_thousand_events:.0f} ms",
        ]
        for cost in costs
    ]
    return f"## At rest: {shape.nodes:,} nodes, {shape.pods:,} pods\n{_JSON_ONLY}\n{_written(columns, rows)}"


def _row(cell: Cell, samples: Samples) -> list[str]:
    shown = [_quantiles(samples, stack) for stack in _NAMES]
    ratios = [
        f"{_ratio(samples, 'go', share):.2f} ({_ratio(samples, 'go-gogc800', share):.2f})"
        for share in (_P50, _P99)
    ]
    decoding = f"{samples.decoding('ours'):,.0f}"
    brief = []
    if BRIEF in samples.by_stack:
        ratio = samples.quantile(BRIEF, _P50) / samples.quantile("go", _P50)
        brief = [f"{_quantiles(samples, BRIEF)} ({ratio:.2f})"]
    return [f"{cell.names:,}", str(cell.rate or "none"), *shown, *ratios, decoding, *brief]


def _quantiles(samples: Samples, stack: str) -> str:
    return f"{samples.quantile(stack, _P50):,.0f} / {samples.quantile(stack, _P99):,.0f}"


def _ratio(samples: Samples, other: str, share: float) -> float:
    return samples.quantile("ours", share) / samples.quantile(other, share)


def _written(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---" for _ in columns], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
