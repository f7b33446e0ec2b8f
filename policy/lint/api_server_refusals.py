"""Rule RP001, second half: what decisions could bear, and the API server refuses all the same.

tests/unit/cli/lint/test_lint.py holds it against what the server refuses.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from policy.lint.documents import Document, Path, mappings

__all__ = ["SchemaRefusal", "refusals"]

_WORD = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_DNS = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*"
_VALUE = re.compile(f"(?:{_WORD})?")
_KEY = re.compile(f"(?:(?=[^/]{{1,253}}/){_DNS}/)?{_WORD}")
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_DNS}")
_MASKED = "****"
"""How ACK's manuals hide the end of an id."""
_INT32 = 2**31
_PLAIN = ("cpu", "memory", "ephemeral-storage")
_PAGES = "hugepages-"
"""The resources of pods whose names have no domain."""
_MOST: Mapping[str, int] = {
    "units": 64,
    "selector": 64,
    "matchExpressions": 32,
    "matchLabelKeys": 16,
    "values": 64,
    "nodeSelector": 64,
    "podLabels": 64,
    "podAnnotations": 64,
    "maxResources": 32,
}


@dataclass(frozen=True, slots=True)
class SchemaRefusal:
    """What is refused, where, and what would not be."""

    path: Path
    what: str
    instead: str
    example: bool = False
    """It is copied from a manual, and meant to be replaced."""


def refusals(document: Document) -> Iterator[SchemaRefusal]:
    """All of them."""
    for field in ("name", "namespace"):
        written = document.at("metadata", field)
        if isinstance(written, str) and written and not _NAME.fullmatch(written):
            what = f"{written!r} is no name of an object"
            yield SchemaRefusal(("metadata", field), what, "small letters, digits, - and .")
    spec: Path = ("spec",)
    yield from _labels(document, (*spec, "selector"))
    yield from _flags(document, spec, "ignorePreviousPod", "ignoreTerminatingPod")
    yield from _sizes(document, spec, "units", "selector", "matchExpressions", "matchLabelKeys")
    yield from _keys(document, (*spec, "matchLabelKeys"))
    for index, term in mappings(document.at(*spec, "matchExpressions")):
        path: Path = (*spec, "matchExpressions", index)
        yield from _sizes(document, path, "values")
        if not _is_key(term.get("key")):
            yield _no_key((*path, "key"), term.get("key"))
    for index, _ in mappings(document.at(*spec, "units")):
        yield from _unit(document, (*spec, "units", index))


def _unit(document: Document, path: Path) -> Iterator[SchemaRefusal]:
    yield from _labels(document, (*path, "nodeSelector"))
    yield from _labels(document, (*path, "podLabels"))
    for key, _ in _pairs(document, (*path, "podAnnotations")):
        if not _is_key(key):
            yield _no_key((*path, "podAnnotations", key), key)
    yield from _flags(document, path, "spotInstance")
    yield from _sizes(document, path, "nodeSelector", "podLabels", "podAnnotations", "maxResources")
    for field in ("max", "scaleInWeight"):
        written = document.at(*path, field)
        if written is not None and not _is_int(written):
            yield SchemaRefusal(
                (*path, field), f"{written!r} is no whole number", f"{field}: 4, without quotes"
            )
        elif written is not None and not -_INT32 <= written < _INT32:
            yield SchemaRefusal((*path, field), f"{written} is above 2147483647", f"{field} left out")
    for name, amount in _pairs(document, (*path, "maxResources")):
        if isinstance(amount, bool) or not isinstance(amount, int | str):
            what = f"{amount!r} is neither a whole number nor text"
            yield SchemaRefusal((*path, "maxResources", name), what, f'a fraction in quotes: "{amount}"')
        if "/" not in name and not name.startswith(_PAGES) and name not in _PLAIN:
            what = f"{name!r} is no resource that a pod can request"
            yield SchemaRefusal(
                (*path, "maxResources", name), what, "its whole name: nvidia.com/gpu, cpu, memory"
            )


def _labels(document: Document, path: Path) -> Iterator[SchemaRefusal]:
    """Keys that no label has are refused, or match nothing; so are values."""
    for key, value in _pairs(document, path):
        if not _is_key(key):
            yield _no_key((*path, key), key)
        if isinstance(value, str) and not _VALUE.fullmatch(value):
            instead = "at most 63 letters, digits, - _ . with a letter or digit at both ends"
            what = f"{value!r} is no value that a label can have"
            yield SchemaRefusal((*path, key), what, instead, _MASKED in value)


def _keys(document: Document, path: Path) -> Iterator[SchemaRefusal]:
    written = document.at(*path)
    keys = written if isinstance(written, list) else []
    for index, key in enumerate(keys):
        if not _is_key(key):
            yield _no_key((*path, index), key)
        elif key in keys[:index]:
            yield SchemaRefusal((*path, index), f"{key} is named twice", "each key once")


def _flags(document: Document, path: Path, *fields: str) -> Iterator[SchemaRefusal]:
    for field in fields:
        written = document.at(*path, field)
        if written is not None and not isinstance(written, bool):
            yield SchemaRefusal((*path, field), f"{written!r} is neither true nor false", f"{field}: true")


def _sizes(document: Document, path: Path, *fields: str) -> Iterator[SchemaRefusal]:
    for field in fields:
        written = document.at(*path, field)
        if isinstance(written, list | Mapping) and len(written) > _MOST[field]:
            yield SchemaRefusal(
                (*path, field), f"{len(written)} entries are too many", f"at most {_MOST[field]}"
            )


def _pairs(document: Document, path: Path) -> list[tuple[str, object]]:
    written = document.at(*path)
    return [(str(key), value) for key, value in written.items()] if isinstance(written, Mapping) else []


def _is_int(written: object) -> bool:
    whole = isinstance(written, float) and written.is_integer()  # as 3.0 is for JSON
    return whole or (isinstance(written, int) and not isinstance(written, bool))


def _is_key(written: object) -> bool:
    return not isinstance(written, str) or bool(_KEY.fullmatch(written))


def _no_key(path: Path, key: object) -> SchemaRefusal:
    instead = "at most 63 letters, digits, - _ . with an optional DNS prefix: tier, example.com/tier"
    return SchemaRefusal(path, f"{key!r} is no key that a label or annotation can have", instead)
