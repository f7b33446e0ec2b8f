"""What the demo's exit status stands for, as a table: all of it is true, or the fault is named."""

from dataclasses import replace

import pytest

from dev.demo.checks import Verdict, judge
from dev.demo.model import Scene
from dev.demo.summary import summarise
from tests.unit.dev.demo.fixtures import GUIDE, HEIGHT, a_node, a_pod, a_request, a_scene, gone

EDGE, EDGE_2 = a_node("edge-1", "e"), a_node("edge-2", "e")
MADE = [a_node(f"cloud-{n}", "c", group="g", gone=8.0) for n in (1, 2)]
ON_EDGE = a_pod("a", "edge-1")
ON_CLOUD = [gone(a_pod(name, f"cloud-{n}"), 5.0, 6.0) for n, name in ((1, "b"), (2, "c"))]
ASKED = a_request("r", 2, 0.5)


def test_the_guides_story_is_good() -> None:
    assert judge(GUIDE, 3) == Verdict()
    assert judge(a_scene(EDGE, *MADE, ON_EDGE, *ON_CLOUD, ASKED), 3) == Verdict()


@pytest.mark.parametrize(
    ("scene", "fault"),
    [
        pytest.param(a_scene(), "no pod ran in the data centre", id="nothing happened"),
        pytest.param(
            a_scene(EDGE, *MADE, *ON_CLOUD, ASKED),
            "no pod ran in the data centre",
            id="the data centre is idle",
        ),
        pytest.param(
            a_scene(EDGE, *MADE, gone(ON_EDGE, 5.0, 6.0), *ON_CLOUD, ASKED),
            "0 pods in the data centre at 5.0 s, 1 expected",
            id="the data centre is emptied",
        ),
        pytest.param(
            a_scene(
                EDGE, *MADE, gone(ON_EDGE, 5.0, 6.0), a_pod("d", "edge-1", created=6.0), *ON_CLOUD, ASKED
            ),
            "0 pods in the data centre at 5.0 s, 1 expected",
            id="the data centre is emptied, and filled again",
        ),
        pytest.param(
            a_scene(EDGE, EDGE_2, *MADE, ON_EDGE, a_pod("d", "edge-2", created=1.0), *ON_CLOUD, ASKED),
            "2 pods in the data centre at 2.0 s, 1 expected",
            id="two in the data centre",
        ),
        pytest.param(
            a_scene(EDGE, *(a_node(f"cloud-{n}", "c", gone=8.0) for n in (1, 2)), ON_EDGE, *ON_CLOUD, ASKED),
            "0 pods on cloud nodes that the autoscaler made, 2 expected",
            id="cloud nodes that were there already",
        ),
        pytest.param(
            a_scene(EDGE, *(replace(node, pool="d") for node in MADE), ON_EDGE, *ON_CLOUD, ASKED),
            "0 pods on cloud nodes that the autoscaler made, 2 expected",
            id="made, but in a pool that the policy does not name",
        ),
        pytest.param(
            a_scene(
                EDGE,
                *MADE,
                ON_EDGE,
                gone(a_pod("b", "cloud-1"), 2.0, 2.5),
                gone(a_pod("c", "cloud-2", created=3.0), 5.0, 6.0),
                ASKED,
            ),
            "1 pod on cloud nodes that the autoscaler made, 2 expected",
            id="two in the cloud, one after the other",
        ),
        pytest.param(
            a_scene(EDGE, *MADE, ON_EDGE, *ON_CLOUD),
            "nobody asked the autoscaler for nodes",
            id="the autoscaler acted by itself",
        ),
        pytest.param(
            a_scene(EDGE, *MADE, ON_EDGE, *ON_CLOUD, a_pod("d", pending=1.0), ASKED),
            "d is pending: 0/2 nodes are available: 2 Insufficient nvidia.com/gpu.",
            id="one waits at the end",
        ),
        pytest.param(HEIGHT, "p-rs-b still runs in the cloud", id="no way back"),
        pytest.param(HEIGHT, "the cloud node cloud-1 is still there", id="a node is not given back"),
    ],
)
def test_what_is_not_as_the_guide_tells_it_is_said(scene: Scene, fault: str) -> None:
    verdict = judge(scene, 3)
    assert not verdict.good
    assert any(fault in line for line in verdict.faults), verdict.faults
    assert f"  {verdict.faults[0]}" in summarise(scene, verdict)
