"""What the kernel tells: the machine, its load, and what processes have used.

Facts: PSS shares the pages of a forked server among its processes, so a sum counts each page once.
"""

import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["Used", "described", "load", "used"]

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_GROUP, _USER, _SYSTEM = 2, 11, 12  # places in /proc/PID/stat after the name


@dataclass(frozen=True, slots=True)
class Used:
    """What a process group has used so far."""

    cpu_seconds: float
    resident_mib: float


def used(group: int) -> Used:
    """Of all living processes of the group."""
    cpu, kib = 0.0, 0
    for directory, fields in _processes():
        if int(fields[_GROUP]) == group:
            cpu += (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS
            found = re.search(r"^Pss:\s+(\d+) kB", (directory / "smaps_rollup").read_text(), re.MULTILINE)
            kib += int(found[1]) if found else 0
    return Used(cpu, kib / 1024)


def _processes() -> Iterator[tuple[Path, list[str]]]:
    for directory in _PROC.iterdir():
        if directory.name.isdecimal():
            try:
                yield directory, (directory / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue


def load() -> float:
    """Processes that ran or wanted to, on average of the last minute."""
    return os.getloadavg()[0]


def described(go: str) -> str:
    """One paragraph for the results: when and on what, not where."""
    cpu = re.search(r"^model name\s*: (.*)$", (_PROC / "cpuinfo").read_text(), re.MULTILINE)
    version = re.search(r"go(\d[\d.]*)", go)
    parts = [
        f"{datetime.now(UTC):%Y-%m-%d}",
        f"{os.cpu_count()} cores",
        cpu[1] if cpu else platform.machine(),
        f"Python {platform.python_version()}",
        f"Go {version[1] if version else go}",
    ]
    return ", ".join(parts)
