"""The timeline of a simulation as SVG: who landed where, pod by pod.

Areas are stacked: their height at a place is how many pods each unit holds once so many have arrived; what
waits lies on top, hatched. A dashed line is a spill or a jump in time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape

from cli.simulate.svg import Mark, Plot, colour, hatching
from policy.api.duration import format_duration
from policy.simulation.result import SimulationResult

__all__ = ["Timeline"]

_WIDTH, _HEIGHT = 960.0, 340.0
_LEFT, _TOP, _RIGHT, _BOTTOM = 46.0, 62.0, 18.0, 34.0
_MOST = 600
"""Points drawn of each area; more would not be seen."""
_OUTSIDE = "#64748b"
_LINE = 16.0


@dataclass(slots=True)
class Timeline:
    """One drawing. Lanes are the units, then what is outside them, then what waits."""

    outcome: SimulationResult
    name: str
    """Unique on the page."""
    _lanes: list[list[int]] = field(init=False)
    _plot: Plot = field(init=False)

    def __post_init__(self) -> None:
        self._lanes = list(self._heights())
        wide, high = max(len(self._lanes) - 1, 1), max(1, *map(sum, self._lanes))
        self._plot = Plot(_LEFT, _TOP, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM, wide, high)

    def svg(self) -> str:
        """The element."""
        lanes = range(len(self._lanes[0]))
        return "\n".join(
            [
                f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img" aria-label="pods by unit">',
                hatching(self.name),
                *self._grid(),
                *(self._area(lane) for lane in lanes if any(height[lane] for height in self._lanes)),
                *(self._label(lane) for lane in lanes),
                *self._plot.marks(self._marks()),
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

    def _area(self, lane: int) -> str:
        last = len(self._lanes) - 1
        stride = max(last // _MOST, 1)
        steps = sorted({*range(0, last + 1, stride), last})
        upper = [(step, sum(self._lanes[step][: lane + 1])) for step in steps]
        lower = [(step, sum(self._lanes[step][:lane])) for step in steps]
        told = escape(f"{self._called(lane)}: {self._lanes[-1][lane]}")
        points = self._plot.area(upper, lower)
        return f'<polygon points="{points}" fill="{self._fill(lane)}"><title>{told}</title></polygon>'

    def _label(self, lane: int) -> str:
        """What the area is, at its right end, where it is high enough."""
        below, pods = sum(self._lanes[-1][:lane]), self._lanes[-1][lane]
        lower, upper = self._plot.y(below), self._plot.y(below + pods)
        if lower - upper < _LINE:
            return ""
        x, y = self._plot.right - 8, (lower + upper) / 2 + 4
        told = escape(f"{self._called(lane)}: {pods}")
        kind = "area waits" if lane > len(self.outcome.units) else "area"
        return f'<text x="{x}" y="{y:g}" text-anchor="end" class="{kind}">{told}</text>'

    def _called(self, lane: int) -> str:
        if lane < len(self.outcome.units):
            return f"units[{lane}]"
        return "outside every unit" if lane == len(self.outcome.units) else "pending"

    def _fill(self, lane: int) -> str:
        if lane < len(self.outcome.units):
            return colour(lane)
        return _OUTSIDE if lane == len(self.outcome.units) else f"url(#{self.name})"

    def _grid(self) -> Iterator[str]:
        for pods in sorted({round(self._plot.high * part / 4) for part in range(5)}):
            yield from self._plot.line(pods, str(pods))
        arrived = self.outcome.arrived
        for step in sorted({round(arrived * part / 4) for part in range(5)}):
            anchor = "start" if not step else "middle"
            y = _HEIGHT - _BOTTOM + 18
            yield f'<text x="{self._plot.x(step)}" y="{y}" text-anchor="{anchor}">{step or "start"}</text>'
        yield f'<text x="{_LEFT}" y="{_HEIGHT - 2}">pods arrived →</text>'

    def _marks(self) -> list[Mark]:
        """Where units open, and where time jumps."""
        marks = [
            Mark(self._first(spill.unit), f"units[{spill.unit}] opens", "; ".join(spill.why))
            for spill in self.outcome.spills
        ]
        moment = 0.0
        for number, later in enumerate(self.outcome.steps):
            if later.at > moment:
                marks.append(Mark(number, f"{format_duration(round(later.at))} later", "time passes"))
                moment = later.at
        return sorted(marks, key=lambda mark: (mark.at, mark.label))

    def _first(self, unit: int) -> int:
        return next(n for n, step in enumerate(self.outcome.steps) if step.placed and step.unit == unit)
