"""The picture of the story: one file that needs nothing else, drawn to scale."""

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from cli.simulate.svg import colour
from dev.demo.chart import timeline
from dev.demo.model import Pool, Scene
from tests.unit.dev.demo.fixtures import GUIDE, HEIGHT, a_scene

SVG = "{http://www.w3.org/2000/svg}"


def drawn(scene: Scene) -> ET.Element:
    return ET.fromstring(timeline(scene))  # noqa: S314  we wrote it ourselves


def bars(scene: Scene) -> dict[str, tuple[float, float]]:
    """Left and right end of each bar, by what it tells."""
    found = {}
    for bar in drawn(scene).iter(f"{SVG}rect"):
        if (told := bar.find(f"{SVG}title")) is not None:
            left, width = float(bar.attrib["x"]), float(bar.attrib["width"])
            found[str(told.text)] = (left, left + width)
    return found


def words(scene: Scene) -> list[str]:
    return [str(text.text) for text in drawn(scene).iter(f"{SVG}text")]


def test_the_picture_needs_nothing_else() -> None:
    text = timeline(GUIDE)
    assert text.startswith("<svg xmlns=")
    assert not re.search(r"<script|href|@import|src=|url\((?!#)", text)
    assert 'id="waiting"' in text


def test_seconds_are_to_scale() -> None:
    drawn_bars = bars(GUIDE)
    start, end = drawn_bars["edge-1: ready"]
    second = (end - start) / GUIDE.now
    for told, since, until in (
        ("p-rs-a", 1.0, 21.0),
        ("p-rs-b", 3.5, 14.25),
        ("cloud-1: booting", 0.0, 5.0),
        ("cloud-1: ready", 5.0, 19.0),
        ("3 replicas", 1.75, 14.0),
    ):
        left, right = drawn_bars[told]
        assert left == pytest.approx(start + since * second, abs=0.2), told
        assert right == pytest.approx(start + until * second, abs=0.2), told


def test_marks_are_those_of_the_phases_that_have_one() -> None:
    told = [t.text for t in drawn(GUIDE).iter(f"{SVG}text") if t.attrib.get("class") == "told"]
    assert told == ["load rises", "load falls"]


def test_units_and_their_nodes_are_named_in_the_order_of_the_policy() -> None:
    listed = [
        word for word in words(GUIDE) if word in {"units[0] Edge", "units[1] Cloud", "edge-1", "cloud-1"}
    ]
    assert listed[-4:] == ["units[0] Edge", "edge-1", "units[1] Cloud", "cloud-1"]


def test_areas_are_stacked_in_the_colours_of_simulate() -> None:
    areas = [area for area in drawn(GUIDE).iter(f"{SVG}polygon") if "fill" in area.attrib]
    assert [area.attrib["fill"] for area in areas] == [colour(0), colour(1), "url(#waiting)"]
    highest = [min(float(point.split(",")[1]) for point in area.attrib["points"].split()) for area in areas]
    assert highest[0] > highest[1] == highest[2]


def test_what_lasts_at_the_end_is_drawn_to_the_end() -> None:
    assert bars(HEIGHT)["p-rs-b"][1] == bars(HEIGHT)["edge-1: ready"][1]


def test_what_a_cluster_names_is_escaped() -> None:
    assert "units[0] &lt;Edge&gt;" in timeline(replace(GUIDE, pools={"e": Pool("e", "<Edge>", unit=0)}))


@pytest.mark.parametrize("now", [0.0, 21.0])
def test_a_story_in_which_nothing_happened_can_be_drawn(now: float) -> None:
    assert drawn(a_scene(now=now)).tag == f"{SVG}svg"
