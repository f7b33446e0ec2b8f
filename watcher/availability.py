"""Whether asking the autoscaler has any prospect: looked at now and then, told when it changes (A8).

Owns the pace and the two log lines; must not know what a back-end needs.
"""

import logging
from collections.abc import Callable

__all__ = ["Availability"]

log = logging.getLogger(__name__)

_RECHECK = 30.0


class Availability:
    """`look` tells what is missing, in words, or nothing; `clock` is monotonic."""

    def __init__(self, look: Callable[[], str], clock: Callable[[], float], way: str) -> None:
        self._look = look
        self._clock = clock
        self._way = way
        self._missing: str | None = None
        self._checked_at = 0.0

    def now(self) -> bool:
        """Whether nothing is missing, as far as was seen in the last 30 s."""
        now = self._clock()
        if self._missing is None or now - self._checked_at >= _RECHECK:
            missing = self._look()
            if missing != self._missing:
                self._say(missing)
            self._missing, self._checked_at = missing, now
        return not self._missing

    def _say(self, missing: str) -> None:
        if missing:
            log.warning(
                "%s: no pod is held and nothing is asked for, only reported; looking again every %.0f s",
                missing,
                _RECHECK,
            )
        else:
            log.info("holding pods and asking for nodes by %s", self._way)
