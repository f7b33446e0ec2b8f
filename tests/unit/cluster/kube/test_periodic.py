"""`repeat`: its period, and that an exception does not end it."""

import logging
from collections.abc import Callable
from threading import Event

import pytest

from cluster.kube import periodic as rounds
from cluster.kube.periodic import repeat


class Paced(Event):
    """Passes without waiting, notes how long it was to be, and is set after so many rounds."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self._times = times

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout or 0.0)
        return len(self.pauses) > self._times


@pytest.fixture
def taking(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], Callable[[], None]]:
    """Makes a round of so many seconds."""
    now = [0.0]
    monkeypatch.setattr(rounds, "monotonic", lambda: now[0])

    def made(seconds: float) -> Callable[[], None]:
        def once() -> None:
            now[0] += seconds

        return once

    return made


@pytest.mark.parametrize(
    ("took", "pause"),
    [
        pytest.param(0.01, 0.2, id="a short round is followed by the usual pause"),
        pytest.param(1.5, 1.5, id="a long one by one as long"),
    ],
)
def test_a_round_leaves_the_others_as_much_time_as_it_took(
    taking: Callable[[float], Callable[[], None]], took: float, pause: float
) -> None:
    stop = Paced(times=2)
    repeat("test", 0.2, taking(took), stop)
    assert stop.pauses == pytest.approx([0.2, pause, pause])


def test_news_may_end_a_pause() -> None:
    stop, heard = Event(), list[float]()

    def ends(pause: float) -> bool:
        heard.append(pause)
        return len(heard) > 3

    repeat("test", 0.2, lambda: None, stop, ends)
    assert heard == pytest.approx([0.2] * 4)


def test_a_bug_in_a_round_is_logged_and_the_next_one_comes(caplog: pytest.LogCaptureFixture) -> None:
    def once() -> None:
        raise RuntimeError("planted")

    stop = Paced(times=3)
    with caplog.at_level(logging.ERROR):
        repeat("test", 0.2, once, stop)
    assert caplog.text.count("test: a bug; going on") == 3
