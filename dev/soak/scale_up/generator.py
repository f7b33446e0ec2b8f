"""What a round wants, policies and pods in waves, and what must follow.

All pods request one GPU and every node has one, so that a pod is a node.
"""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

__all__ = ["DC", "POOLS", "Policy", "Round", "Unit", "Wave", "draw"]

DC = "dc"
POOLS = ("near", "far", "last")
_MOST_PODS = 6


@dataclass(frozen=True, slots=True)
class Unit:
    """A pool, and the most pods of a policy there."""

    pool: str
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Wave:
    """Pods created together, and how long after the wave before."""

    after: float
    pods: int


@dataclass(frozen=True, slots=True)
class Policy:
    """Its units, its pods, and whether one of them is deleted and replaced on the way."""

    units: tuple[Unit, ...]
    waves: tuple[Wave, ...]
    replaces: bool = False

    @property
    def pods(self) -> int:
        """In all."""
        return sum(wave.pods for wave in self.waves)

    def expected(self, free: int, out_of_stock: str) -> Counter[str]:
        """Pods by pool, with so many free GPUs in the data centre; the rest stays pending."""
        left, placed = self.pods, Counter[str]()
        for unit in self.units:
            room = free if unit.pool == DC else 0 if unit.pool == out_of_stock else left
            some = min(left, room, left if unit.most is None else unit.most)
            placed[unit.pool] += some
            left -= some
        return +placed


@dataclass(frozen=True, slots=True)
class Round:
    """One draw."""

    number: int
    policies: tuple[Policy, ...]
    free: int = 0
    """Free GPUs of the data centre, which the first policy may use."""
    out_of_stock: str = ""
    expected: tuple[Counter[str], ...] = field(init=False)
    """For each policy."""

    def __post_init__(self) -> None:
        found = tuple(
            policy.expected(self.free if n == 0 else 0, self.out_of_stock)
            for n, policy in enumerate(self.policies)
        )
        object.__setattr__(self, "expected", found)

    @property
    def capped(self) -> bool:
        """Whether a cap, not room, keeps pods of the first policy from the data centre (W2)."""
        first = self.policies[0].units[0]
        return first.pool == DC and first.most is not None and first.most < self.free


def draw(number: int, seed: int, *, stock_outs: bool = True, most_policies: int = 2) -> Round:
    """The round of that number: every fourth lacks a pool, a third has two policies if it may."""
    dice = Random(f"{seed}/{number}")  # noqa: S311  not for secrets
    free = dice.randint(0, 3)
    policies = [_policy(dice, with_dc=True)]
    if dice.random() < 1 / 3:
        policies.append(_policy(dice, with_dc=False))
    without = dice.choice(POOLS) if stock_outs and number % 4 == 3 else ""  # noqa: PLR2004  every fourth
    return Round(number, tuple(policies[:most_policies]), free, without)


def _policy(dice: Random, *, with_dc: bool) -> Policy:
    units = [Unit(pool, dice.choice((1, 2, 3))) for pool in dice.sample(POOLS, 3)]
    if dice.random() < 0.5:  # noqa: PLR2004  a coin
        units[-1] = Unit(units[-1].pool)
    if with_dc:
        units.insert(0, Unit(DC, dice.choice((None, 0, 1, 2))))
    return Policy(tuple(units), _waves(dice), replaces=dice.random() < 0.3)  # noqa: PLR2004


def _waves(dice: Random) -> tuple[Wave, ...]:
    pods, found = dice.randint(1, _MOST_PODS), list[Wave]()
    while pods:
        some = dice.randint(1, pods)
        found.append(Wave(dice.uniform(0, 2.5) if found else 0.0, some))
        pods -= some
    return tuple(found)
