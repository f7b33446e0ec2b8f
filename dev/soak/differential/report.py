"""What many worlds showed, as text."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dev.soak.differential.runner import Comparison, Unfinished

__all__ = ["Report"]


@dataclass(slots=True)
class Report:
    """The sums over all worlds so far."""

    worlds: int = 0
    pods: Counter[str] = field(default_factory=Counter)
    """By place, as in reality."""
    modes: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    """Of kube-scheduler, each replayed."""
    astray: list[Comparison] = field(default_factory=list)
    """Whose replay has attempts that end otherwise than in reality."""
    differing: list[Comparison] = field(default_factory=list)
    unfinished: list[Unfinished] = field(default_factory=list)

    def add(self, comparison: Comparison | Unfinished) -> None:
        if isinstance(comparison, Unfinished):
            self.unfinished.append(comparison)
            return
        self.worlds += 1
        for count in comparison.real.values():
            self.pods.update(count)
        for policy in comparison.world.policies:
            self.modes[policy["spec"]["whenTryNextUnits"]["policy"]] += 1
        self.attempts += comparison.replayed.attempts
        if comparison.replayed.otherwise:
            self.astray.append(comparison)
        if not comparison.agrees:
            self.differing.append(comparison)

    @property
    def unexplained(self) -> list[Comparison]:
        return [comparison for comparison in self.differing if not comparison.explained]

    def __str__(self) -> str:
        differ, unexplained = len(self.differing), len(self.unexplained)
        agree = self.worlds - differ
        otherwise = sum(len(comparison.replayed.otherwise) for comparison in self.astray)
        return "\n".join(
            [
                f"{self.worlds} worlds: {agree} agree, {differ} differ, {unexplained} of them unexplained",
                f"attempts: {self.attempts} replayed, {otherwise} of them end otherwise",
                "pods: " + ", ".join(f"{count} {place}" for place, count in sorted(self.pods.items())),
                "policies: " + ", ".join(f"{count} {mode}" for mode, count in self.modes.most_common()),
                *(line for comparison in self.differing for line in _told(comparison)),
                *(_strayed(comparison) for comparison in self.astray),
                *(f"seed {world.world.seed}: no end: {world.why}" for world in self.unfinished),
            ]
        )


def _told(comparison: Comparison) -> Iterator[str]:
    yield f"seed {comparison.world.seed}:"
    sides = {"real": comparison.real, "simulated": comparison.simulated}
    if comparison.explained:
        yield "  explained: with the scheduler's own order and choice of nodes within units, simulate agrees"
    else:
        yield "  unexplained: also with the scheduler's own order and choice of nodes within units"
        sides["replayed"] = comparison.replayed.counts
    for policy in sorted({policy for side in sides.values() for policy in side}):
        counts = {name: side.get(policy, {}) for name, side in sides.items()}
        if len({_listed(count) for count in counts.values()}) > 1:
            yield from (f"  {policy}  {name:<9}  {_listed(count)}" for name, count in counts.items())


def _strayed(comparison: Comparison) -> str:
    replayed = comparison.replayed
    number = f"{len(replayed.otherwise)} of {replayed.attempts}"
    return (
        f"seed {comparison.world.seed}: {number} attempts end otherwise, the first: {replayed.otherwise[0]}"
    )


def _listed(count: Mapping[str, int]) -> str:
    return ", ".join(f"{place}: {pods}" for place, pods in sorted(count.items())) or "nothing"
