"""The state of policies as text of 80 columns and as JSON."""

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import click
import msgspec

from cli.truncate import truncated
from policy.status.usage_report import Period, UnitUsage, UsageReport

__all__ = ["SHOWN", "Shown"]

_WIDTH = 80
_SHOWN_UNITS = 4
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Shown:
    """One policy, and what is wrong with it."""

    census: UsageReport
    states: tuple[str, ...]
    """Of each unit: whether it could take another pod."""
    free: tuple[Mapping[str, str], ...]
    """Of each unit: what no pod requests of its nodes."""
    problems: tuple[str, ...] = ()


def _text(policies: Sequence[Shown]) -> str:
    return "\n\n".join("\n".join(_policy(shown)) for shown in policies)


def _policy(shown: Shown) -> Iterator[str]:
    counts = shown.census
    placed = sum(unit.pods for unit in counts.units) + counts.outside
    yield click.style(f"ResourcePolicy {counts.policy}: {_headline(counts, placed)}", bold=True)
    for problem in shown.problems:
        yield from textwrap.wrap(f"! {problem}", _WIDTH, initial_indent="  ", subsequent_indent="    ")
    yield ""
    yield from _units(shown, placed)
    if counts.pending:
        more = f" and {len(counts.pending) - _NAMED} more" if len(counts.pending) > _NAMED else ""
        line = f"pending: {', '.join(counts.pending[:_NAMED])}{more}; `resourcepolicy explain POD` says why"
        yield from _indented(line)
    if any(period.pods for period in counts.periods):
        yield ""
        yield from _periods(counts)


def _indented(line: str) -> list[str]:
    return textwrap.wrap(line, _WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def _headline(counts: UsageReport, placed: int) -> str:
    pending = f", {len(counts.pending)} pending" if counts.pending else ""
    spill = "" if counts.spill is None else f", spill {counts.spill:.0%}"
    groups = f", {counts.groups} groups" if counts.groups > 1 else ""
    return f"{placed} pod(s) placed{pending}{groups}{spill}"


def _units(shown: Shown, placed: int) -> Iterator[str]:
    """A row for each unit, and one more for each cap after the first; the nodes' column gives way."""
    rows = [("unit", "nodes", "pods", "share", "state", "cap")]
    for unit, state in zip(shown.census.units, shown.states, strict=True):
        first, *others = _caps(unit)
        rows.append((str(unit.unit), _nodes(unit), str(unit.pods), _share(unit.pods, placed), state, first))
        rows += [("", "", "", "", "", cap) for cap in others]
    if shown.census.outside:
        outside = shown.census.outside
        rows.append(("-", "in no unit", str(outside), _share(outside, placed), "", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    widths[1] = min(widths[1], _WIDTH - 2 * 6 - sum(widths[:1] + widths[2:]))
    for index, nodes, pods, share, state, cap in rows:
        named = truncated(nodes, widths[1])
        left = f"  {index:<{widths[0]}}  {named:<{widths[1]}}  "
        yield f"{left}{pods:>{widths[2]}}  {share:>{widths[3]}}  {state:<{widths[4]}}  {cap}".rstrip()


def _nodes(unit: UnitUsage) -> str:
    down = f" ({unit.nodes - unit.ready} unusable)" if unit.ready < unit.nodes else ""
    waits = ", waits" if unit.waits_for_nodes else ""
    return f"{unit.nodes}{down} {unit.resource}{waits} {unit.selector}".rstrip()


def _share(pods: int, placed: int) -> str:
    return f"{pods / placed if placed else 0.0:.0%}"


def _caps(unit: UnitUsage) -> list[str]:
    return [f"{capped.used} of {capped.limit} {capped.what}" for capped in unit.caps] or ["none"]


def _periods(counts: UsageReport) -> Iterator[str]:
    """Unit by unit; what is beyond the last column stands in it."""
    columns = min(len(counts.units), _SHOWN_UNITS)
    heads = [f"units[{index}]" for index in range(columns)]
    if len(counts.units) > columns:
        heads[-1] = "later"
    if counts.outside:
        heads.append("in none")
    yield _row("placed", ("pods", *heads, "spill"))
    for period in (period for period in counts.periods if period.pods):
        cells = [*period.units[: columns - 1], sum(period.units[columns - 1 :])]
        if counts.outside:
            cells.append(period.outside)
        yield _row(period.name, (period.pods, *cells, _spill(period)))
    yield "  Of pods that are there now, by when they were placed; those that are gone"
    yield "  are not in it."


def _row(name: str, cells: Iterable[object]) -> str:
    return "  " + f"{name:<10}" + "".join(f"{cell:>9}" for cell in cells)


def _spill(period: Period) -> str:
    return f"{(period.pods - period.units[0]) / period.pods:.0%}" if period.pods else "-"


def _json(policies: Sequence[Shown]) -> str:
    text = [
        {**msgspec.to_builtins(one.census), "states": one.states, "free": one.free, "problems": one.problems}
        for one in policies
    ]
    return msgspec.json.format(msgspec.json.encode(text)).decode()


SHOWN: Mapping[str, Callable[[Sequence[Shown]], str]] = {"text": _text, "json": _json}
