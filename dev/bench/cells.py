"""What is asked: the cells of the tables, and the requests of each.

Facts: kube-scheduler asks prioritize about the nodes that filter has left.
"""

from dataclasses import dataclass
from pathlib import Path

from dev.bench.cluster import Shape, kept, node_name, request

__all__ = ["Cell", "Table", "full_tables", "quick_tables", "requests"]

_PODS = 8
"""Different pods are asked about in turn, as a scheduler does."""
_SIZES = (100, 500, 1_000, 5_000, 15_000)
_SOME = (500, 5_000)
_RATE = 500
_PAUSE_US = 3_000
_MOST_NODES = 15_000
_MOST_CYCLES = 1_000
"""A round: of few, one moment in which another program ran makes the p99."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of a table."""

    names: int
    app: str = "two"
    """Whose policy: `one`, `two` or `twenty` units, of which only the last has room, or `full`."""
    prioritized: bool = True
    """Filter and prioritize make a cycle; else filter alone, as in the shipped configuration."""
    rate: int = 0
    """Pod events a second on the watch."""
    pause_us: int = 0
    """Between two cycles."""
    count: int = 0
    """Cycles a round; 0: as many as the size allows."""

    @property
    def cycles(self) -> int:
        return self.count or max(60, min(_MOST_CYCLES, 1_000_000 // self.names))

    @property
    def bare(self) -> bool:
        """Whether nothing but filter calls is measured, as fast as they come."""
        return not (self.prioritized or self.rate or self.pause_us)

    @property
    def asked(self) -> str:
        return "filter + prioritize" if self.prioritized else "filter"


@dataclass(frozen=True, slots=True)
class Table:
    """Cells on one cluster, under one heading."""

    heading: str
    shape: Shape
    cells: tuple[Cell, ...]


def full_tables() -> tuple[Table, ...]:
    """All that the issue asks for."""
    few = Shape(_MOST_NODES)
    sizes = tuple(Cell(names) for names in _SIZES)
    filters = tuple(Cell(names, prioritized=False) for names in _SIZES)
    return (
        Table("Filter + prioritize", few, sizes),
        Table("Filter alone (the shipped configuration)", few, filters),
        Table(
            "Filter + prioritize, 500 pod events/s", few, tuple(Cell(names, rate=_RATE) for names in _SIZES)
        ),
        Table(
            "Filter alone, 500 pod events/s",
            few,
            tuple(Cell(names, prioritized=False, rate=_RATE) for names in _SIZES),
        ),
        Table(
            "Filter alone, 3 ms between calls",
            few,
            tuple(Cell(names, prioritized=False, pause_us=_PAUSE_US, count=150) for names in _SOME),
        ),
        Table(
            "Every node refused", few, tuple(Cell(names, app="full", prioritized=False) for names in _SIZES)
        ),
        Table("1 unit", few, tuple(Cell(names, app="one") for names in _SOME)),
        Table("20 units, room in the last", few, tuple(Cell(names, app="twenty") for names in _SOME)),
        Table(
            "500 policies, the last one governs",
            Shape(_MOST_NODES, policies=499),
            tuple(Cell(names) for names in _SOME),
        ),
        Table(
            "50,000 cached pods",
            Shape(_MOST_NODES, pods=50_000),
            tuple(Cell(names, rate=rate) for rate in (0, _RATE) for names in _SOME),
        ),
    )


def quick_tables() -> tuple[Table, ...]:
    """Seconds: each kind of cell once, small."""
    few, several = Shape(200), Shape(200, pods=300, policies=9)
    cells = (
        Cell(100, count=20),
        Cell(100, prioritized=False, rate=_RATE, count=20),
        Cell(200, app="full", prioritized=False, count=20),
        Cell(200, app="twenty", count=20),
    )
    return (
        Table("Each kind of request", few, cells),
        Table("10 policies, 300 pods", several, (Cell(100, count=20), Cell(200, app="one", count=20))),
    )


def requests(cell: Cell, directory: Path) -> list[list[dict[str, str]]]:
    """The cycles of a cell in turn, each request with the file that holds its body."""
    names = [node_name(index) for index in range(cell.names)]
    asked = {"filter": names}
    if cell.prioritized:
        asked["prioritize"] = kept(cell.app, cell.names)
    return [
        [{"verb": verb, "file": _written(directory, cell, verb, number, asked[verb])} for verb in asked]
        for number in range(_PODS)
    ]


def _written(directory: Path, cell: Cell, verb: str, number: int, names: list[str]) -> str:
    file = directory / f"{cell.app}-{cell.names}-{verb}-{number}.json"
    if not file.exists():
        file.write_bytes(request(cell.app, names, number))
    return str(file)
