"""The prioritize verb: scores that never reverse the order of units (O1).

Owns the score of each candidate, 0 to 10 as extender/v1 wants it. Order lives in filter (E1), so the shipped
configuration never asks; must not know weights or the wire.
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
