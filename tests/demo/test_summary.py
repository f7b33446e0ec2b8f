"""The verdict and the figures, as tables."""

import pytest

from demo.scene import Scene
from demo.summary import Verdict, asked_after, judge, summarise
from tests.demo.scenes import GUIDE, a_node, a_pod, a_request, a_scene

EDGE = a_node("edge-1", "e")
MADE = [a_node(f"cloud-{n}", "c", group="g") for n in (1, 2)]
ON_EDGE, ON_CLOUD = a_pod("a", "edge-1"), [a_pod("b", "cloud-1"), a_pod("c", "cloud-2")]


@pytest.mark.parametrize(
    ("scene", "fault"),
    [
        pytest.param(a_scene(), "0 pods on the node of the data centre", id="nothing happened"),
        pytest.param(
            a_scene(EDGE, *MADE, *ON_CLOUD),
            "0 pods on the node of the data centre",
            id="the data centre is idle",
        ),
        pytest.param(
            a_scene(EDGE, ON_EDGE, a_pod("b", "edge-1"), a_pod("c", "edge-1")),
            "3 pods on the node of the data centre, 1 expected",
            id="all of them in the data centre",
        ),
        pytest.param(
            a_scene(EDGE, ON_EDGE, *ON_CLOUD, *(a_node(f"cloud-{n}", "c") for n in (1, 2))),
            "0 pods on cloud nodes that the autoscaler made, 2 expected",
            id="cloud nodes that were there already",
        ),
        pytest.param(
            a_scene(EDGE, ON_EDGE, *ON_CLOUD, *(a_node(f"cloud-{n}", "d", group="g") for n in (1, 2))),
            "0 pods on cloud nodes that the autoscaler made, 2 expected",
            id="made, but in a pool that the policy does not name",
        ),
        pytest.param(
            a_scene(EDGE, *MADE, ON_EDGE, *ON_CLOUD),
            "nobody asked the autoscaler for nodes",
            id="the autoscaler acted by itself",
        ),
        pytest.param(
            a_scene(EDGE, *MADE, ON_EDGE, ON_CLOUD[0], a_pod("c", pending=1.0)),
            "c is pending: 0/2 nodes are available: 2 Insufficient nvidia.com/gpu.",
            id="one still waits",
        ),
    ],
)
def test_what_is_not_as_the_guide_tells_it_is_said(scene: Scene, fault: str) -> None:
    verdict = judge(scene, 3)
    assert not verdict.good
    assert any(fault in line for line in verdict.faults), verdict.faults
    assert f"  {verdict.faults[0]}" in summarise(scene, verdict)


def test_the_guides_end_is_good() -> None:
    assert judge(GUIDE, 3) == Verdict()


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
        "",
        "pod     unit       node     created -> running",
        "p-rs-a  [0] Edge   edge-1   1.00 s",
        "p-rs-b  [1] Cloud  cloud-1  1.50 s",
        "p-rs-c  [1] Cloud  cloud-2  1.25 s",
        "",
        "pod pending -> node asked for: 0.50 s (the autoscaler alone takes 30 s for GPU pods)",
        "node asked for -> last node ready: 3.25 s (the boot is simulated)",
        "nodes made: 2",
        "  cloud-1",
        "  cloud-2",
    ]


def test_a_node_that_nobody_uses_is_named() -> None:
    scene = a_scene(EDGE, *MADE, ON_EDGE, ON_CLOUD[0])
    text = summarise(scene, Verdict())
    assert "nodes made: 2, 1 of them empty" in "\n".join(text)
    assert "  cloud-2  (empty)" in text


def test_a_pod_that_was_never_placed_has_a_row_too() -> None:
    scene = a_scene(a_pod("lost", pending=1.0))
    assert "lost  none  none  not yet" in summarise(scene, judge(scene, 3))
