"""What many worlds showed, as text.

Owns the sums and their layout. Must not know: how worlds are played.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from campaigns.worlds.campaign import Comparison

__all__ = ["Report"]


@dataclass(slots=True)
class Report:
    """The sums over all worlds so far."""

    worlds: int = 0
    pods: Counter[str] = field(default_factory=Counter)
    """By place, as in reality."""
    modes: Counter[str] = field(default_factory=Counter)
    differing: list[Comparison] = field(default_factory=list)

    def add(self, comparison: Comparison) -> None:
        self.worlds += 1
        for count in comparison.real.values():
            self.pods.update(count)
        for policy in comparison.world.policies:
            self.modes[policy["spec"]["whenTryNextUnits"]["policy"]] += 1
        if not comparison.agrees:
            self.differing.append(comparison)

    def __str__(self) -> str:
        agree = self.worlds - len(self.differing)
        return "\n".join(
            [
                f"{self.worlds} worlds: {agree} agree, {len(self.differing)} differ",
                "pods: " + ", ".join(f"{count} {place}" for place, count in sorted(self.pods.items())),
                "policies: " + ", ".join(f"{count} {mode}" for mode, count in self.modes.most_common()),
                *(line for comparison in self.differing for line in _told(comparison)),
            ]
        )


def _told(comparison: Comparison) -> list[str]:
    lines = [f"seed {comparison.world.seed}:"]
    for policy in sorted({*comparison.real, *comparison.simulated}):
        played, said = (side.get(policy, {}) for side in (comparison.real, comparison.simulated))
        if played != said:
            lines += [f"  {policy}  real {_listed(played)}", f"  {policy}  simulated {_listed(said)}"]
    return lines


def _listed(count: Mapping[str, int]) -> str:
    return ", ".join(f"{place}: {pods}" for place, pods in sorted(count.items())) or "nothing"
