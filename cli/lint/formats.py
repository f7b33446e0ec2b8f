"""Findings as text, JSON, SARIF 2.1.0 and GitHub workflow commands.

SARIF: docs.oasis-open.org/sarif; GitHub: "Workflow commands", whose values escape %, line ends, and in
properties : and , as well.
"""

import json
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

import click

from policy.lint.findings import Code, Finding, Severity

__all__ = ["FORMATS"]

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_DOCS = "docs/lint.md"
_WIDTH = 80


def _where(finding: Finding) -> str:
    place = finding.place
    if not place.position.line:
        return place.source
    return f"{place.source}:{place.position.line}:{place.position.column}"


def _text(findings: Sequence[Finding]) -> str:
    lines = []
    for finding in findings:
        severity = click.style(finding.severity, fg=_COLOURS[finding.severity], bold=True)
        lines.append(f"{_where(finding)}: {severity} {finding.code} {finding.place.path}".rstrip())
        lines += _wrapped(finding.why, "")
        lines += _wrapped(finding.instead, "write: ")
        lines.append("")
    return "\n".join([*lines, _summary(findings)])


def _wrapped(text: str, label: str) -> list[str]:
    return textwrap.wrap(
        label + text,
        _WIDTH,
        initial_indent="    ",
        subsequent_indent="    " + " " * len(label),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _summary(findings: Sequence[Finding]) -> str:
    if not findings:
        return "nothing found"
    counts = Counter(finding.severity for finding in findings)
    parts = [f"{counts[s]} {s}{'s' * (counts[s] != 1 and s != Severity.INFO)}" for s in Severity if counts[s]]
    return f"{', '.join(parts)}. Each code is explained in {_DOCS}"


def _json(findings: Sequence[Finding]) -> str:
    return json.dumps([_plain(finding) for finding in findings], indent=2)


def _plain(finding: Finding) -> dict[str, object]:
    position = finding.place.position
    return {
        "code": finding.code,
        "severity": finding.severity,
        "title": finding.code.headline,
        "file": finding.place.source,
        "path": finding.place.path,
        "line": position.line or None,
        "column": position.column or None,
        "why": finding.why,
        "instead": finding.instead,
    }


_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def _sarif(findings: Sequence[Finding]) -> str:
    rules = [
        {
            "id": code,
            "shortDescription": {"text": code.headline},
            "help": {"text": f"See {_DOCS}, section {code}."},
            "defaultConfiguration": {"level": _LEVELS[code.severity]},
        }
        for code in Code
    ]
    driver = {"name": "resourcepolicy lint", "rules": rules}
    results = [_result(finding) for finding in findings]
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(document, indent=2)


def _result(finding: Finding) -> Mapping[str, object]:
    position = finding.place.position
    physical: dict[str, object] = {"artifactLocation": {"uri": quote(finding.place.source)}}
    if position.line:
        physical["region"] = {"startLine": position.line, "startColumn": position.column}
    logical = [{"fullyQualifiedName": finding.place.path}]
    return {
        "ruleId": finding.code,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.why} Write: {finding.instead}"},
        "locations": [{"physicalLocation": physical, "logicalLocations": logical}],
    }


_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def _github(findings: Sequence[Finding]) -> str:
    lines = []
    for finding in findings:
        position = finding.place.position
        properties = {"file": finding.place.source, "title": f"{finding.code} {finding.code.headline}"}
        if position.line:
            properties |= {"line": str(position.line), "col": str(position.column)}
        listed = ",".join(
            f"{key}={_escaped(value).replace(':', '%3A').replace(',', '%2C')}"
            for key, value in properties.items()
        )
        message = _escaped(f"{finding.place.path}: {finding.why} Write: {finding.instead}")
        lines.append(f"::{_COMMANDS[finding.severity]} {listed}::{message}")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


FORMATS: Mapping[str, Callable[[Sequence[Finding]], str]] = {
    "text": _text,
    "json": _json,
    "sarif": _sarif,
    "github": _github,
}
