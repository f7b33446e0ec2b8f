"""Ctrl-C, a terminal that closes, and a polite kill: each stops the demo, in order.

The first signal raises KeyboardInterrupt, unless cleaning has begun; none
interrupts the cleaning.
"""

import signal
from types import FrameType

__all__ = ["Interrupts"]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    def __init__(self) -> None:
        self.came = False
        self._armed = True
        for number in SIGNALS:
            signal.signal(number, self._receive)

    def disarm(self) -> None:
        """From here on a signal is remembered, and interrupts nothing."""
        self._armed = False

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        self.came = True
        if self._armed:
            self._armed = False
            raise KeyboardInterrupt
