"""The prioritize verb: scores that never reverse the order of units (O1).

filter keeps the order (E1), so the shipped configuration never asks this verb.
"""

from collections import defaultdict
from collections.abc import Sequence

from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.snapshot import ClusterView

__all__ = ["HIGHEST", "scores"]

HIGHEST = 10


def scores(candidates: Sequence[str], policy: ResourcePolicy, view: ClusterView) -> dict[int, set[str]]:
    """By score: 10 for the first unit that has candidates, one less for each next, 0 outside every unit."""
    scored: defaultdict[int, set[str]] = defaultdict(set)
    left = set(candidates)
    score = HIGHEST
    for index in range(len(policy.units)):
        found = left & view.nodes_in(policy, index)
        if found:
            scored[score] |= found
            left -= found
            score = max(score - 1, 0)
    if left:
        scored[0] |= left
    return dict(scored)
