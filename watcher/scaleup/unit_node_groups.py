"""Which node groups of the autoscaler bring nodes for a unit, and whether they can (W4).

cluster-autoscaler's status has the names of groups, not their labels (docs/design/autoscaler.md). The
labels come from a setting, or from the nodes that are or were there, if the provider labels each node with
its group. A group without known labels may bring nodes of any unit, so that no pod waits, and no request is
repeated, for want of knowledge. What keeps such a group from growing is learnt from failed requests.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from policy.api.objects import Node
from policy.api.resourcepolicy import Unit
from policy.api.selectors import carries
from watcher.provisioner.autoscaler_status import AutoscalerStatus, NodeGroup
from watcher.scaleup.scaleup_status import Blocked, BlockReason

__all__ = ["NodeGroups"]

_Labels = Mapping[str, AbstractSet[str]]
"""The values that were seen of each label."""


@dataclass(frozen=True, slots=True)
class NodeGroups:
    """`labels` are those of a group's nodes, by a regular expression that matches the whole of its name.

    `marks` are such expressions by the label with which a provider marks nodes, where {} is its value.
    """

    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    marks: Mapping[str, str] = field(default_factory=dict)
    learnt: Mapping[str, _Labels] = field(default_factory=dict)
    """By the group's name."""

    def with_nodes(
        self, nodes: Iterable[Node], status: AutoscalerStatus, keys: Collection[str]
    ) -> "NodeGroups":
        """With these labels of the nodes added; labels seen before stay, as a group may be empty."""
        seen = self._seen(nodes, keys)
        learnt = dict(self.learnt)
        for group in status.groups:
            for pattern, labels in seen.items():
                if re.fullmatch(pattern, group.name):
                    learnt[group.name] = _joined(learnt.get(group.name, {}), labels)
        return replace(self, learnt=learnt)

    def serving(self, unit: Unit, status: AutoscalerStatus) -> Sequence[NodeGroup]:
        """The groups that are known to bring nodes of the unit."""
        patterns = self._patterns(unit)
        return [
            group
            for group in status.groups
            if any(re.fullmatch(pattern, group.name) for pattern in patterns)
            or (not self._is_patterns(group) and _may_carry(self.learnt.get(group.name), unit.node_selector))
        ]

    def possible(self, unit: Unit, status: AutoscalerStatus) -> Sequence[NodeGroup]:
        """`serving`, and groups without known labels unless the unit's are given; empty if none serves."""
        known = self.serving(unit, status)
        if not known or self._patterns(unit):
            return known
        unknown = (g for g in status.groups if g.name not in self.learnt and not self._is_patterns(g))
        return [*known, *unknown]

    def candidates(self, unit: Unit, status: AutoscalerStatus) -> Sequence[NodeGroup]:
        """The groups that may grow for the unit: every one where none is known."""
        return self.possible(unit, status) or status.groups

    def blocked(self, unit: Unit, status: AutoscalerStatus) -> Blocked | None:
        """Why no group of the unit can grow, for as long as the autoscaler says so."""
        groups = self.possible(unit, status)
        if not groups or not all(group.trouble for group in groups):
            return None
        reason = BlockReason.BACK_OFF if any(g.backoff for g in groups) else BlockReason.AT_MAXIMUM
        return Blocked(reason, "; ".join(f"{group.name}: {group.trouble}" for group in groups))

    def left(self, unit: Unit, status: AutoscalerStatus) -> int:
        """How many nodes the largest step of one group of the unit may bring; 0 where none is known."""
        return max((group.left for group in self.serving(unit, status)), default=0)

    def _patterns(self, unit: Unit) -> Sequence[str]:
        """Expressions for its groups, from the setting, or from the unit if it selects a provider's mark."""
        wanted = unit.node_selector
        marked = [self._expression(mark, wanted[mark]) for mark in self.marks.keys() & wanted.keys()]
        return marked + [name for name, labels in self.labels.items() if carries(labels, wanted)]

    def _is_patterns(self, group: NodeGroup) -> bool:
        return any(re.fullmatch(pattern, group.name) for pattern in self.labels)

    def _seen(self, nodes: Iterable[Node], keys: Collection[str]) -> Mapping[str, _Labels]:
        """By a regular expression for the name of a group."""
        seen: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for node in nodes:
            for mark in self.marks.keys() & node.labels.keys():
                labels = seen[self._expression(mark, node.labels[mark])]
                for key in keys & node.labels.keys():
                    labels[key].add(node.labels[key])
        return seen

    def _expression(self, mark: str, value: str) -> str:
        return self.marks[mark].replace("{}", re.escape(value))


def _joined(before: _Labels, now: _Labels) -> _Labels:
    return {
        key: before.get(key, frozenset()) | now.get(key, frozenset()) for key in before.keys() | now.keys()
    }


def _may_carry(labels: _Labels | None, wanted: Mapping[str, str]) -> bool:
    return labels is not None and all(value in labels.get(key, ()) for key, value in wanted.items())
