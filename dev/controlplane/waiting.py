"""Waiting for something to become true, with a deadline and its name in the error."""

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["wait_for"]

INTERVAL = 0.05

Answer = TypeVar("Answer")


def wait_for(question: Callable[[], Answer | None], *, seconds: float, what: str) -> Answer:
    """The first truthy answer to `question`, asked every 50 ms and at least once."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := question():
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(INTERVAL)
