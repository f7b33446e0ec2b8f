"""The benchmark runs, and whoever is measured gives the same answers."""

from collections import Counter
from pathlib import Path

import pytest

from dev.bench.cells import Cell, full_tables, quick_tables, requests
from dev.bench.cluster import kept, node_name, request
from dev.bench.live import Measured
from dev.bench.live import told as live_told
from dev.bench.parts import Parts, parts
from dev.bench.programs import build
from dev.bench.report import parts_table, table
from dev.bench.rounds import DifferentAnswers, Samples, measure
from dev.bench.spreading import Spread
from dev.bench.spreading import told as spreads_told
from dev.bench.stacks import BRIEF, Stack, brief, ceiling, kinds
from dev.controlplane.processes import free_ports

STACKS = ("ours", "go", "go-gogc800")


def test_quantiles_are_those_of_all_rounds() -> None:
    samples = Samples({"ours": [float(n) for n in range(100, 0, -1)]})
    assert (samples.quantile("ours", 0.5), samples.quantile("ours", 0.99)) == (51, 100)


def test_a_row_tells_ours_and_how_it_compares() -> None:
    [measured] = [t for t in full_tables() if t.heading == "1 unit"]
    samples = {
        cell: Samples({"ours": [10.0], "go": [20.0], "go-gogc800": [40.0]}, {"ours": [3.0]})
        for cell in measured.cells
    }
    assert "| 500 | none | 10 / 10 | 20 / 20 | 40 / 40 | 0.50 (0.25) | 0.50 (0.25) | 3 |" in table(
        measured, samples
    )


def test_a_refused_row_tells_what_the_brief_answer_costs() -> None:
    [measured] = [t for t in full_tables() if t.heading == "Every node refused"]
    times = {"ours": [10.0], "go": [20.0], "go-gogc800": [40.0], BRIEF: [4.0]}
    told = table(measured, {cell: Samples(times, {"ours": [3.0]}) for cell in measured.cells})
    assert (
        "| 500 | none | 10 / 10 | 20 / 20 | 40 / 40 | 0.50 (0.25) | 0.50 (0.25) | 3 | 4 / 4 (0.20) |" in told
    )


def test_what_is_left_of_a_call_is_the_way() -> None:
    cell = Cell(100, app="full", prioritized=False)
    samples = Samples({BRIEF: [100.0]}, {BRIEF: [7.0]})
    told = parts_table(
        [Parts(cell, brief=True, decoding=1, deciding=2, encoding=3, whole=10)], {cell: samples}
    )
    assert "| 100 | refused, brief | 100 | 7 | 83 | 10 | 1 | 2 | 3 |" in told


def test_every_part_of_each_way_to_answer_is_timed() -> None:
    cells = [Cell(200, prioritized=False), Cell(200, app="full", prioritized=False)]
    found = list(parts(cells, nodes=300, repeats=3))
    assert [(one.cell.app, one.brief) for one in found] == [
        ("two", False),
        ("two", True),
        ("full", False),
        ("full", True),
    ]
    assert all(min(one.decoding, one.deciding, one.encoding, one.whole) > 0 for one in found)


def test_a_spread_tells_nodes_by_their_pods_and_the_zones() -> None:
    runs = [
        Spread("all", Counter({2: 5}), [4, 6]),
        Spread("some", Counter({1: 1, 2: 3, 3: 1}), [5, 5]),
    ]
    told = spreads_told(runs, "2026-11-25")
    assert "with 5 KWOK nodes" in told
    assert "| all | 4, 6 | 0 | 5 | 0 |\n| some | 5, 5 | 1 | 3 | 1 |\n" in told


def test_the_ceiling_keeps_every_second_name(tmp_path: Path) -> None:
    stack = Stack(ceiling(), tmp_path / "unread", free_ports(1)[0], tmp_path)
    try:
        stack.wait_ready()
        names = [node_name(n) for n in range(5)]
        assert stack.ask("filter", request("two", names, 1)) == {"NodeNames": names[::2]}
    finally:
        stack.kill()


def test_a_live_row_is_the_median_of_its_runs() -> None:
    cpu = [{"extender": 1.0, "etcd": 2.0}, {"extender": 1.5, "etcd": 4.0}, {"extender": 9.0, "etcd": 3.0}]
    runs = [
        Measured(variant, 1_000, [n / rate for n in range(11)], used, idle_ms=250.0)
        for variant, rates in (("no extender", (100, 120, 80)), ("ours, filter", (90, 95, 60)))
        for rate, used in zip(rates, cpu, strict=True)
    ]
    told = live_told(runs, "2026-11-25", (0.5, 2.0))
    assert "with 1000 KWOK nodes; 11 pods" in told
    assert "250 ms a second" in told
    assert "| ours, filter | 90 (60 to 95) | 0.90 | 1.5 | 3.0 | 4.5 |" in told


def test_prioritize_is_asked_about_what_filter_left(tmp_path: Path) -> None:
    [first, *_] = requests(Cell(100, app="twenty"), tmp_path)
    assert [request["verb"] for request in first] == ["filter", "prioritize"]
    body = Path(first[1]["file"]).read_text()
    left = kept("twenty", 100)
    assert [node_name(n) in left for n in (18, 19, 39)] == [False, True, True]
    assert all((node_name(n) in body) == (node_name(n) in left) for n in range(100))


def test_every_size_and_question_of_the_issue_has_a_cell() -> None:
    cells = [cell for table in full_tables() for cell in table.cells]
    assert {cell.names for cell in cells} == {100, 500, 1_000, 5_000, 15_000}
    assert {cell.app for cell in cells} == {"one", "two", "twenty", "full"}
    assert {cell.rate for cell in cells} == {0, 500}
    assert {table.shape.pods for table in full_tables()} == {0, 50_000}
    assert {table.shape.policies + 1 for table in full_tables()} == {1, 500}


@pytest.mark.plane
def test_all_answer_alike(tmp_path: Path) -> None:
    """`measure` compares them with each other, and with what is right, before it measures."""
    client, peer = build()
    tables = quick_tables()
    stacks = [*kinds(peer, tmp_path), brief(tmp_path)]
    found = list(measure(tables, client, stacks, tmp_path, 1, lambda _: None))
    assert [measured for measured, _ in found] == list(tables)
    for measured, samples in found:
        for cell in measured.cells:
            took_part = set(STACKS) if cell.prioritized else {*STACKS, BRIEF}
            assert set(samples[cell].by_stack) == set(samples[cell].decodings) == took_part
            assert all(samples[cell].decoding(stack) > 0 for stack in took_part)
        assert all(len(s) == 20 for cell in samples.values() for s in cell.by_stack.values())


@pytest.mark.plane
def test_a_wrong_answer_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client, peer = build()
    monkeypatch.setattr("dev.bench.rounds.kept", lambda *_: ["another"])
    with pytest.raises(DifferentAnswers):
        list(measure(quick_tables()[:1], client, kinds(peer, tmp_path), tmp_path, 1, lambda _: None))
