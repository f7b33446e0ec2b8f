"""What is linted: documents with the positions of their parts, and what is known besides.

A path is the keys and indexes from the document's root; positions are given for keys and for list items.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.snapshot import Snapshot

__all__ = [
    "Document",
    "LintInput",
    "Location",
    "Path",
    "PolicyDocument",
    "Position",
    "Workload",
    "mappings",
    "spelled",
]

Path = tuple[str | int, ...]

NODES_START = 300.0


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Counted from 1. Line 0: the document is no text, it came from the API."""

    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Location:
    """Where a finding is."""

    source: str
    path: str
    position: Position


def spelled(path: Path) -> str:
    """`spec.units[0].nodeSelector["example.com/pool"]`, as kubectl's jsonpath takes it."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.replace("_", "").isalnum():
            text += f".{step}"
        else:
            text += f'["{step}"]'
    return text.lstrip(".")


@dataclass(frozen=True, slots=True)
class Document:
    """One object as written."""

    source: str
    content: Mapping[str, Any]
    positions: Mapping[Path, Position] = field(default_factory=dict)
    twice: Collection[tuple[Path, Position]] = ()
    """Keys that stand there once more; the last one counts."""

    @property
    def kind(self) -> str:
        """Its `kind`, or nothing."""
        kind = self.content.get("kind")
        return kind if isinstance(kind, str) else ""

    def place(self, *path: str | int) -> Location:
        """The place of a part; what is not written stands where its nearest ancestor does."""
        known = next((p for n in range(len(path), -1, -1) if (p := path[:n]) in self.positions), ())
        return Location(self.source, spelled(path), self.positions.get(known, Position()))

    def at(self, *path: str | int) -> Any:  # noqa: ANN401  whatever is written there
        """What is written at a path, or None."""
        value: Any = self.content
        for step in path:
            if isinstance(value, Mapping) and isinstance(step, str):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value


def mappings(value: object) -> list[tuple[int, Mapping[str, Any]]]:
    """The mappings in a list that a user wrote, with their indexes; whatever else is there is skipped."""
    items = enumerate(value) if isinstance(value, list) else ()
    return [(index, item) for index, item in items if isinstance(item, Mapping)]


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """A usable policy and the document that it was read from."""

    document: Document
    policy: ResourcePolicy

    @property
    def name(self) -> str:
        """As messages call it."""
        return f"ResourcePolicy {self.policy.name}".rstrip()


@dataclass(frozen=True, slots=True)
class Workload:
    """An object that makes pods, and a pod as it makes them."""

    document: Document
    template: Path
    """Where the pods' `metadata` and `spec` are; empty for a bare Pod."""
    pod: Pod
    added: frozenset[str]
    """Labels that its controller adds to the pods."""

    @property
    def name(self) -> str:
        """As messages call it."""
        return f"{self.document.kind} {self.document.at('metadata', 'name')}"

    @property
    def selects(self) -> frozenset[str]:
        """The keys of the pods' labels that it selects by."""
        plain = self.document.kind == "ReplicationController"
        pairs = self.document.at("spec", "selector", *(() if plain else ("matchLabels",)))
        terms = mappings(self.document.at("spec", "selector", "matchExpressions"))
        keys = {str(term.get("key")) for _, term in terms}
        return frozenset(pairs if isinstance(pairs, Mapping) else ()) | keys


@dataclass(frozen=True, slots=True)
class LintInput:
    """All that a lint run looks at."""

    documents: Collection[Document] = ()
    workloads: Collection[Workload] = ()
    snapshot: Snapshot | None = None
    """The cluster, where it is known."""
    server: Document | None = None
    """The extender's web server: its settings as `{keepalive: 120}`."""
    nodes_start: float = NODES_START
    """Seconds that a node takes from the autoscaler's request until pods run on it."""
