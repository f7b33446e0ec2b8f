"""The timeline of a simulation as SVG: who landed where, pod by pod.

Owns the drawing; must not know how an answer is found. Areas are stacked: their height at a place is how many
pods each unit holds once so many have arrived; what waits lies on top, hatched. A dashed line is a spill or a
jump in time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape

from policy.duration import format_duration
from policy.simulation.outcome import Outcome

__all__ = ["Timeline", "colour"]

_WIDTH, _HEIGHT = 960.0, 340.0
_LEFT, _TOP, _RIGHT, _BOTTOM = 46.0, 62.0, 18.0, 34.0
_MOST = 600
"""Points drawn of each area; more would not be seen."""
_COLOURS = ("#0f766e", "#2563eb", "#9333ea", "#c2410c", "#be185d", "#4d7c0f", "#0e7490", "#7c2d12")
_OUTSIDE = "#64748b"
_LINE = 16.0
_NEAR = 90.0
"""Labels closer than this to the one before stand lower."""


def colour(unit: int) -> str:
    """The colour of a unit, here and in the table beside it."""
    return _COLOURS[unit % len(_COLOURS)]


@dataclass(slots=True)
class Timeline:
    """One drawing. Lanes are the units, then what is outside them, then what waits."""

    outcome: Outcome
    name: str
    """Unique on the page."""
    _lanes: list[list[int]] = field(default_factory=list)
    _most: int = 1

    def svg(self) -> str:
        """The element."""
        self._lanes = list(self._heights())
        self._most = max(1, *map(sum, self._lanes))
        lanes = range(len(self._lanes[0]))
        return "\n".join(
            [
                f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img" aria-label="pods by unit">',
                self._hatching(),
                *self._grid(),
                *(self._area(lane) for lane in lanes if any(height[lane] for height in self._lanes)),
                *(self._label(lane) for lane in lanes),
                *self._marks(),
                "</svg>",
            ]
        )

    def _heights(self) -> Iterator[list[int]]:
        """How many pods each lane holds at the start, and after each step."""
        units = len(self.outcome.units)
        lanes = [unit.before for unit in self.outcome.units] + [0, 0]
        yield list(lanes)
        for step in self.outcome.steps:
            if step.placed:
                lanes[units if step.unit is None else step.unit] += 1
            lanes[-1] += int(step.arrives) - int(step.placed)
            yield list(lanes)

    def _x(self, step: int) -> float:
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * step / max(len(self._lanes) - 1, 1), 1)

    def _y(self, pods: int) -> float:
        return round(_TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - pods / self._most), 1)

    def _area(self, lane: int) -> str:
        last = len(self._lanes) - 1
        stride = max(last // _MOST, 1)
        steps = sorted({*range(0, last + 1, stride), last})
        upper = [(step, sum(self._lanes[step][: lane + 1])) for step in steps]
        lower = [(step, sum(self._lanes[step][:lane])) for step in reversed(steps)]
        points = " ".join(f"{self._x(step)},{self._y(pods)}" for step, pods in (*upper, *lower))
        told = f"{self._called(lane)}: {self._lanes[-1][lane]}"
        return f'<polygon points="{points}" fill="{self._fill(lane)}"><title>{escape(told)}</title></polygon>'

    def _label(self, lane: int) -> str:
        """What the area is, at its right end, where it is high enough."""
        below, pods = sum(self._lanes[-1][:lane]), self._lanes[-1][lane]
        if self._y(below) - self._y(below + pods) < _LINE:
            return ""
        y = (self._y(below) + self._y(below + pods)) / 2 + 4
        x = _WIDTH - _RIGHT - 8
        told = escape(f"{self._called(lane)}: {pods}")
        return f'<text x="{x}" y="{y:g}" text-anchor="end" class="area">{told}</text>'

    def _called(self, lane: int) -> str:
        if lane < len(self.outcome.units):
            return f"units[{lane}]"
        return "outside every unit" if lane == len(self.outcome.units) else "pending"

    def _fill(self, lane: int) -> str:
        if lane < len(self.outcome.units):
            return colour(lane)
        return _OUTSIDE if lane == len(self.outcome.units) else f"url(#{self.name})"

    def _hatching(self) -> str:
        return (
            f'<defs><pattern id="{self.name}" width="7" height="7" patternTransform="rotate(45)" '
            'patternUnits="userSpaceOnUse"><rect width="7" height="7" fill="#f59e0b" fill-opacity=".2"/>'
            '<rect width="2.5" height="7" fill="#f59e0b"/></pattern></defs>'
        )

    def _grid(self) -> Iterator[str]:
        for pods in sorted({round(self._most * part / 4) for part in range(5)}):
            y = self._y(pods)
            yield f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}" class="grid"/>'
            yield f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{pods}</text>'
        arrived = self.outcome.arrived
        for step in sorted({round(arrived * part / 4) for part in range(5)}):
            anchor = "start" if not step else "middle"
            y = _HEIGHT - _BOTTOM + 18
            yield f'<text x="{self._x(step)}" y="{y}" text-anchor="{anchor}">{step or "start"}</text>'
        yield f'<text x="{_LEFT}" y="{_HEIGHT - 2}">pods arrived →</text>'

    def _marks(self) -> Iterator[str]:
        """Where units open, and where time jumps."""
        labels: list[tuple[int, str, str]] = []
        for spill in self.outcome.spills:
            step = self._first(spill.unit)
            labels.append((step, f"units[{spill.unit}] opens", "; ".join(spill.why)))
        moment = 0.0
        for number, later in enumerate(self.outcome.steps):
            if later.at > moment:
                labels.append((number, f"{format_duration(round(later.at))} later", "time passes"))
                moment = later.at
        yield from self._labelled(sorted(labels))

    def _first(self, unit: int) -> int:
        return next(n for n, step in enumerate(self.outcome.steps) if step.placed and step.unit == unit)

    def _labelled(self, labels: list[tuple[int, str, str]]) -> Iterator[str]:
        before, row = -_WIDTH, 0
        for step, label, told in labels:
            x = self._x(step)
            row = (row + 1) % 3 if x - before < _NEAR else 0
            before = x
            y = 16 + 16 * row
            anchor = "end" if x > _WIDTH - 2 * _NEAR else "start"
            shift = -4 if anchor == "end" else 4
            yield (
                f'<g><title>{escape(told)}</title><line x1="{x}" x2="{x}" y1="{y - 10}" '
                f'y2="{_HEIGHT - _BOTTOM}" class="mark"/>'
                f'<text x="{x + shift}" y="{y}" text-anchor="{anchor}" class="told">{escape(label)}</text>'
                "</g>"
            )
