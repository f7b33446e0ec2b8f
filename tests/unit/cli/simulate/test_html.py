"""The HTML page of `simulate`: one file that needs nothing else, drawn to scale, with every number as text.

Nothing here is about what a policy does; test_simulate.py has that.
"""

import json
import re
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from cli.main import main
from cli.simulate.html import page
from policy.simulation.result import (
    ArrivalStep,
    Overflow,
    PendingPods,
    ScaleDownStep,
    SimulationResult,
    UnitCount,
)
from tests.unit.cli.snapshots import a_cluster, a_node, a_pod, a_policy, written

SVG = re.compile(r"<svg.*?</svg>", re.DOTALL)


def an_outcome(steps: Iterable[ArrivalStep], before: int = 0) -> SimulationResult:
    units = tuple(
        UnitCount(unit, "ecs", f"pool=<{unit}>", "max 2", unit == 1, 3, before, before) for unit in range(2)
    )
    return SimulationResult(
        policy="default/web",
        arrived=4,
        waiting_before=0,
        outside=0,
        units=units,
        spills=(Overflow(1, 3, 600.0, ("it is full & closed",)),),
        pending=(PendingPods(1, "web-4", ("no <room>",)),),
        purchases=(),
        removals=(ScaleDownStep("pending", 1), ScaleDownStep("units[1]", 1)),
        removed=(),
        steps=tuple(steps),
        lasted=600.0,
        notes=("a note",),
    )


STEPS = (
    ArrivalStep(0.0, arrives=True, placed=True, unit=0),
    ArrivalStep(0.0, arrives=True, placed=True, unit=None),
    ArrivalStep(0.0, arrives=True, placed=False, unit=None),
    ArrivalStep(0.0, arrives=True, placed=False, unit=None),
    ArrivalStep(600.0, arrives=False, placed=True, unit=1),
)


def drawn(text: str) -> ET.Element:
    (svg,) = SVG.findall(text)
    return ET.fromstring(svg)  # noqa: S314  we wrote it ourselves


def test_the_page_needs_nothing_else() -> None:
    text = page([("web.yaml", [an_outcome(STEPS)])])
    assert text.startswith("<!doctype html>")
    assert not re.search(r"<script|https?:|@import|src=", text)
    assert "url(#waiting-0-0)" in text


def test_what_a_user_wrote_is_escaped() -> None:
    text = page([("<web>", [an_outcome(STEPS)])])
    for part in ("&lt;web&gt;", "pool=&lt;0&gt;", "it is full &amp; closed", "no &lt;room&gt;"):
        assert part in text


def test_each_area_tells_its_pods_and_ends_at_their_height() -> None:
    svg = drawn(page([("p", [an_outcome(STEPS)])]))
    areas = {area[0].text: area.attrib["points"].split() for area in svg.iter("polygon")}
    assert list(areas) == ["units[0]: 1", "units[1]: 1", "outside every unit: 1", "pending: 1"]
    right = {label: float(points[len(points) // 2 - 1].split(",")[1]) for label, points in areas.items()}
    heights = list(right.values())
    steps = {round(a - b) for a, b in pairwise(heights)}
    assert len(steps) == 1, "one pod each, stacked: equal steps"


def test_the_end_is_told_in_a_sentence() -> None:
    text = page([("p", [an_outcome(STEPS)])])
    assert "<p>4 pods arrive: 1 land in units[0], 1 land in units[1], <b>1 stay pending</b>." in text
    assert "<h2>Side by side" not in text


def test_plays_that_are_compared_are_summed_up_first() -> None:
    other = replace(an_outcome(()), spills=(), pending=(), units=an_outcome((), before=7).units[:1])
    text = page([("<one>", [an_outcome(STEPS)]), ("two", [other])])
    table = text[text.index("<h2>Side by side") :].partition("</table>")[0]
    rows = [re.sub(r"<[^<>]*>", " ", row).split() for row in table.split("<tr>")[1:]]
    assert rows == [
        ["&lt;one&gt;", "two"],
        ["pods", "in", "units[0]", "0", "7"],
        ["pods", "in", "units[1]", "0", "-"],
        ["outside", "0", "0"],
        ["pending", "1", "0"],
        ["nodes", "+", "0", "0"],
    ]
    assert page([("a", [other]), ("b", [])]).count("Side by side") == 0


def test_marks_say_where_a_unit_opens_and_where_time_passes() -> None:
    svg = drawn(page([("p", [an_outcome(STEPS)])]))
    told = [text.text for text in svg.iter("text") if text.attrib.get("class") == "told"]
    assert told == ["10m later", "units[1] opens"]


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(an_outcome(()), id="nothing arrives"),
        pytest.param(an_outcome((), before=5), id="nothing arrives where pods are"),
    ],
)
def test_an_answer_without_steps_is_drawn_as_well(outcome: SimulationResult) -> None:
    plain = SimulationResult(**{**{f: getattr(outcome, f) for f in SimulationResult.__slots__}, "spills": ()})
    assert drawn(page([("p", [plain])])).tag == "svg"


def test_no_answer_is_said() -> None:
    assert "No pod that arrives is governed by a policy" in page([("p", [])])


def test_many_pods_make_no_large_page() -> None:
    steps = [ArrivalStep(0.0, arrives=True, placed=True, unit=number % 2) for number in range(20_000)]
    assert len(page([("p", [an_outcome(steps)])])) < 200_000


def test_a_large_cluster_takes_seconds(tmp_path: Path) -> None:
    """5,000 nodes with 10,000 pods, and 10,000 more arrive; CPU seconds, as a machine may be busy."""
    nodes = [a_node(f"{pool}-{n}", pool, 8) for pool in ("dc", "a", "b", "c", "d") for n in range(1000)]
    pods = [a_pod(f"x-{number}", f"dc-{number % 1000}", of="x", gpus=0) for number in range(9_999)]
    own = a_pod("web-7d9-a", "dc-0")
    units = [{"nodeSelector": {"pool": pool}, "max": 2500} for pool in ("dc", "a", "b", "c", "d")]
    (tmp_path / "cluster.json").write_text(json.dumps(a_cluster(*nodes, *pods, own)))
    (tmp_path / "policy.yaml").write_text(written(a_policy(*units)))
    names = ["--policy", str(tmp_path / "policy.yaml"), "--snapshot", str(tmp_path / "cluster.json")]
    started = time.process_time()
    result = CliRunner().invoke(main, ["simulate", *names, "--scale", "web=10001", "-o", "json"])
    took = time.process_time() - started
    (answer,) = json.loads(result.output)[0]["outcomes"]
    assert [unit["after"] for unit in answer["units"]] == [2500, 2500, 2500, 2500, 1]
    assert took < 10
