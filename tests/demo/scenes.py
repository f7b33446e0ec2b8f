"""Scenes for the tables: the guide's, and how it can go wrong."""

from demo.scene import Node, NodeState, Phase, Pod, PodState, Pool, Request, RequestState, Scene, Step

__all__ = ["FULL", "GUIDE", "a_node", "a_pod", "a_request", "a_scene"]

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


def a_node(name: str, pool: str, *, group: str = "", ready: float | None = 0.0) -> Node:
    steps = [Step(0.0, NodeState.BOOTING)]
    if ready is not None:
        steps.append(Step(ready, NodeState.READY))
    return Node(name=name, state=steps[-1].state, pool=pool, gpus=1, group=group, steps=tuple(steps))


def a_request(name: str, count: int, at: float, pool: str = "c") -> Request:
    steps = (Step(at, RequestState.ASKED),)
    return Request(name=name, state=RequestState.ASKED, count=count, pool=pool, steps=steps)


def a_scene(*things: Pod | Node | Request, phases: tuple[Phase, ...] = ()) -> Scene:
    return Scene(
        now=9.0,
        pods=tuple(thing for thing in things if isinstance(thing, Pod)),
        nodes=tuple(thing for thing in things if isinstance(thing, Node)),
        requests=tuple(thing for thing in things if isinstance(thing, Request)),
        phases=phases,
        pools=POOLS,
    )


EDGE = a_node("edge-1", "e")
CLOUD = (a_node("cloud-1", "c", group="g", ready=5.0), a_node("cloud-2", "c", group="g", ready=6.0))
GUIDE = a_scene(
    EDGE,
    *CLOUD,
    a_pod("p-rs-a", "edge-1"),
    a_pod("p-rs-b", "cloud-1", created=2.0, pending=2.5),
    a_pod("p-rs-c", "cloud-2", created=2.0, pending=2.25),
    a_request("rp-1", 2, 2.75),
    phases=(Phase(0.0, "1 replica -> data centre"), Phase(2.0, "3 replicas: data centre is full")),
)
