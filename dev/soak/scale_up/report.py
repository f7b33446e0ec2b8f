"""The table of a campaign: what was bought and where, and how long pods waited."""

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from dev.soak.scale_up.recorder import PodStory
from dev.soak.scale_up.runner import Outcome

__all__ = ["fault_of", "is_right", "table"]

COLUMNS = (
    "who",
    "rounds",
    "pods placed",
    "nodes bought",
    "spare",
    "astray",
    "first asked after, s",
    "asked after, s",
    "bound after, s",
)


def is_right(outcome: Outcome) -> bool:
    """Whether the units grown were those named, by as many nodes as pods may use."""
    return not (outcome.spare or outcome.astray)


def fault_of(outcome: Outcome) -> str:
    """One line about a round that went wrong."""
    return (
        f"round {outcome.round.number}: bought {dict(outcome.bought)}, expected {dict(outcome.expected)}; "
        f"placed {[dict(placed) for placed in outcome.placed]}, "
        f"expected {[dict(expected) for expected in outcome.round.expected]}"
    )


def table(parts: Iterable[tuple[str, Sequence[Outcome]]]) -> str:
    """A row for each part: median and worst, from when the scheduler first found no node for the pod."""
    head = (_line(COLUMNS), _line("---" for _ in COLUMNS))
    return "\n".join((*head, *(_row(who, outcomes) for who, outcomes in parts if outcomes)))


def _row(who: str, outcomes: Sequence[Outcome]) -> str:
    stories = [story for outcome in outcomes for story in outcome.stories]
    cells = [
        who,
        len(outcomes),
        sum(placed.total() for outcome in outcomes for placed in outcome.placed),
        sum(outcome.bought.total() for outcome in outcomes),
        sum(outcome.spare for outcome in outcomes),
        sum(outcome.astray for outcome in outcomes),
        _spread(_first_asked_after(outcomes)),
        _spread(_asked_after(stories)),
        _spread(_bound_after(stories)),
    ]
    return _line(cells)


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _first_asked_after(outcomes: Iterable[Outcome]) -> Iterator[float]:
    """From the first refusal of a round to the first request of it."""
    for outcome in outcomes:
        refused = [story.refused for story in outcome.stories if story.refused and story.asked]
        asked = [story.asked[0] for story in outcome.stories if story.refused and story.asked]
        if refused:
            yield min(asked) - min(refused)


def _asked_after(stories: Iterable[PodStory]) -> Iterator[float]:
    """Until the request that served the pod: the last one."""
    for story in stories:
        if story.refused and story.asked and story.bound:
            yield story.asked[-1] - story.refused


def _bound_after(stories: Iterable[PodStory]) -> Iterator[float]:
    for story in stories:
        if story.refused and story.bound:
            yield story.bound - story.refused


def _spread(seconds: Iterable[float]) -> str:
    found = sorted(seconds)
    return f"{median(found):.1f} / {found[-1]:.1f} ({len(found)})" if found else "-"
