"""What a scheduler asks of the outside, and what it gets.

What may go wrong there with a pod is asked here, too.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dev.faultsim.scheduler_cache import Binding, Ticket
from policy.api.objects import Pod
from policy.scheduling.refusals import Reason

__all__ = ["Answer", "Calls"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Of filter or preempt: nodes, or a refusal, or an error."""

    nodes: Sequence[str] = ()
    refusal: str = ""
    reasons: frozenset[Reason] = frozenset()
    """Those of the refusal, which no scheduler sees."""
    error: str = ""
    ticket: Ticket | None = None


class Calls(Protocol):
    """The outside of a scheduler."""

    def filter(self, pod: Pod, candidates: Sequence[str]) -> Answer:
        """POST filter."""

    def preempt(self, pod: Pod, victims: Mapping[str, Sequence[str]], protected: Collection[str]) -> Answer:
        """POST preempt: the uids of the victims by node, and the nodes where a budget would be broken."""

    def eviction_fails(self, pod: Pod) -> bool:
        """Whether the deletes of its next victims fail before they reach the API server."""

    def bind_seconds(self, pod: Pod) -> float:
        """How long its next binding takes."""

    def bind_fails(self, pod: Pod) -> bool:
        """Whether its next binding fails before it reaches the API server."""

    def bind_answer_lost(self, pod: Pod) -> bool:
        """Whether its next binding is made, and reported as failed."""

    def patch_seconds(self, pod: Pod) -> float:
        """How long its next patch takes."""

    def bound(self, binding: Binding) -> None:
        """A binding was made."""
