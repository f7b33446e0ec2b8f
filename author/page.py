"""A simulation as one self-contained HTML page: no script, nothing loaded, dark and light.

Owns the page around the timeline; must not know how an answer is found. Plays that are compared stand side by
side where there is room.
"""

from collections.abc import Iterator, Sequence
from html import escape

from author.drawing import colour
from author.timeline import Timeline
from policy.duration import format_duration
from policy.simulation.outcome import Outcome, UnitCount

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
_TITLES = "<tr><th>unit<th>nodes<th>cap<th class=n>there<th class=n>before<th class=n>after"


def page(plays: Sequence[tuple[str, Sequence[Outcome]]]) -> str:
    """The whole page."""
    sections = [
        _section(title, outcome, f"waiting-{number}-{place}")
        for number, (title, outcomes) in enumerate(plays)
        for place, outcome in enumerate(outcomes)
    ]
    body = "\n".join(sections) or "<p>No pod that arrives is governed by a policy."
    return f"{_HEAD}<style>{_STYLE}</style>\n<h1>What the policy would do</h1>\n{body}\n</html>"


def _section(title: str, outcome: Outcome, name: str) -> str:
    left = sum(pending.pods for pending in outcome.pending)
    told = f"{title} · {outcome.arrived} pods arrive, {left} stay pending"
    if outcome.lasted:
        told += f"; nothing changes any more after {format_duration(round(outcome.lasted))}"
    return "\n".join(
        [
            f"<section>\n<h2>ResourcePolicy {escape(outcome.policy)}</h2>",
            f'<p class="dim">{escape(told)}',
            f"<figure>{Timeline(outcome, name).svg()}</figure>",
            f"<table>{_TITLES}",
            *(_row(unit) for unit in outcome.units),
            "</table>",
            *_lists(outcome),
            "</section>",
        ]
    )


def _row(unit: UnitCount) -> str:
    waits = " · waits for nodes" if unit.waits_for_nodes else ""
    square = f'<i style="background: {colour(unit.unit)}"></i>'
    return (
        f"<tr><td>{square}units[{unit.unit}]"
        f"<td>{escape(f'{unit.resource} {unit.selector}')}{waits}<td>{escape(unit.cap) or 'none'}"
        f"<td class=n>{unit.nodes}<td class=n>{unit.before}<td class=n>{unit.after}"
    )


def _lists(outcome: Outcome) -> Iterator[str]:
    for spill in outcome.spills:
        yield f"<h3>units[{spill.unit}] opens with pod {spill.pod}</h3>{_items(spill.why)}"
    for pending in outcome.pending:
        yield f"<h3>{pending.pods} pending, for example {escape(pending.example)}</h3>{_items(pending.why)}"
    if outcome.purchases:
        asked = [f"{p.nodes} nodes in units[{p.unit}] for {p.pods} pods" for p in outcome.purchases]
        yield f"<h3>An autoscaler would be asked for</h3>{_items(asked)}"
    if outcome.removals:
        order = ", then ".join(f"{removal.pods} from {removal.place}" for removal in outcome.removals)
        yield f"<h3>Scale-in takes</h3><p>{escape(order)}"
    yield from (f'<p class="dim">{escape(note)}' for note in outcome.notes)


def _items(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}" for line in lines) + "</ul>"
