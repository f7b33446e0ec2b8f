"""Which node groups of the autoscaler bring nodes for a unit, and whether they can (W4).

Owns the setting that says which labels the nodes of a group carry: cluster-autoscaler's status names groups
and no labels (autoscaler.md, section 12). Must not know requests. A unit that the setting does not speak of
has no groups here, and what holds it back is learnt from failures.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from policy.resourcepolicy import Unit
from policy.selectors import carries
from watcher.autoscaler_status import AutoscalerStatus, NodeGroup
from watcher.outlook import Blocked, Obstacle

__all__ = ["NodeGroups"]


@dataclass(frozen=True, slots=True)
class NodeGroups:
    """`labels` are those of a group's nodes, by a regular expression that matches the whole of its name."""

    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def serving(self, unit: Unit, status: AutoscalerStatus) -> Sequence[NodeGroup]:
        """The groups that are known to bring nodes of the unit."""
        patterns = [name for name, labels in self.labels.items() if carries(labels, unit.node_selector)]
        return [
            group for group in status.groups if any(re.fullmatch(pattern, group.name) for pattern in patterns)
        ]

    def candidates(self, unit: Unit, status: AutoscalerStatus) -> Sequence[NodeGroup]:
        """The groups that may grow for the unit: every one where none is known."""
        return self.serving(unit, status) or status.groups

    def blocked(self, unit: Unit, status: AutoscalerStatus) -> Blocked | None:
        """Why no group of the unit can grow, for as long as the autoscaler says so."""
        groups = self.serving(unit, status)
        if not groups or not all(group.trouble for group in groups):
            return None
        obstacle = Obstacle.BACK_OFF if any(g.backoff for g in groups) else Obstacle.AT_MAXIMUM
        return Blocked(obstacle, "; ".join(f"{group.name}: {group.trouble}" for group in groups))

    def left(self, unit: Unit, status: AutoscalerStatus) -> int:
        """How many nodes the largest step of one group of the unit may bring; 0 where none is known."""
        return max((group.left for group in self.serving(unit, status)), default=0)
