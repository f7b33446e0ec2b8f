"""What the drawings have in common, as pieces of SVG: a plot to scale, stacked areas, marks, what waits.

The timelines of a simulation and of the demo use it, so that a unit looks the same in both.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Mark", "Plot", "colour", "hatching"]

_COLOURS = ("#0f766e", "#2563eb", "#9333ea", "#c2410c", "#be185d", "#4d7c0f", "#0e7490", "#7c2d12")
_ROWS = 3
_ROW = 16
_LETTER = 7.5
"""At most, of a label; a reader's font is not known."""
_WIDE = 160.0
"""A label this close to the right end stands to the left of its line."""


def colour(unit: int) -> str:
    """The colour of a unit, wherever it is shown."""
    return _COLOURS[unit % len(_COLOURS)]


def hatching(name: str) -> str:
    """Defines the fill `url(#name)`, that of what waits."""
    return (
        f'<defs><pattern id="{name}" width="7" height="7" patternTransform="rotate(45)" '
        'patternUnits="userSpaceOnUse"><rect width="7" height="7" fill="#f59e0b" fill-opacity=".2"/>'
        '<rect width="2.5" height="7" fill="#f59e0b"/></pattern></defs>'
    )


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a place of the horizontal axis."""

    at: float
    label: str
    told: str
    """Shown when one points at it."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A rectangle in which 0 to `wide` and 0 to `high` are drawn to scale."""

    left: float
    top: float
    right: float
    bottom: float
    wide: float
    high: float

    def x(self, value: float) -> float:
        return round(self.left + (self.right - self.left) * value / self.wide, 1)

    def y(self, value: float) -> float:
        return round(self.top + (self.bottom - self.top) * (1 - value / self.high), 1)

    def area(self, upper: Iterable[tuple[float, float]], lower: Sequence[tuple[float, float]]) -> str:
        """Between two lines that run from left to right: the `points` of a polygon."""
        return " ".join(f"{self.x(at)},{self.y(value)}" for at, value in (*upper, *reversed(lower)))

    def line(self, value: float, label: str) -> Iterator[str]:
        """A line across at a value, and the value to its left."""
        y = self.y(value)
        yield f'<line x1="{self.left}" x2="{self.right}" y1="{y}" y2="{y}" class="grid"/>'
        yield f'<text x="{self.left - 8}" y="{y + 4}" text-anchor="end">{escape(label)}</text>'

    def marks(self, marks: Iterable[Mark], top: float = 0.0) -> Iterator[str]:
        """Dashed lines down to the bottom, their labels from `top` on, in rows where they are close."""
        ends = [-_WIDE] * _ROWS
        for mark in marks:
            x = self.x(mark.at)
            # Below the labels that reach as far as here, so that its line crosses none of them.
            row = max((row + 1 for row, end in enumerate(ends) if end > x), default=0) % _ROWS
            anchor, shift = ("end", -4) if x > self.right - _WIDE else ("start", 4)
            ends[row] = x + _LETTER * len(mark.label) if anchor == "start" else x
            y = top + _ROW * (row + 1)
            yield (
                f'<g><title>{escape(mark.told)}</title><line x1="{x}" x2="{x}" y1="{y - 10:g}" '
                f'y2="{self.bottom:g}" class="mark"/>'
                f'<text x="{x + shift}" y="{y:g}" text-anchor="{anchor}" class="told">{escape(mark.label)}'
                "</text></g>"
            )
