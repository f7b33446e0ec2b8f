"""`resourcepolicy watch` as a context: each start has a name and a log of its own."""

import secrets
from typing import Self

import yaml

from dev.controlplane import ControlPlane
from dev.harness.program import Program

__all__ = ["WATCHER", "Watcher"]

WATCHER = "resourcepolicy-watcher"


class Watcher(Program):
    """Runs from its construction on, with `settings` as YAML.

    It prints its log when it ends: pytest shows it if a test fails.
    """

    def __init__(self, plane: ControlPlane, settings: str = "", *flags: str) -> None:
        super().__init__(plane, "watch", WATCHER, f"watch-{secrets.token_hex(3)}")
        self.begin(yaml.safe_load(settings) or {}, *flags)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        print(self.log.read_text())  # noqa: T201

    def says(self, words: str) -> int:
        """How many lines of its log hold these words."""
        return sum(words in line for line in self.log.read_text().splitlines())
