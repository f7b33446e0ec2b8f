"""Required node affinity, as kube-scheduler's NodeAffinity filter decides it.

It also decides for a node of which only some labels are known. Terms are ORed, requirements in one term are
ANDed, an empty term matches nothing (component-helpers/scheduling/corev1/nodeaffinity).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Affinity", "Terms", "allows", "may_allow"]

_NAME = "metadata.name"
_INTEGER = re.compile("[+-]?[0-9]{1,19}")
"""As Go's strconv.ParseInt reads it; Python would read `1_000` too, which a label may hold."""

_Part = tuple[str, str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Terms:
    """One nodeSelectorTerm: (key, operator, values), on labels and on fields."""

    labels: tuple[_Part, ...]
    fields: tuple[_Part, ...] = ()

    @classmethod
    def of(cls, labels: Iterable[Mapping[str, Any]], fields: Iterable[Mapping[str, Any]]) -> "Terms":
        """From the API's spelling."""
        return cls(tuple(map(_part, labels)), tuple(map(_part, fields)))

    def matches(self, labels: Mapping[str, str], name: str) -> bool:
        """Whether every part holds for the node."""
        names = {_NAME: name}
        return self._says_something and (
            all(_holds(labels, *part) for part in self.labels)
            and all(_holds(names, *part) for part in self.fields)
        )

    def may_match(self, labels: Mapping[str, str]) -> bool:
        """Whether no part is wrong for a node yet to come, of which these labels are known and no name."""
        return self._says_something and (
            all(_holds(labels, *part) for part in self.labels if part[0] in labels)
            and not any(operator == "In" for _, operator, _ in self.fields)
        )

    @property
    def _says_something(self) -> bool:
        return bool(self.labels or self.fields)


Affinity = tuple[Terms, ...]


def allows(affinity: Affinity, labels: Mapping[str, str], name: str) -> bool:
    """Whether a pod that demands this may be on the node; no terms, no demand."""
    return not affinity or any(terms.matches(labels, name) for terms in affinity)


def may_allow(affinity: Affinity, labels: Mapping[str, str]) -> bool:
    """The same for a node that is yet to come, with at least these labels."""
    return not affinity or any(terms.may_match(labels) for terms in affinity)


def _part(written: Mapping[str, Any]) -> _Part:
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
    match values:
        case (limit,) if _INTEGER.fullmatch(value or "") and _INTEGER.fullmatch(limit):
            number = int(value or "")
            return number > int(limit) if operator == "Gt" else number < int(limit)
    return False
