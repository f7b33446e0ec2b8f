"""YAML and JSON text as documents whose every key has its line and column.

Owns parsing with positions, lists (`kind: List`) taken apart, repeated keys noticed; must not know what the
documents mean. Positions are those of yaml's nodes, counted from 1 as editors do.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any

import yaml

from author.mistakes import Mistake
from policy.lint.documents import Document, Path, Position

__all__ = ["documents_in", "read"]

_DEEPEST = 100
_SUFFIXES = {".yaml", ".yml", ".json"}


def read(name: str) -> Iterator[tuple[str, str]]:
    """Name and text of a file, of each YAML or JSON file in a directory, or of stdin for `-`."""
    if name == "-":
        yield "<stdin>", sys.stdin.read()
        return
    path = File(name)
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix in _SUFFIXES)
        if not files:
            raise Mistake(f"{name}: no .yaml, .yml or .json file in this directory; name a file")
    else:
        files = [path]
    for file in files:
        try:
            yield str(file), file.read_text(encoding="utf-8")
        except OSError as error:
            raise Mistake(f"{file}: {error.strerror}; name a file that can be read, or - for stdin") from None
        except UnicodeDecodeError:
            raise Mistake(f"{file}: is no text; name a YAML or JSON file") from None


def documents_in(source: str, text: str) -> list[Document]:
    """The documents of a text, in order; empty ones and scalars are none.

    Raises:
        Mistake: the text is no YAML.
    """
    found: list[Document] = []
    try:
        loader = yaml.SafeLoader(text)
        while loader.check_node():
            reader = _Reader(loader)
            content = reader.plain(loader.get_node(), (), 0)
            if isinstance(content, dict):
                found += _apart(Document(source, content, reader.positions, tuple(reader.twice)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        raise Mistake(f"{place}: no YAML: {error.problem}; {_advice(text, error)}") from None
    except yaml.YAMLError as error:
        raise Mistake(f"{source}: no YAML: {' '.join(str(error).split())}; save it as UTF-8 text") from None
    except RecursionError:
        raise Mistake(f"{source}: nested too deeply; no object of Kubernetes is") from None
    return found


def _advice(text: str, error: yaml.MarkedYAMLError) -> str:
    if "{{" in text:
        return "render the template first, for example: helm template … | resourcepolicy lint -"
    if "\\t" in str(error.problem):
        return "indent with spaces"
    return "check the indentation and quotes there"


@dataclass(slots=True)
class _Reader:
    """One document on its way from nodes to plain values."""

    loader: yaml.SafeLoader
    positions: dict[Path, Position] = field(default_factory=dict)
    twice: list[Path] = field(default_factory=list)

    def plain(self, node: yaml.Node | None, path: Path, depth: int) -> Any:  # noqa: ANN401  any JSON
        if node is None:
            return None
        if depth > _DEEPEST:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=node.start_mark)
        self.positions.setdefault(path, _position(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, (*path, i), depth + 1) for i, item in enumerate(node.value)]
        return self.loader.construct_object(node)

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key that is no text", problem_mark=key.start_mark)
        written = Counter(key.value for key, _ in node.value)
        self.loader.flatten_mapping(node)
        content: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value)
            here = (*path, name)
            if written[key.value] > 1 and name in content:
                self.twice.append(here)
            self.positions[here] = _position(key)
            content[name] = self.plain(value, here, depth + 1)
        return content


def _position(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


def _apart(document: Document) -> list[Document]:
    """The items of a list as documents of their own."""
    items = document.content.get("items")
    if not (document.kind.endswith("List") and isinstance(items, list)):
        return [document]
    positions: defaultdict[Any, dict[Path, Position]] = defaultdict(dict)
    twice: defaultdict[Any, list[Path]] = defaultdict(list)
    for path, position in document.positions.items():
        if len(path) > 1 and path[0] == "items":
            positions[path[1]][path[2:]] = position
    for path in document.twice:
        if len(path) > 1 and path[0] == "items":
            twice[path[1]].append(path[2:])
    kind = document.kind.removesuffix("List")
    return [
        Document(document.source, {"kind": kind, **item} if kind else item, positions[i], tuple(twice[i]))
        for i, item in enumerate(items)
        if isinstance(item, dict)
    ]
