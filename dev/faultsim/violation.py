"""What must hold in every run, and how it is told that something did not."""

from enum import StrEnum

__all__ = ["Invariant", "Violation"]


class Invariant(StrEnum):
    """What can be violated."""

    CAP = "never above a cap"
    ORDER = "never out of order by our own view"
    ORDER_IN_TRUTH = "never out of order by the truth"
    WAITING = "never pending beside open room"
    RESERVATION = "every reservation ends"
    IN_VAIN = "never a victim on a node that filter would refuse"
    WITHHELD = "never without preemption where filter would take the node"
    NEEDLESS = "never a budget broken where another node helps"
    PROMISE = "never refused once the victims left for it"
    STALE = "never an answer from a view that is too old"


class Violation(Exception):  # noqa: N818  the word of this package
    """An invariant did not hold."""

    def __init__(self, invariant: Invariant, at: float, detail: str) -> None:
        super().__init__(invariant, at, detail)
        self.invariant = invariant
        self.at = at
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.invariant}: {self.detail}"
