"""The words and figures at the end, as tables."""

from dataclasses import replace

import pytest

from dev.demo.checks import Verdict
from dev.demo.model import Scene
from dev.demo.summary import asked_after, summarise
from tests.unit.dev.demo.fixtures import GUIDE, HEIGHT, a_node, a_pod, a_request, a_scene


@pytest.mark.parametrize(
    ("scene", "seconds"),
    [
        pytest.param(GUIDE, 0.5, id="from the first pod that was pending"),
        pytest.param(a_scene(a_pod("a", pending=1.0)), None, id="nothing was asked for"),
        pytest.param(a_scene(a_pod("a", "edge-1"), a_request("r", 1, 3.0)), None, id="no pod was pending"),
        pytest.param(
            a_scene(a_pod("a", pending=1.0), a_request("s", 1, 4.0), a_request("r", 1, 3.0)),
            2.0,
            id="to the first request",
        ),
    ],
)
def test_how_long_it_took_to_ask(scene: Scene, seconds: float | None) -> None:
    assert asked_after(scene) == seconds


def test_the_summary_has_a_row_for_each_pod_and_the_figures() -> None:
    assert summarise(GUIDE, Verdict()) == [
        "As the guide tells it: 1 pod in the data centre, 2 on cloud nodes that came for them.",
        "And back: the pods in the cloud went first, then their nodes.",
        "",
        "pod     unit       node     deletion cost  ran from  until",
        "p-rs-a  [0] Edge   edge-1   none           1.00 s    it still runs",
        "p-rs-b  [1] Cloud  cloud-1  -1             3.50 s    14.00 s",
        "p-rs-c  [1] Cloud  cloud-2  -1             3.25 s    14.00 s",
        "",
        "load rose -> HPA wants more:        0.25 s",
        "pod pending -> node asked for:      0.50 s  (the autoscaler alone takes 30 s for GPU pods)",
        "node asked for -> last node ready:  3.25 s  (the boot is simulated)",
        "load fell -> HPA wants fewer:       4.00 s  (it goes by the most that it wanted in 5 s)",
        "HPA wants fewer -> last pod gone:   0.25 s",
        "last pod gone -> last node gone:    5.75 s  (unneeded for 5 s, as set here)",
    ]


def test_what_never_happened_has_no_figure() -> None:
    lines = summarise(HEIGHT, Verdict(("x",)))
    assert [line.split(":")[1].split("(")[0].strip() for line in lines if "->" in line] == [
        "never",
        "0.50 s",
        "3.25 s",
        "never",
        "never",
        "never",
    ]


def test_the_last_node_is_gone_when_all_are() -> None:
    still = replace(GUIDE, nodes=(*GUIDE.nodes[:2], HEIGHT.nodes[2]))
    assert any(
        line.startswith("last pod gone -> last node gone:    never") for line in summarise(still, Verdict())
    )


def test_a_node_that_nobody_uses_is_named() -> None:
    scene = a_scene(
        a_node("cloud-1", "c", group="g"), a_node("cloud-2", "c", group="g"), a_pod("b", "cloud-1")
    )
    assert summarise(scene, Verdict())[-1] == "the node cloud-2 was made for nobody"


def test_a_pod_that_was_never_placed_has_a_row_too() -> None:
    scene = a_scene(a_pod("lost", pending=1.0))
    assert "lost  none  none  none           never     never" in summarise(scene, Verdict(("x",)))
