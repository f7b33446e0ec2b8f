"""The table and the lines: what a user reads."""

from dataclasses import replace

import pytest
from rich.console import Console

from dev.demo.decode import follow
from dev.demo.fixtures import CLOUD, DEPLOYMENT, POOLS
from dev.demo.model import Level, Phase, Pod, PodState, Request, RequestState, Scene, Step
from dev.demo.view import lines, phase_lines, table
from tests.unit.dev.demo.fixtures import FULL, GUIDE, HEIGHT, a_node, a_pod, a_request, a_scene


def drawn(scene: Scene, width: int = 80) -> str:
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(table(scene))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def test_lines_tell_everything_in_order() -> None:
    told = lines(HEIGHT)
    assert told[0] == "  0.0 s  == 1 replica -> data centre"
    assert told == sorted(told, key=lambda line: float(line.split()[0]))
    assert told[-8:] == [
        "  2.5 s     pod p-rs-b: pending: 0/2 nodes are available: 2 Insufficient nvidia.com/gpu.",
        "  2.8 s     request rp-1: asks for 2 nodes in Cloud",
        "  3.2 s     pod p-rs-c: placed on cloud-2, units[1] Cloud",
        "  3.2 s     pod p-rs-c: running",
        "  3.5 s     pod p-rs-b: placed on cloud-1, units[1] Cloud",
        "  3.5 s     pod p-rs-b: running",
        "  5.0 s     node cloud-1 (Cloud): ready",
        "  6.0 s     node cloud-2 (Cloud): ready",
    ]


def test_what_happens_later_only_adds_lines() -> None:
    (pod,) = a_scene(a_pod("a", pending=1.0)).pods
    gone = follow(pod, replace(pod, state=PodState.GONE, detail=""), 5.0)
    before = lines(a_scene(pod, phases=(Phase(0.5, "x"),)))
    assert lines(a_scene(gone, phases=(Phase(0.5, "x"), Phase(4.0, "y"))))[: len(before)] == before


PREEMPTION = " preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."


@pytest.mark.parametrize(
    ("message", "told"),
    [
        pytest.param("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", False, id="other counts"),
        pytest.param(FULL + PREEMPTION, False, id="preemption"),
        pytest.param(
            "0/3 nodes are available: 2 Insufficient nvidia.com/gpu, 1 node(s) new.", True, id="a reason"
        ),
        pytest.param("", True, id="none at all"),
    ],
)
def test_a_pod_that_goes_on_waiting_is_told_of_when_its_reasons_change(message: str, *, told: bool) -> None:
    (pod,) = a_scene(a_pod("a", pending=1.0)).pods
    later = follow(pod, replace(pod, detail=message), 2.0)
    assert (len(lines(a_scene(later))) > len(lines(a_scene(pod)))) is told


@pytest.mark.parametrize(
    ("state", "detail", "words"),
    [
        (RequestState.ASKED, "", "asks for 1 node in Cloud"),
        (RequestState.ACCEPTED, "", "accepted"),
        (RequestState.PROVISIONED, "CapacityIsFound", "provisioned (CapacityIsFound)"),
        (RequestState.FAILED, "CapacityIsNotFound", "failed (CapacityIsNotFound)"),
        (RequestState.GONE, "", "withdrawn"),
    ],
)
def test_the_words_of_a_request(state: RequestState, detail: str, words: str) -> None:
    request = Request(name="r", state=state, count=1, pool="c", steps=(Step(1.0, state, detail),))
    assert lines(a_scene(request)) == [f"  1.0 s     request r: {words}"]


def test_a_request_whose_pool_is_unknown_names_none() -> None:
    assert lines(a_scene(a_request("r", 2, 1.0, pool=""))) == ["  1.0 s     request r: asks for 2 nodes"]


def test_phases_can_be_had_alone() -> None:
    assert phase_lines(HEIGHT) == [
        "  0.0 s  == 1 replica -> data centre",
        "  2.0 s  == the load rises",
    ]


def test_the_table_shows_where_each_pod_is() -> None:
    assert (
        drawn(HEIGHT)
        == """
  9.0 s

POD   UNIT       NODE     STATE      SINCE
rs-a  [0] Edge   edge-1   running    1.0 s
rs-b  [1] Cloud  cloud-1  running    3.5 s
rs-c  [1] Cloud  cloud-2  running    3.2 s

REQUEST  NODES  IN     STATE    SINCE
rp-1     2      Cloud  asked    2.8 s

NODE     POOL         GPUS  STATE    SINCE
edge-1   Edge         1     ready    0.0 s
cloud-1  Cloud (new)  1     ready    5.0 s
cloud-2  Cloud (new)  1     ready    6.0 s"""
    )


def test_the_table_shows_the_load_and_what_the_hpa_makes_of_it() -> None:
    assert drawn(GUIDE).startswith(
        """
 21.0 s

LOAD           AVERAGE OF PODS  HPA WANTS
30 % of a GPU  10 %             1 replica

POD """
    )


def test_a_load_that_the_hpa_has_not_seen_yet_has_a_row_too() -> None:
    assert "\n140 % of a GPU\n" in drawn(replace(HEIGHT, load=(Level(8.0, 140.0),)))


def test_lines_tell_load_and_replicas() -> None:
    told = [line for line in lines(GUIDE) if "load:" in line or "HPA:" in line]
    assert told == [
        "  0.0 s     load: 30 % of a GPU",
        "  1.0 s     HPA: 1 replica",
        "  1.5 s     load: 140 % of a GPU",
        "  1.8 s     HPA: 3 replicas",
        " 10.0 s     load: 30 % of a GPU",
        " 14.0 s     HPA: 1 replica",
    ]


def test_pods_that_wait_for_the_same_reason_share_its_line() -> None:
    shown = drawn(a_scene(a_pod("p-rs-a", pending=1.0), a_pod("p-rs-b", pending=1.0)))
    assert f"\n  rs-a, rs-b: {FULL}\n" in shown


def test_what_is_gone_is_not_in_the_table() -> None:
    gone = Pod(name="p-rs-gone", state=PodState.GONE)
    assert "gone" not in drawn(a_scene(gone, a_node("n", "d")))


def test_the_storys_own_names_fit_80_columns_unbroken() -> None:
    cloud = [a_node(f"gpu-v100-elastic-{name}", CLOUD.identity, group="g") for name in ("abcde", "fghij")]
    pods = [a_pod(f"{DEPLOYMENT}-555b8ddd9-k{number}8wz", node.name) for number, node in enumerate(cloud)]
    request = a_request("rp-1234567890abcdef", 2, 1.0, CLOUD.identity)
    scene = replace(a_scene(*cloud, *pods, request), pools={pool.identity: pool for pool in POOLS})
    assert drawn(scene, 80) == drawn(scene, 200)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_table_fits_the_terminal(width: int) -> None:
    assert max(map(len, drawn(GUIDE, width).splitlines())) <= width
