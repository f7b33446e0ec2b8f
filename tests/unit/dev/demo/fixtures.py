"""Scenes for the tables: the guide's, and how it can go wrong."""

from dataclasses import replace

from dev.demo.decode import follow
from dev.demo.model import (
    Level,
    Node,
    NodeState,
    Phase,
    Pod,
    PodState,
    Pool,
    Request,
    RequestState,
    Scene,
    Step,
)

__all__ = ["FULL", "GUIDE", "HEIGHT", "a_node", "a_pod", "a_request", "a_scene", "gone"]

POOLS = {
    pool.identity: pool for pool in (Pool("e", "Edge", unit=0), Pool("c", "Cloud", unit=1), Pool("d", "rest"))
}
FULL = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."


def a_pod(name: str, node: str = "", *, created: float = 0.0, pending: float | None = None) -> Pod:
    """Running on `node`, a second after its creation or the end of its waiting; without one, pending."""
    steps = [Step(created, PodState.CREATED)]
    if pending is not None:
        steps.append(Step(pending, PodState.PENDING, FULL))
    if not node:
        return Pod(name=name, state=steps[-1].state, detail=steps[-1].detail, steps=tuple(steps))
    at = steps[-1].at + 1
    steps += [Step(at, PodState.BOUND, node), Step(at, PodState.RUNNING, node)]
    return Pod(name=name, state=PodState.RUNNING, detail=node, node=node, steps=tuple(steps))


def a_node(
    name: str, pool: str, *, group: str = "", ready: float | None = 0.0, gone: float | None = None
) -> Node:
    steps = [Step(0.0, NodeState.BOOTING)]
    if ready is not None:
        steps.append(Step(ready, NodeState.READY))
    if gone is not None:
        steps.append(Step(gone, NodeState.GONE))
    return Node(name=name, state=steps[-1].state, pool=pool, gpus=1, group=group, steps=tuple(steps))


def gone(pod: Pod, leaving: float, at: float) -> Pod:
    left = follow(pod, replace(pod, state=PodState.LEAVING, detail=""), leaving)
    return follow(left, replace(left, state=PodState.GONE), at)


def a_request(name: str, count: int, at: float, pool: str = "c") -> Request:
    steps = (Step(at, RequestState.ASKED),)
    return Request(name=name, state=RequestState.ASKED, count=count, pool=pool, steps=steps)


def a_scene(*things: Pod | Node | Request, phases: tuple[Phase, ...] = (), now: float = 9.0) -> Scene:
    return Scene(
        now=now,
        pods=tuple(thing for thing in things if isinstance(thing, Pod)),
        nodes=tuple(thing for thing in things if isinstance(thing, Node)),
        requests=tuple(thing for thing in things if isinstance(thing, Request)),
        phases=phases,
        pools=POOLS,
    )


EDGE = a_node("edge-1", "e")
CLOUD = (a_node("cloud-1", "c", group="g", ready=5.0), a_node("cloud-2", "c", group="g", ready=6.0))
PODS = (
    a_pod("p-rs-a", "edge-1"),
    a_pod("p-rs-b", "cloud-1", created=2.0, pending=2.5),
    a_pod("p-rs-c", "cloud-2", created=2.0, pending=2.25),
)
REQUEST = a_request("rp-1", 2, 2.75)
PHASES = (Phase(0.0, "1 replica -> data centre"), Phase(2.0, "the load rises", "load rises"))
HEIGHT = a_scene(EDGE, *CLOUD, *PODS, REQUEST, phases=PHASES)
"""All pods run."""

GUIDE = replace(
    a_scene(
        EDGE,
        a_node("cloud-1", "c", group="g", ready=5.0, gone=19.0),
        a_node("cloud-2", "c", group="g", ready=6.0, gone=20.0),
        PODS[0],
        *(replace(gone(pod, 14.0, 14.25), cost="-1") for pod in PODS[1:]),
        REQUEST,
        phases=(*PHASES, Phase(10.0, "the load falls", "load falls")),
        now=21.0,
    ),
    load=(Level(0.0, 30.0), Level(1.5, 140.0), Level(10.0, 30.0)),
    average=(Level(0.5, 30.0), Level(1.75, 140.0), Level(6.5, 46.5), Level(11.0, 10.0)),
    replicas=(Level(1.0, 1.0), Level(1.75, 3.0), Level(14.0, 1.0)),
)
"""There and back."""
