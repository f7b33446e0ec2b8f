"""How many nodes of the chosen unit kube-scheduler is given to score (the setting `scored_nodes`).

The number is that of kube-scheduler's numFeasibleNodesToFind, so that a pod sees no fewer nodes than it would
without an extender.
"""

from collections.abc import Sequence

__all__ = ["enough", "sampled"]

_FEWEST = 100
_LEAST_PERCENT = 5


def enough(cluster: int) -> int:
    """As many as kube-scheduler looks for by default in a cluster of so many nodes."""
    if cluster < _FEWEST:
        return cluster
    percent = max(50 - cluster // 125, _LEAST_PERCENT)
    return max(cluster * percent // 100, _FEWEST)


def sampled(nodes: Sequence[str], cluster: int, turn: int) -> Sequence[str]:
    """Enough of the nodes, from the place `turn` on and round.

    kube-scheduler lists nodes zone by zone in turn, so what stands together lies in all of its zones.
    """
    number = enough(cluster)
    if len(nodes) <= number:
        return nodes
    first = turn % len(nodes)
    return [*nodes[first : first + number], *nodes[: max(first + number - len(nodes), 0)]]
