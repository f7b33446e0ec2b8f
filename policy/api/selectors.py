"""Label selectors on plain mappings, as apimachinery's labels package evaluates them.

Equality pairs (M2, U3) and LabelSelectorRequirement (M3).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Operator", "Requirement", "carries", "spelled"]


class Operator(StrEnum):
    """How a requirement compares."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


def carries(labels: Mapping[str, str], pairs: Mapping[str, str]) -> bool:
    """Whether every pair is among the labels; no pairs, no demand (M2)."""
    return pairs.items() <= labels.items()


def spelled(pairs: Mapping[str, str]) -> str:
    """As kubectl takes them after -l: `app=web,tier=front`."""
    return ",".join(f"{key}={value}" for key, value in pairs.items())


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term of `matchExpressions`. `values` is empty for Exists and DoesNotExist."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels satisfy the term; NotIn holds for an absent key, as in Kubernetes."""
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values
            case Operator.NOT_IN:
                return labels.get(self.key) not in self.values
            case Operator.EXISTS:
                return self.key in labels
        return self.key not in labels
