"""One round on a real control plane: create the pods, wait, look."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from dev.soak.scale_up.environment import Stage
from dev.soak.scale_up.fixtures import create_pods, namespaces, placed, world
from dev.soak.scale_up.generator import POOLS, Round
from dev.soak.scale_up.recorder import PodStory, Record

__all__ = ["Outcome", "play"]

QUIET = 4.0
"""Seconds, some loops of the autoscaler, in which nothing more may be bought."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a round."""

    round: Round
    stories: tuple[PodStory, ...]
    """Of pods that were expected to be placed, or were."""
    bought: Counter[str]
    placed: tuple[Counter[str], ...]
    """Pods by pool, for each policy."""
    seconds: float

    @property
    def expected(self) -> Counter[str]:
        """Nodes that should have been bought, by group."""
        total = sum(self.round.expected, Counter[str]())
        return Counter({pool: total[pool] for pool in POOLS if total[pool]})

    @property
    def spare(self) -> int:
        """Nodes bought and not needed.

        Pods of two policies take each other's nodes, and then the next unit's, as O3 lets them: there the sum
        tells.
        """
        if len(self.round.policies) > 1:
            return max(0, self.bought.total() - self.expected.total())
        return (self.bought - self.expected).total()

    @property
    def astray(self) -> int:
        """Pods that are not where their policy names them, or nowhere though they should be."""
        pairs = zip(self.placed, self.round.expected, strict=True)
        if len(self.round.policies) > 1:
            return sum(max(0, expected.total() - placed.total()) for placed, expected in pairs)
        return sum((expected - placed).total() for placed, expected in pairs)


def play(stage: Stage, round_: Round) -> Outcome:
    """Play it and leave the plane as it was."""
    names, began = namespaces(round_), monotonic()
    with world(stage, round_), Record(stage.plane.api) as record:
        create_pods(stage, round_)
        _await(stage, lambda: _arrived(stage, round_), "the pods", stage.patience)
        _await_quiet(stage, record)
        return Outcome(
            round_,
            tuple(story for name in names for story in record.of(name)),
            _bought(stage, record),
            tuple(placed(stage, name) for name in names),
            monotonic() - began,
        )


def _arrived(stage: Stage, round_: Round) -> bool:
    found = (placed(stage, name).total() for name in namespaces(round_))
    return all(n >= wanted.total() for n, wanted in zip(found, round_.expected, strict=True))


def _bought(stage: Stage, record: Record) -> Counter[str]:
    found = record.bought()
    return Counter({pool: found[stage.pool(pool)] for pool in POOLS if found[stage.pool(pool)]})


def _await(stage: Stage, question: Callable[[], bool], what: str, seconds: float) -> bool:
    """Whether it came true in time: the outcome tells what did not."""
    try:
        return stage.plane.wait(question, what=what, seconds=seconds)
    except TimeoutError:
        return False


def _await_quiet(stage: Stage, record: Record) -> None:
    last, since = _bought(stage, record), monotonic()

    def quiet() -> bool:
        nonlocal last, since
        if _bought(stage, record) != last:
            last, since = _bought(stage, record), monotonic()
        return monotonic() - since > QUIET

    _await(stage, quiet, "quiet", 60)
