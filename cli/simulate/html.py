"""A simulation as one self-contained HTML page: no script, nothing loaded, dark and light.

Plays that are compared are summed up in one table, and follow one another.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import zip_longest

from cli.simulate.chart import Timeline
from cli.simulate.svg import colour
from policy.api.duration import format_duration
from policy.simulation.result import TOTALS, NodePurchase, ScaleDownStep, SimulationResult, UnitCount

__all__ = ["page"]

_STYLE = """
:root { color-scheme: light dark; --ink: #0f172a; --dim: #64748b; --page: #f1f5f9; --card: #fff;
  --line: #e2e8f0 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e2e8f0; --dim: #94a3b8; --page: #0b1120; --card: #111a2e; --line: #26334f } }
body { margin: 0 auto; max-width: 66rem; padding: 2rem 1rem; font: 15px/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--page) }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 1.2rem 1.5rem; margin: 0 0 1.5rem }
h1 { font-size: 1.4rem; margin: 0 0 1rem } h2 { font-size: 1.1rem; margin: 0 }
h3 { font-size: .95rem; margin: 1.1rem 0 .2rem } p { margin: .2rem 0 } .dim { color: var(--dim) }
figure { margin: 1rem 0 } svg { width: 100%; height: auto; display: block }
svg text { font: 12px system-ui, sans-serif; fill: var(--dim) }
svg text.told { fill: var(--ink); font-weight: 600 }
svg text.area { fill: #fff; font-weight: 600; paint-order: stroke; stroke: #0008; stroke-width: 2px }
svg text.waits { fill: var(--ink); stroke: var(--card); stroke-width: 4px }
svg .grid { stroke: var(--line) } svg .mark { stroke: var(--ink); stroke-dasharray: 3 3 }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
td, th { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line) }
td.n, th.n { text-align: right } ul { margin: .2rem 0; padding-left: 1.2rem }
i { display: inline-block; width: .8em; height: .8em; border-radius: 3px; margin-right: .5em }
"""
_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What the policy would do</title>
"""
_TITLES = "<tr><th>unit<th>nodes like<th>cap<th class=n>nodes<th class=n>pods before<th class=n>pods after"


def page(plays: Sequence[tuple[str, Sequence[SimulationResult]]]) -> str:
    """The whole page."""
    sections = [
        _section(title, outcome, f"waiting-{number}-{place}")
        for number, (title, outcomes) in enumerate(plays)
        for place, outcome in enumerate(outcomes)
    ]
    if len(plays) > 1 and all(outcomes for _, outcomes in plays):
        sections.insert(0, _side_by_side([(title, outcomes[0]) for title, outcomes in plays]))
    body = "\n".join(sections) or "<p>No pod that arrives is governed by a policy."
    return f"{_HEAD}<style>{_STYLE}</style>\n<h1>What the policy would do</h1>\n{body}\n</html>"


def _section(title: str, outcome: SimulationResult, name: str) -> str:
    told = title
    if outcome.lasted:
        told += f" · nothing changes any more after {format_duration(round(outcome.lasted))}"
    return "\n".join(
        [
            f"<section>\n<h2>ResourcePolicy {escape(outcome.policy)}</h2>",
            f'<p class="dim">{escape(told)}',
            f"<p>{_headline(outcome)}",
            f"<figure>{Timeline(outcome, name).svg()}</figure>",
            f"<table>{_TITLES}",
            *(_row(unit) for unit in outcome.units),
            "</table>",
            *_lists(outcome),
            "</section>",
        ]
    )


def _side_by_side(plays: Sequence[tuple[str, SimulationResult]]) -> str:
    """The end of each play in one table, the first policy of each."""
    rows = ["<tr><th>" + "".join(f"<th class=n>{escape(title)}" for title, _ in plays)]
    for index, units in enumerate(zip_longest(*(outcome.units for _, outcome in plays))):
        cells = "".join(f"<td class=n>{unit.after if unit else '-'}" for unit in units)
        rows.append(f"<tr><td>{_square(index)}pods in units[{index}]{cells}")
    for name, count in TOTALS.items():
        cells = "".join(f"<td class=n>{count(outcome)}" for _, outcome in plays)
        rows.append(f"<tr><td>{name}{cells}")
    return "\n".join(["<section>\n<h2>Side by side</h2>", "<table>", *rows, "</table>", "</section>"])


def _headline(outcome: SimulationResult) -> str:
    landed = Counter(step.unit for step in outcome.steps if step.placed)
    parts = [f"{landed[unit.unit]} land in units[{unit.unit}]" for unit in outcome.units if landed[unit.unit]]
    parts += [f"{outcome.outside} land outside every unit"] if outcome.outside else []
    left = sum(pending.pods for pending in outcome.pending)
    parts.append(f"<b>{left} stay pending</b>" if left else "none stays pending")
    return f"{_counted(outcome.arrived, 'pod')} arrive{'s' * (outcome.arrived == 1)}: {', '.join(parts)}."


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"


def _square(unit: int) -> str:
    return f'<i style="background: {colour(unit)}"></i>'


def _row(unit: UnitCount) -> str:
    waits = " · waits for nodes" if unit.waits_for_nodes else ""
    return (
        f"<tr><td>{_square(unit.unit)}units[{unit.unit}]"
        f"<td>{escape(f'{unit.resource} {unit.selector}')}{waits}<td>{escape(unit.cap) or 'none'}"
        f"<td class=n>{unit.nodes}<td class=n>{unit.before}<td class=n>{unit.after}"
    )


def _lists(outcome: SimulationResult) -> Iterator[str]:
    for spill in outcome.spills:
        yield f"<h3>units[{spill.unit}] opens with pod {spill.pod}</h3>{_items(spill.why)}"
    for pending in outcome.pending:
        yield f"<h3>{pending.pods} pending, for example {escape(pending.example)}</h3>{_items(pending.why)}"
    if outcome.purchases:
        asked = map(_bought, outcome.purchases)
        yield f"<h3>An autoscaler would be asked for</h3>{_items(asked)}"
    if outcome.removals:
        order = ", then ".join(map(_gone, outcome.removals))
        yield f"<h3>Scale-in takes</h3><p>{escape(order)}"
    yield from (f'<p class="dim">{escape(note)}' for note in outcome.notes)


def _bought(purchase: NodePurchase) -> str:
    for_whom = f"in units[{purchase.unit}] for {_counted(purchase.pods, 'pod')}"
    after = f", after {format_duration(round(purchase.at))}" if purchase.at else ""
    return f"{_counted(purchase.nodes, 'node')} {for_whom}{after}"


def _gone(removal: ScaleDownStep) -> str:
    return f"{removal.pods} {'in ' * removal.place.startswith('units')}{removal.place}"


def _items(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}" for line in lines) + "</ul>"
