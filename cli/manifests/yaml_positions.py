"""YAML and JSON text as documents whose every key has its line and column.

Positions are those of yaml's nodes, counted from 1 as editors do. Scalars are read as the API server reads
them (go-yaml 2): `y` is a truth value, a date is text.
"""

import codecs
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any, ClassVar

import yaml

from cli.errors import CommandError
from policy.lint.documents import Document, Path, Position

__all__ = ["decoded", "documents_in", "read"]

_DEEPEST = 100
_REPEATED = 10_000
"""Parts that aliases may repeat: a few aliases of aliases would fill the memory."""
_SUFFIXES = {".yaml", ".yml", ".json"}
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_PAIR = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)


def read(name: str) -> Iterator[tuple[str, str]]:
    """Name and text of a file, of each YAML or JSON file in a directory, or of stdin for `-`."""
    if name == "-":
        yield "<stdin>", decoded("<stdin>", sys.stdin.buffer.read())
        return
    path = File(name)
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix in _SUFFIXES)
        if not files:
            raise CommandError(f"{name}: no .yaml, .yml or .json file in this directory; name a file")
    else:
        files = [path]
    for file in files:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise CommandError(
                f"{file}: {error.strerror}; name a file that can be read, or - for stdin"
            ) from None
        yield str(file), decoded(str(file), content)


def decoded(source: str, content: bytes) -> str:
    """UTF-8, or what the mark at its beginning says: PowerShell writes UTF-16.

    Raises:
        CommandError: it is neither.
    """
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CommandError(f"{source}:{line}: is no text; save it as UTF-8") from None


def documents_in(source: str, text: str) -> list[Document]:
    """The documents of a text, in order; empty ones and scalars are none.

    Raises:
        CommandError: the text is no YAML.
    """
    found: list[Document] = []
    try:
        loader = _Loader(_as_yaml(text))
        while loader.check_node():
            reader = _Reader(loader)
            content = reader.plain(loader.get_node(), (), 0)
            if isinstance(content, list):
                raise CommandError(f"{source}: is a list; write its items apart by ---, or as kind: List")
            if isinstance(content, dict):
                found += _apart(Document(source, content, reader.positions, tuple(reader.twice)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        raise CommandError(f"{place}: no YAML: {error.problem}; {_advice(text, error)}") from None
    except yaml.YAMLError as error:
        raise CommandError(
            f"{source}: no YAML: {' '.join(str(error).split())}; save it as UTF-8 text"
        ) from None
    except RecursionError:
        raise CommandError(f"{source}: nested too deeply; no object of Kubernetes is") from None
    return found


def _as_yaml(text: str) -> str:
    """JSON, of which YAML takes neither tabs nor pairs of surrogates. Columns before these stay."""
    if text.lstrip()[:1] not in ("{", "["):
        return text
    return _PAIR.sub(_paired, text.replace("\t", " "))


def _paired(pair: re.Match[str]) -> str:
    high, low = (int(half, 16) for half in pair.groups())
    return f"\\U{0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF):08x}"


def _advice(text: str, error: yaml.MarkedYAMLError) -> str:
    if "{{" in text:
        return "render the template first, for example: helm template … | resourcepolicy lint -"
    mark = error.problem_mark
    line = text.splitlines()[mark.line : mark.line + 1] if mark else []
    if any(part.lstrip(" ").startswith("\t") for part in line):
        return "indent with spaces"
    return "check the indentation and quotes there"


class _Loader(yaml.CSafeLoader):
    """Which plain scalars are no text."""

    bool_values: ClassVar = {**yaml.SafeLoader.bool_values, "y": True, "n": False}


_PLAIN = {
    "bool": r"y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF",
    "int": r"[-+]?(0[bB][01_]+|0[xX][0-9a-fA-F_]+|0[oO]?[0-7_]*|[1-9][0-9_]*)",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
    "null": r"~|null|Null|NULL|",
    "merge": r"<<",
}
_Loader.yaml_implicit_resolvers = {
    None: [(f"tag:yaml.org,2002:{kind}", re.compile(f"({plain})$")) for kind, plain in _PLAIN.items()]
}


@dataclass(slots=True)
class _Reader:
    """One document on its way from nodes to plain values."""

    loader: _Loader
    positions: dict[Path, Position] = field(default_factory=dict)
    twice: list[tuple[Path, Position]] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)
    _repeated: int = 0

    def plain(self, node: yaml.Node | None, path: Path, depth: int) -> Any:  # noqa: ANN401  any JSON
        if node is None:
            return None
        if depth > _DEEPEST:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=node.start_mark)
        if not path:
            self.positions[path] = _position(node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        self._repeated += id(node) in self._seen
        self._seen.add(id(node))
        if self._repeated > _REPEATED:
            raise yaml.MarkedYAMLError(problem="aliases without end", problem_mark=node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        return [self._item(item, (*path, index), depth) for index, item in enumerate(node.value)]

    def _scalar(self, node: yaml.ScalarNode) -> Any:  # noqa: ANN401  as above
        if node.tag.endswith(":merge"):
            return node.value
        try:
            return self.loader.construct_object(node)
        except (ValueError, LookupError):
            kind = node.tag.rpartition(":")[2]
            problem = f"{node.value!r} is no {kind}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None

    def _item(self, node: yaml.Node, path: Path, depth: int) -> Any:  # noqa: ANN401  as above
        self.positions[path] = _position(node)
        return self.plain(node, path, depth + 1)

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key that is no text", problem_mark=key.start_mark)
        own = {id(key) for key, _ in node.value}
        self.loader.flatten_mapping(node)
        content: dict[str, Any] = {}
        written: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            here = (*path, name)
            if name in content:
                self._forget(here)
            if name in written:
                self.twice.append((here, _position(key)))
            if id(key) in own:
                written.add(name)
            self.positions[here] = _position(key)
            content[name] = self.plain(value, here, depth + 1)
        return content

    def _forget(self, path: Path) -> None:
        """What stands below a key that is written again counts no more."""
        for other in [p for p in self.positions if p[: len(path)] == path]:
            del self.positions[other]


def _position(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)


def _apart(document: Document) -> list[Document]:
    """The items of a list as documents of their own."""
    items = document.content.get("items")
    if not (document.kind.endswith("List") and isinstance(items, list)):
        return [document]
    kind = document.kind.removesuffix("List")
    message = {"apiVersion": document.content.get("apiVersion"), "kind": kind} if kind else {}
    found: list[Document] = []
    for index, item in enumerate(items):
        if isinstance(item, dict):
            start = ("items", index)
            positions = {p[2:]: position for p, position in document.positions.items() if p[:2] == start}
            twice = tuple((p[2:], position) for p, position in document.twice if p[:2] == start)
            found += _apart(Document(document.source, {**message, **item}, positions, twice))
    return found
