"""Go durations, as `timeout` is written (O5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.api.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("15m", 900, id="O5: minutes"),
        pytest.param("90s", 90, id="O5: more seconds than a minute has"),
        pytest.param("1h30m", 5400, id="O5: several terms"),
        pytest.param("1.5h", 5400, id="O5: a fraction"),
        pytest.param(".5s", 0.5, id="O5: a fraction without a whole"),
        pytest.param("1.s", 1, id="O5: a whole with a point"),
        pytest.param("100ms", 0.1, id="O5: milliseconds are no minutes"),
        pytest.param("3us", 3e-6, id="O5: microseconds"),
        pytest.param("3\u00b5s", 3e-6, id="O5: microseconds with the micro sign"),
        pytest.param("3\u03bcs", 3e-6, id="O5: microseconds with the Greek letter"),
        pytest.param("5ns", 5e-9, id="O5: nanoseconds"),
        pytest.param("1m1m", 120, id="O5: a unit may repeat"),
        pytest.param("0", 0, id="O5: zero alone needs no unit"),
        pytest.param("0s", 0, id="O5: zero with a unit"),
    ],
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", " ", "15", "m", "15 m", "15m ", "15min", "1d", "-5m", "1h-5m", "five", "1:30", ".s", "1e3s", "00"],
    ids=repr,
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write for example 15m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (900, "15m"),
        (5400, "1h30m"),
        (0.5, "0.5s"),
        (0, "0s"),
        (86400, "24h"),
        (3661, "1h1m1s"),
        (90, "1m30s"),
    ],
    ids=str,
)
def test_seconds_are_written_as_a_person_would(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(0, 10**7))
def test_what_is_written_is_read_back(seconds: int) -> None:
    assert parse_duration(format_duration(float(seconds))) == seconds
