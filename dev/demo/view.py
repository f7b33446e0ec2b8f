"""How a scene looks: a table for a terminal, lines for anything else.

Pure functions of a scene. What happens later only adds lines at the end.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dev.demo.model import Followed, Level, Node, NodeState, Pod, PodState, Request, RequestState, Scene, Step

__all__ = ["lines", "phase_lines", "table"]

STYLES: dict[str, str] = {
    PodState.PENDING: "yellow",
    PodState.RUNNING: "green",
    NodeState.BOOTING: "yellow",
    NodeState.READY: "green",
    RequestState.PROVISIONED: "green",
    RequestState.FAILED: "red",
    RequestState.GONE: "dim",
    PodState.LEAVING: "dim",
    PodState.GONE: "dim",
}

Told = tuple[float, str]


def lines(scene: Scene) -> list[str]:
    """All that happened, a line each, in order."""
    told = [*_phases(scene), *_levels(scene)]
    for pod in scene.pods:
        told += _told(pod, f"pod {pod.name}", lambda step: _pod_words(scene, step))
    for node in scene.nodes:
        told += _told(node, f"node {node.name} ({scene.pool(node.pool).name})", _node_words)
    for request in scene.requests:
        told += _told(request, f"request {request.name}", _request_words(scene, request))
    return [line for _, line in sorted(told, key=itemgetter(0))]


def phase_lines(scene: Scene) -> list[str]:
    return [line for _, line in _phases(scene)]


def table(scene: Scene) -> RenderableType:
    """What is where, as of now."""
    gap = Text()
    parts: list[RenderableType] = [gap, Text(_clock(scene.now), style="bold"), gap]
    if scene.load:
        parts += [_load(scene), gap]
    parts += [_pods(scene), *_reasons(scene), gap]
    if scene.requests:
        parts += [_requests(scene), gap]
    return Group(*parts, _nodes(scene))


def _clock(at: float) -> str:
    return f"{max(at, 0):5.1f} s"


def _phases(scene: Scene) -> list[Told]:
    return [(phase.at, f"{_clock(phase.at)}  == {phase.text}") for phase in scene.phases]


def _levels(scene: Scene) -> list[Told]:
    told = [(level.at, f"load: {level.value:g} % of a GPU") for level in scene.load]
    told += [(level.at, f"HPA: {_replicas(level)}") for level in scene.replicas]
    return [(at, f"{_clock(at)}     {words}") for at, words in told]


def _replicas(level: Level) -> str:
    return "1 replica" if level.value == 1 else f"{level.value:g} replicas"


def _told(thing: Followed, subject: str, words: Callable[[Step], str]) -> list[Told]:
    return [(step.at, f"{_clock(step.at)}     {subject}: {words(step)}") for step in _news(thing.steps)]


def _news(steps: Sequence[Step]) -> list[Step]:
    """Without those that repeat the one before, but for counts of nodes."""
    return [
        step
        for before, step in zip((None, *steps), steps, strict=False)
        if before is None or (before.state, _kinds(before.detail)) != (step.state, _kinds(step.detail))
    ]


def _kinds(message: str) -> frozenset[str]:
    """The reasons in a message such as "0/3 nodes are available: 1 with this, 2 with that."."""
    counted = _why(message).rstrip(".").partition(": ")[2]
    return (
        frozenset(part.lstrip("0123456789 ") for part in counted.split(", "))
        if counted
        else frozenset({message})
    )


def _why(message: str) -> str:
    """Without what the scheduler adds about preemption, which is not what the pod waits for."""
    return message.partition(" preemption:")[0]


def _pod_words(scene: Scene, step: Step) -> str:
    if step.state == PodState.PENDING:
        return f"pending: {_why(step.detail)}" if step.detail else "pending"
    if step.state == PodState.BOUND:
        return f"placed on {step.detail}{_in_unit(scene, step.detail)}"
    return step.state


def _node_words(step: Step) -> str:
    return step.state


def _request_words(scene: Scene, request: Request) -> Callable[[Step], str]:
    where = f" in {scene.pool(request.pool).name}" if request.pool else ""
    nodes = "1 node" if request.count == 1 else f"{request.count} nodes"

    def words(step: Step) -> str:
        if step.state == RequestState.ASKED:
            return f"asks for {nodes}{where}"
        return f"{step.state} ({step.detail})" if step.detail else step.state

    return words


def _in_unit(scene: Scene, name: str) -> str:
    node = scene.node(name)
    if node is None:
        return ""
    pool = scene.pool(node.pool)
    return f", {pool.name}" if pool.unit is None else f", units{pool.place}"


def _load(scene: Scene) -> Table:
    """What the HPA goes by, and what it wants."""
    average = f"{scene.average[-1].value:.0f} %" if scene.average else ""
    wanted = _replicas(scene.replicas[-1]) if scene.replicas else ""
    rows = [[f"{scene.load[-1].value:g} % of a GPU", average, wanted]]
    return _table(("LOAD", "AVERAGE OF PODS", "HPA WANTS"), rows)


def _pods(scene: Scene) -> Table:
    pods = [pod for pod in scene.pods if pod.state != PodState.GONE]
    return _table(
        ("POD", "UNIT", "NODE", "STATE", "SINCE"),
        ([_short(pod.name), *_place(scene, pod), *_state(pod)] for pod in pods),
    )


def _place(scene: Scene, pod: Pod) -> tuple[str, str]:
    pool = scene.pool_of(pod)
    if pool is None:
        return "", pod.node
    return pool.place, pod.node


def _reasons(scene: Scene) -> list[RenderableType]:
    """Why pods are pending, once for all that wait for the same reason."""
    waiting: dict[str, list[str]] = {}
    for pod in scene.pods:
        if pod.state == PodState.PENDING:
            waiting.setdefault(_why(pod.detail), []).append(_short(pod.name))
    texts = (Text(f"{', '.join(names)}: {why}", style="yellow") for why, names in waiting.items())
    return [Padding(text, (0, 0, 0, 2)) for text in texts]


def _requests(scene: Scene) -> Table:
    return _table(
        ("REQUEST", "NODES", "IN", "STATE", "SINCE"),
        (
            [request.name, str(request.count), scene.pool(request.pool).name, *_state(request)]
            for request in scene.requests
        ),
    )


def _nodes(scene: Scene) -> Table:
    nodes = [node for node in scene.nodes if node.state != NodeState.GONE]
    return _table(
        ("NODE", "POOL", "GPUS", "STATE", "SINCE"),
        ([node.name, _pool_name(scene, node), str(node.gpus), *_state(node)] for node in nodes),
    )


def _pool_name(scene: Scene, node: Node) -> str:
    return scene.pool(node.pool).name + (" (new)" if node.group else "")


def _state(thing: Followed) -> tuple[RenderableType, str]:
    since = thing.reached(thing.state)
    return Text(thing.state, style=STYLES.get(thing.state, "")), "" if since is None else _clock(since)


def _table(heads: Sequence[str], rows: Iterable[Sequence[RenderableType]]) -> Table:
    made = Table(box=None, header_style="bold dim", pad_edge=False, padding=(0, 2, 0, 0))
    for head in heads:
        made.add_column(head, overflow="fold", justify="right" if head == "SINCE" else "left")
    for row in rows:
        made.add_row(*row)
    return made


def _short(pod: str) -> str:
    """The end of a pod's name, which tells it from its siblings."""
    return "-".join(pod.split("-")[-2:])
