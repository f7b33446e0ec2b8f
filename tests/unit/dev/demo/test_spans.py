"""How long something lasted, and how many at a time."""

from math import inf

import pytest

from dev.demo.model import Level, Pod, PodState, Span, Step, counted, span

FLAPS = ("created", "running", "pending", "running", "gone")
POD = Pod(name="p", state="gone", steps=tuple(Step(float(at), state) for at, state in enumerate(FLAPS)))


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param([PodState.CREATED], Span(0.0, 1.0), id="until the next step"),
        pytest.param([PodState.RUNNING], Span(1.0, 4.0), id="from the first to the last"),
        pytest.param([PodState.CREATED, PodState.RUNNING], Span(0.0, 4.0), id="of several states"),
        pytest.param([PodState.GONE], Span(4.0, inf), id="for ever"),
        pytest.param([PodState.BOUND], None, id="never"),
    ],
)
def test_a_span(states: list[PodState], expected: Span | None) -> None:
    assert span(POD, *states) == expected


@pytest.mark.parametrize(
    ("spans", "levels"),
    [
        pytest.param([], [(0, 0)], id="none"),
        pytest.param([None], [(0, 0)], id="one that never was"),
        pytest.param([Span(0, 2)], [(0, 1), (2, 0)], id="an end counts no more"),
        pytest.param([Span(1, inf), Span(2, 3)], [(0, 0), (1, 1), (2, 2), (3, 1)], id="two at a time"),
        pytest.param([Span(1, 2), Span(2, 3)], [(0, 0), (1, 1), (2, 1), (3, 0)], id="one after the other"),
    ],
)
def test_how_many_at_a_time(spans: list[Span | None], levels: list[tuple[float, float]]) -> None:
    assert counted(spans) == [Level(at, count) for at, count in levels]
