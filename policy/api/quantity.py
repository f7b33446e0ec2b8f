"""Kubernetes quantities (`resource.Quantity`) as exact integers, and back to readable text.

One step of the integer is 10^-9 of the quantity's own unit, the finest step that Kubernetes keeps
(apimachinery, pkg/api/resource: finer values round up).
"""

import re
from functools import lru_cache

__all__ = ["format_quantity", "parse_quantity"]

_NANO = 10**9
_SUFFIXES = {
    "n": 1,
    "u": 10**3,
    "m": 10**6,
    "": _NANO,
    **{letter: _NANO * 1000**power for power, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": _NANO * 1024**power for power, letter in enumerate("KMGTPE", start=1)},
}
_GRAMMAR = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>\d*)(?:\.(?P<fraction>\d*))?"
    r"(?:[eE](?P<exponent>[+-]?\d{1,3})|(?P<suffix>[KMGTPE]i|[numkMGTPE])?)",
    re.ASCII,
)


@lru_cache(maxsize=4096)
def parse_quantity(text: str) -> int:
    """Billionths of one: `"500m"` is 500_000_000, `"1Ki"` is 1024 * 10^9.

    Raises:
        ValueError: the text is no Kubernetes quantity.
    """
    match = _GRAMMAR.fullmatch(text)
    if match is None or not (match["whole"] or match["fraction"]):
        raise ValueError(f"{text!r} is not a quantity; write for example 2, 500m or 16Gi")
    fraction = match["fraction"] or ""
    digits = int((match["whole"] or "0") + fraction)
    exponent = int(match["exponent"] or 0) - len(fraction)
    numerator = _SUFFIXES[match["suffix"] or ""] * 10 ** max(exponent, 0)
    magnitude: int = -(-digits * numerator // 10 ** max(-exponent, 0))
    return -magnitude if match["sign"] == "-" else magnitude


def format_quantity(value: int) -> str:
    """An exact spelling: whole binary multiples as `64Gi`, otherwise decimal, then `m`, `u`, `n`."""
    for suffix in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
        scale = _SUFFIXES[suffix]
        if value and value % scale == 0:
            return f"{value // scale}{suffix}"
    for suffix in ("", "m", "u"):
        scale = _SUFFIXES[suffix]
        if value % scale == 0:
            return f"{value // scale}{suffix}"
    return f"{value}n"
