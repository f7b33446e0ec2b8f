"""The answers of a simulation as text of 80 columns and as JSON.

Several plays (--compare) stand side by side.
"""

import dataclasses
import json
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest

import click

from cli.simulate.html import page
from cli.truncate import truncated
from policy.api.duration import format_duration
from policy.simulation.result import TOTALS, NodePurchase, SimulationResult, UnitCount

__all__ = ["SHOWN", "Played"]

Played = tuple[str, Sequence[SimulationResult]]
_WIDTH = 80
_SELECTOR = 30
_NO_POLICY = (
    "No policy governs a pod that arrives (--scale, --pod) or is pending: compare namespace and labels with "
    "those that policies select by."
)


def _text(plays: Sequence[Played]) -> str:
    lines: list[str] = []
    for title, outcomes in plays:
        if len(plays) > 1:
            lines += [click.style(f"== {title}", bold=True), ""]
        if not outcomes:
            lines += [*textwrap.wrap(_NO_POLICY, _WIDTH), ""]
        for outcome in outcomes:
            lines += [*_one_play(outcome), ""]
    if len(plays) > 1:
        lines += _side_by_side(plays)
    return "\n".join(lines).rstrip()


def _one_play(outcome: SimulationResult) -> Iterator[str]:
    yield click.style(f"ResourcePolicy {outcome.policy}: {_arrival(outcome)}", bold=True)
    yield ""
    yield from _table(outcome)
    if outcome.spills:
        yield from ("", "Spills")
    for spill in outcome.spills:
        yield from _item(f"pod {spill.pod} is the first in units[{spill.unit}]{_after(spill.at)}:", spill.why)
    if outcome.pending:
        yield from ("", "Stays pending")
    for left in outcome.pending:
        others = f"{left.example} and {left.pods - 1} more" if left.pods > 1 else left.example
        yield from _item(f"{others}:", left.why)
    if outcome.purchases:
        yield from ("", "An autoscaler would be asked for")
    for purchase in outcome.purchases:
        yield from _item(f"{_bought(purchase)}{_after(purchase.at)}", (_size(purchase),))
    yield from _removal(outcome)
    for note in outcome.notes:
        yield from ("", *textwrap.wrap(f"Note: {note}.", _WIDTH))


def _arrival(outcome: SimulationResult) -> str:
    arrival = f"{_pods(outcome.arrived)} arrive{'s' * (outcome.arrived == 1)}"
    if outcome.waiting_before:
        arrival += f", {outcome.waiting_before} of them pending already"
    return arrival


def _pods(number: int) -> str:
    return f"{number} pod{'s' * (number != 1)}"


def _after(seconds: float) -> str:
    return f" after {format_duration(round(seconds))}" if seconds else ""


def _table(outcome: SimulationResult) -> Iterator[str]:
    rows = [("unit", "nodes", "cap", "before", "after", "")]
    rows += [
        (str(u.unit), _nodes(u), u.cap or "none", str(u.before), str(u.after), _bar(u, outcome))
        for u in outcome.units
    ]
    if outcome.outside:
        rows.append(("", "outside every unit", "", "", str(outcome.outside), ""))
    left = sum(pending.pods for pending in outcome.pending)
    rows.append(("", "pending", "", str(outcome.waiting_before), str(left), ""))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        unit, nodes, cap, before, after, bar = row
        numbers = f"{before:>{widths[3]}}  {after:>{widths[4]}}"
        line = f"  {unit:<{widths[0]}}  {nodes:<{widths[1]}}  {cap:<{widths[2]}}  {numbers}  {bar}"
        yield line.rstrip()


def _nodes(unit: UnitCount) -> str:
    waits = ", waits" if unit.waits_for_nodes else ""
    return f"{unit.nodes} {unit.resource} {truncated(unit.selector, _SELECTOR)}".rstrip() + waits


def _bar(unit: UnitCount, outcome: SimulationResult) -> str:
    """How many there were, and how many came: `==++++`."""
    whole = max([*(u.after for u in outcome.units), 1])
    scale = min(1.0, 16 / whole)
    before, after = round(unit.before * scale), round(unit.after * scale)
    return "=" * before + "+" * (after - before)


def _item(head: str, lines: Sequence[str]) -> Iterator[str]:
    yield from textwrap.wrap(head, _WIDTH, initial_indent="  ", subsequent_indent="    ")
    for line in lines:
        yield from textwrap.wrap(line, _WIDTH, initial_indent="    - ", subsequent_indent="      ")


def _bought(purchase: NodePurchase) -> str:
    if not purchase.nodes:
        return f"nodes of another size in units[{purchase.unit}], for {_pods(purchase.pods)}"
    nodes = f"{purchase.nodes} node{'s' * (purchase.nodes != 1)}"
    return f"{nodes} in units[{purchase.unit}], for {_pods(purchase.pods)}"


def _size(purchase: NodePurchase) -> str:
    if not purchase.like:
        return "one pod per node assumed, as the unit has no node to take the size from"
    return f"of the size of {purchase.like}" + (
        "" if purchase.nodes else ", on which such a pod does not fit"
    )


def _removal(outcome: SimulationResult) -> Iterator[str]:
    if outcome.removed:
        more = f" and {len(outcome.removed) - 5} more" if len(outcome.removed) > 5 else ""  # noqa: PLR2004
        names = ", ".join(outcome.removed[:5])
        yield from ("", *textwrap.wrap(f"Goes now: {names}{more}", _WIDTH))
    elif outcome.removals:
        order = ", then ".join(f"{removal.pods} {_in(removal.place)}" for removal in outcome.removals)
        yield from ("", *textwrap.wrap(f"Scale-in takes {order}", _WIDTH))


def _in(place: str) -> str:
    return f"in {place}" if place.startswith("units") else place


def _side_by_side(plays: Sequence[Played]) -> Iterator[str]:
    """The first policy of each play, unit by unit."""
    columns = [(title, outcomes[0]) for title, outcomes in plays if outcomes]
    if len(columns) < len(plays):
        return
    width = max(len(title) for title, _ in columns) + 2
    yield click.style("Side by side", bold=True)
    yield "           " + "".join(f"{title:>{width}}" for title, _ in columns)
    for index, units in enumerate(zip_longest(*(outcome.units for _, outcome in columns))):
        cells = (str(unit.after) if unit else "-" for unit in units)
        yield f"  units[{index}] " + "".join(f"{cell:>{width}}" for cell in cells)
    for name, count in TOTALS.items():
        yield f"  {name:<9}" + "".join(f"{count(outcome):>{width}}" for _, outcome in columns)


def _json(plays: Sequence[Played]) -> str:
    written = [
        {"policy": title, "outcomes": [dataclasses.asdict(outcome) for outcome in outcomes]}
        for title, outcomes in plays
    ]
    return json.dumps(written, indent=2)


SHOWN: Mapping[str, Callable[[Sequence[Played]], str]] = {"text": _text, "json": _json, "html": page}
