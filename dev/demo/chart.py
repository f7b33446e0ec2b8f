"""The story as one picture: load, pods and nodes over the same seconds, an SVG file that needs nothing else.

A pure function of the last scene. Colours, scale and marks are those of `resourcepolicy simulate`.
"""

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil

from cli.simulate.svg import Mark, Plot, colour, hatching
from dev.demo.model import Level, Node, NodeState, PodState, Pool, Scene, Span, counted, span

__all__ = ["timeline"]

WIDTH, MARGIN, LEFT, RIGHT = 1040, 24, 178, 1016
MARKS, LOAD, HPA, PODS, NODES = 66, (128, 186), (198, 218), (252, 348), 376
HEAD, LANE, GAP, FOOT = 26, 26, 6, 66
LETTER = 7.5
TICKS = 12  # at most, of the seconds
WAITING = "waiting"
PLACED = (PodState.BOUND, PodState.RUNNING, PodState.LEAVING)

TITLE = "A GPU of one's own, the rest from the cloud, and back"
SOURCE = "seen on real control-plane programs: kube-scheduler, HPA, cluster-autoscaler; the nodes are KWOK's"
STYLE = """
svg { background: #fff }
text { font: 12px system-ui, "DejaVu Sans", sans-serif; fill: #64748b }
.title { font-size: 19px; font-weight: 700; fill: #0f172a }
.told, .name { fill: #0f172a; font-weight: 600 }
.on { fill: #fff; font-weight: 600; text-anchor: middle }
.grid { stroke: #e2e8f0 }
.mark { stroke: #475569; stroke-dasharray: 3 3 }
.load { fill: #fde68a; stroke: #d97706; stroke-width: 1.5 }
.hpa { fill: #475569 }
.boots { fill-opacity: 0; stroke-dasharray: 3 2 }
.ready { fill-opacity: .16; stroke-opacity: .5 }
"""


def timeline(scene: Scene) -> str:
    """The whole file."""
    rows = list(_rows(scene))
    bottom = max((y + LANE + GAP for y, _, _ in rows), default=NODES)
    size = f'viewBox="0 0 {WIDTH} {bottom + FOOT}" width="{WIDTH}" height="{bottom + FOOT}"'
    whole = _plot(scene, (LOAD[0], bottom), 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n<style>{STYLE}</style>',
        hatching(WAITING),
        _text(MARGIN, 34, TITLE, 'class="title"'),
        _text(MARGIN, 54, SOURCE),
        *_axis(whole),
        *whole.marks(_marks(scene), MARKS),
        *_load(scene),
        *_replicas(scene),
        *_pods(scene),
        *(part for row in rows for part in _row(scene, *row)),
        *_legend(bottom + 48),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _plot(scene: Scene, rows: tuple[int, int], high: float) -> Plot:
    return Plot(LEFT, rows[0], RIGHT, rows[1], max(scene.now, 1), high)


def _marks(scene: Scene) -> list[Mark]:
    return [
        Mark(phase.at, phase.mark, f"{phase.at:.1f} s: {phase.text}") for phase in scene.phases if phase.mark
    ]


def _axis(whole: Plot) -> Iterator[str]:
    step = next((step for step in (1, 2, 5, 10, 20) if whole.wide / step <= TICKS), 60)
    for second in range(0, ceil(whole.wide), step):
        x = whole.x(second)
        yield f'<line x1="{x}" x2="{x}" y1="{LOAD[0]}" y2="{whole.bottom}" class="grid"/>'
        yield _text(x, whole.bottom + 16, f"{second} s", 'text-anchor="middle"')


def _load(scene: Scene) -> Iterator[str]:
    levels = {level.value for level in scene.load}
    plot = _plot(scene, LOAD, max(levels, default=0) or 1)
    ground = [(0.0, 0.0), (scene.now, 0.0)]
    yield from _named("Load", "in % of one GPU", LOAD[0])
    yield f'<polygon points="{plot.area(_stairs(scene.load, scene.now), ground)}" class="load"/>'
    for value in sorted(levels):
        yield from plot.line(value, f"{value:g}")


def _replicas(scene: Scene) -> Iterator[str]:
    plot = _plot(scene, HPA, 1)
    yield from _named("HPA wants", "", HPA[0] + 2)
    for level, end in _lasting(scene.replicas, scene.now):
        words = "1 replica" if level.value == 1 else f"{level.value:g} replicas"
        yield from _bar(plot, Span(level.at, end), words, 'class="hpa"', words)


def _pods(scene: Scene) -> Iterator[str]:
    """Stacked: the units, in their order, and on top what waits."""
    areas = list(_areas(scene))
    most = max(int(level.value) for level in counted(one for _, _, spans in areas for one in spans))
    plot = _plot(scene, PODS, max(most, 1))
    yield from _named("Pods", "by unit", PODS[0])
    for count in range(most + 1):
        yield from plot.line(count, str(count))
    below: list[Span] = []
    for told, fill, spans in areas:
        lower, upper = (_stairs(counted(part), scene.now) for part in (below, [*below, *spans]))
        points = plot.area(upper, lower)
        yield f'<polygon points="{points}" fill="{fill}"><title>{escape(told)}</title></polygon>'
        yield from _middle(plot, below, spans, told)
        below += spans


def _middle(plot: Plot, below: Sequence[Span], spans: Sequence[Span], words: str) -> Iterator[str]:
    """The words in the middle of an area, if it is wide enough for them."""
    left = min((one.since for one in spans), default=0.0)
    right = min(max((one.until for one in spans), default=0.0), plot.wide)
    if plot.x(right) - plot.x(left) > LETTER * len(words):
        at = (left + right) / 2
        under, there = (sum(one.since <= at < one.until for one in part) for part in (below, spans))
        yield _text(plot.x(at), plot.y(under + there / 2) + 4, words, 'class="on"')


def _areas(scene: Scene) -> Iterator[tuple[str, str, list[Span]]]:
    for pool in _units(scene):
        spans = [span(pod, *PLACED) for pod in scene.pods if scene.pool_of(pod) == pool]
        yield f"units{pool.place}", _shade(pool), [one for one in spans if one]
    waits = [span(pod, PodState.CREATED, PodState.PENDING) for pod in scene.pods]
    yield "", f"url(#{WAITING})", [one for one in waits if one]


def _rows(scene: Scene) -> Iterator[tuple[int, Pool, Node | None]]:
    """A row for each node of a unit, below one for the unit itself, and where it lies."""
    y = NODES
    for pool in _units(scene):
        yield y, pool, None
        y += HEAD
        for node in scene.nodes:
            if node.pool == pool.identity:
                yield y, pool, node
                y += LANE + GAP


def _row(scene: Scene, y: int, pool: Pool, node: Node | None) -> Iterator[str]:
    if node is None:
        yield _text(MARGIN, y + 18, f"units{pool.place}", 'class="name"')
        return
    shade = _shade(pool)
    yield _text(MARGIN, y + 17, node.name)
    lane, inside = (_plot(scene, (y + inset, y + LANE - inset), 1) for inset in (0, 4))
    for state, style in ((NodeState.BOOTING, "boots"), (NodeState.READY, "ready")):
        if one := span(node, state):
            yield from _bar(lane, one, f"{node.name}: {state}", _look(style, shade))
    for pod in scene.pods:
        if pod.node == node.name and (one := span(pod, *PLACED)):
            yield from _bar(inside, one, pod.name, f'fill="{shade}"', f"pod {pod.name.rpartition('-')[2]}")


def _bar(plot: Plot, over: Span, told: str, look: str, words: str = "") -> Iterator[str]:
    left, right = plot.x(over.since), plot.x(min(over.until, plot.wide))
    place = f'x="{left}" y="{plot.top}" width="{right - left:.1f}" height="{plot.bottom - plot.top}" rx="4"'
    yield f"<rect {place} {look}><title>{escape(told)}</title></rect>"
    if right - left > LETTER * len(words):
        yield _text((left + right) / 2, (plot.top + plot.bottom) / 2 + 4, words, 'class="on"')


def _named(name: str, more: str, y: int) -> Iterator[str]:
    yield _text(MARGIN, y + 12, name, 'class="name"')
    yield _text(MARGIN, y + 28, more)


def _legend(y: int) -> Iterator[str]:
    shade = colour(1)
    looks = (
        ("pods that wait", f'fill="url(#{WAITING})"'),
        ("a node that boots", _look("boots", shade)),
        ("a node that is ready", _look("ready", shade)),
        ("the pod on it", f'fill="{shade}"'),
    )
    for number, (words, look) in enumerate(looks):
        x = LEFT + 190 * number
        yield f'<rect x="{x}" y="{y - 11}" width="22" height="14" rx="3" {look}/>'
        yield _text(x + 30, y, words)


def _text(x: float, y: float, words: str, look: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" {look}>{escape(words)}</text>'


def _look(style: str, shade: str) -> str:
    return f'class="{style}" fill="{shade}" stroke="{shade}"'


def _units(scene: Scene) -> list[Pool]:
    return sorted((p for p in scene.pools.values() if p.unit is not None), key=lambda pool: pool.unit or 0)


def _shade(pool: Pool) -> str:
    return colour(pool.unit or 0)


def _stairs(levels: Sequence[Level], end: float) -> list[tuple[float, float]]:
    """The corners of the line that keeps each level until the next."""
    lasting = _lasting(levels, end)
    return [corner for level, until in lasting for corner in ((level.at, level.value), (until, level.value))]


def _lasting(levels: Sequence[Level], end: float) -> Iterator[tuple[Level, float]]:
    return zip(levels, [*(level.at for level in levels[1:]), end], strict=bool(levels))
