"""Required node affinity, as kube-scheduler's NodeAffinity filter decides it.

Owns nodeSelectorTerms on plain values; must not know pods. Terms are ORed, what is in one term is ANDed, a
term with nothing in it matches nothing (component-helpers/scheduling/corev1/nodeaffinity).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from policy.objects import Node

__all__ = ["Affinity", "Terms", "allows"]

_NAME = "metadata.name"


@dataclass(frozen=True, slots=True)
class Terms:
    """One nodeSelectorTerm: (key, operator, values), on labels and on fields."""

    labels: tuple[tuple[str, str, tuple[str, ...]], ...]
    fields: tuple[tuple[str, str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, labels: Iterable[Mapping[str, Any]], fields: Iterable[Mapping[str, Any]]) -> "Terms":
        """From the API's spelling."""
        return cls(tuple(map(_term, labels)), tuple(map(_term, fields)))

    def matches(self, node: Node) -> bool:
        """Whether every part holds for the node."""
        names = {_NAME: node.name}
        return bool(self.labels or self.fields) and (
            all(_holds(node.labels, *part) for part in self.labels)
            and all(_holds(names, *part) for part in self.fields)
        )


Affinity = tuple[Terms, ...]


def allows(affinity: Affinity, node: Node) -> bool:
    """Whether a pod that demands this may be on the node; no terms, no demand."""
    return not affinity or any(terms.matches(node) for terms in affinity)


def _term(written: Mapping[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    values = tuple(str(value) for value in written.get("values") or ())
    return str(written.get("key")), str(written.get("operator")), values


def _holds(labels: Mapping[str, str], key: str, operator: str, values: tuple[str, ...]) -> bool:
    value = labels.get(key)
    match operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt":
            return _compared(value, operator, values)
    return False


def _compared(value: str | None, operator: str, values: tuple[str, ...]) -> bool:
    try:
        number, limit = int(value or ""), int(values[0])
    except (ValueError, IndexError):
        return False
    return number > limit if operator == "Gt" else number < limit
