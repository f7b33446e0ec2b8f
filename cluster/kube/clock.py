"""A clock that never jumps: the wall clock at the start, carried on by the monotonic clock.

A step of the wall clock must not expire a reservation (C7).
"""

import time

__all__ = ["SteadyClock"]


class SteadyClock:
    """Call it for Unix seconds."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def __call__(self) -> float:
        return self._offset + time.monotonic()
