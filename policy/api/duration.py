"""Go durations as seconds, and back: `metav1.Duration` (Go's time.ParseDuration)."""

import re

__all__ = ["format_duration", "parse_duration"]

_SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_TERM = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds: `"15m"` is 900.0, `"1h30m"` is 5400.0.

    Raises:
        ValueError: the text is no Go duration, or a negative one.
    """
    if text == "0":
        return 0.0
    terms = _TERM.findall(text)
    if not terms or "".join(number + unit for number, unit in terms) != text:
        raise ValueError(f"{text!r} is not a duration; write for example 15m, 90s or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in terms)


def format_duration(seconds: float) -> str:
    """As a person writes it: 900 is `15m`, 5400 is `1h30m`, 0.5 is `0.5s`."""
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    terms = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{value:g}{unit}" for value, unit in terms if value) or "0s"
