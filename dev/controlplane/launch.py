"""A command line that starts a program which dies with the process that started it.

Facts: prctl(2):
the signal survives exec, and comes when the starting *thread* ends.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

__all__ = ["launched"]

PR_SET_PDEATHSIG = 1


def launched(command: Sequence[str]) -> list[str]:
    """`command`, to be killed when the thread that starts it ends, however that comes about.

    A program of its own, because code between fork and exec can lock up a process with threads.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def _become(parent: int, command: list[str]) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == parent:  # else the parent died before it could be watched
        os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
