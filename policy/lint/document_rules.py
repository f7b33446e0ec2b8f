"""Rules RP001 to RP008: what is wrong with the text of one policy, whatever the cluster.

Rules M2, M6, M7, O5, C2 to C4; what the API server refuses by manifests/crd.yaml is an error here, too.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from pydantic import BaseModel

from policy.api import wellknown
from policy.api.resourcepolicy import InvalidPolicyError, NextUnits, ResourcePolicy, Unit, WhenTryNextUnits
from policy.lint.api_server_refusals import refusals
from policy.lint.context import LintContext, found
from policy.lint.documents import Document, Location, Path, PolicyDocument, spelled
from policy.lint.findings import Code, Finding, Severity

__all__ = ["document_findings"]

_TIMED = (NextUnits.TIMEOUT_OR_EXCEED_MAX, NextUnits.TIMEOUT)
_IDENTITY = {"namespace", "name", "uid", "created", "generation"}
_TOP = {"apiVersion", "kind", "metadata", "spec", "status"}
_KIND, _GROUP = "ResourcePolicy", wellknown.RESOURCEPOLICY_GROUP
_SHAPES: Mapping[str, str] = {
    "spec.units": "units: [{nodeSelector: {…}}, …], the preferred first",
    "spec.selector": "selector: {app: …}, the labels of the pods",
    "spec.selector.matchLabels": "selector: {app: …}, without matchLabels; matchExpressions beside selector",
    "spec.selector.matchExpressions": "matchExpressions: […] beside selector, not in it",
    "spec.whenTryNextUnits": "whenTryNextUnits: {policy: …}",
}
"""What other objects of Kubernetes, and habit, would have otherwise."""
_SPELLINGS = ("resourcepolicy", "resourcepolicys", "resourcepolicies")
_INDEX = re.compile(r"\[(\d+)\]")


def document_findings(context: LintContext) -> Iterator[Finding]:
    """RP001 to RP008."""
    for document in context.given.documents:
        yield from _misspelt(document)
    for document in context.written:
        yield from _faults(document)
        yield from _unknown(document)
    yield from _twice(context.written)
    for document in context.given.documents:
        for path, position in document.twice:
            place = Location(document.source, spelled(path), position)
            why = f"{path[-1]} is written once more here; only the last one counts."
            code = Code.DUPLICATE_KEY
            yield Finding(code, place, why, "keep one of them", code.severity)
    for policy in context.policies:
        yield from _timeout(policy)
        yield from _without_effect(policy)
        yield from _every_pod(policy)


def _faults(document: Document) -> Iterator[Finding]:
    reported: set[Path] = set()
    try:
        ResourcePolicy.from_manifest(document.content)
    except InvalidPolicyError as error:
        for fault in error.errors:
            place, _, what = fault.partition(": ")
            path = _path(place, document)
            reported.add(path)
            wrong, _, mend = what.partition("; ")
            why = f"{place}: {wrong}. A policy that cannot be used governs no pod (M6)."
            yield found(Code.INVALID, document, path, why, _instead(place, mend or wrong))
    if not document.at("metadata", "name"):
        why = "The policy has no name; the API server refuses it."
        yield found(Code.INVALID, document, ("metadata",), why, "metadata: {name: …}")
    for refusal in refusals(document):
        if refusal.path not in reported:
            why = (
                f"{spelled(refusal.path)}: {refusal.what}. The API server refuses it, or it matches nothing."
            )
            severity = Severity.WARNING if refusal.example else None
            yield found(Code.INVALID, document, refusal.path, why, refusal.instead, severity)


def _instead(place: str, fault: str) -> str:
    """What to write at a place: its shape where it has one, else what the fault itself says."""
    if place in _SHAPES:
        return _SHAPES[place]
    if fault == "is missing":
        return f"{place.rpartition('.')[2]}: …"
    limit = fault.removeprefix("Input should be ")
    if limit != fault:
        return f"{'a number ' if limit.startswith('greater') else ''}{limit}".replace("'", "")
    _, reported, mend = fault.rpartition("write ")
    return mend if reported else "what the message names; see docs/rules.md"


def _path(place: str, document: Document) -> Path:
    """The path of a fault spelled `spec.units[0].max`, as far as it is written; keys may have dots."""
    path: Path = ()
    while place:
        step = _next(place, document.at(*path))
        if step is None or document.at(*path, step[0]) is None:
            break
        path, place = (*path, step[0]), step[1]
    return path


def _next(place: str, part: object) -> tuple[str | int, str] | None:
    """The first step of a place and the rest of it; None: there is no such part."""
    if isinstance(part, list):
        index = _INDEX.match(place)
        return (int(index[1]), place[index.end() :]) if index else None
    keys = [str(key) for key in part] if isinstance(part, Mapping) else []
    rest = place.removeprefix(".")
    fitting = [key for key in keys if rest == key or rest.startswith((f"{key}.", f"{key}["))]
    key = max(fitting, key=len, default=None)
    return (key, rest[len(key) :]) if key is not None else None


def _names(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _unknown(document: Document) -> Iterator[Finding]:
    yield from _strangers(document, (), _TOP)
    yield from _strangers(document, ("spec",), _names(ResourcePolicy) - _IDENTITY)
    units = document.at("spec", "units")
    for index in range(len(units) if isinstance(units, list) else 0):
        yield from _strangers(document, ("spec", "units", index), _names(Unit))
    yield from _strangers(document, ("spec", "whenTryNextUnits"), _names(WhenTryNextUnits))


def _strangers(document: Document, at: Path, known: set[str]) -> Iterator[Finding]:
    part = document.at(*at)
    for key in part if isinstance(part, Mapping) else ():
        if key in known:
            continue
        like = _elsewhere(str(key), at) or get_close_matches(str(key), known, n=1)
        why = (
            f"No ResourcePolicy has a field {key} here. kubectl refuses it, other clients lose it in "
            "silence: a cap that is misspelt is no cap."
        )
        instead = like[0] if like else f"one of {', '.join(sorted(known))}"
        yield found(Code.UNKNOWN_FIELD, document, (*at, str(key)), why, instead)


def _elsewhere(key: str, at: Path) -> list[str]:
    """Where a field that is known belongs, which an indentation too few or too many moved."""
    if at != ("spec",) and key in _names(ResourcePolicy) - _IDENTITY:
        return [f"{key} under spec"]
    return [f"{key} under a unit of spec.units"] if at == ("spec",) and key in _names(Unit) else []


def _misspelt(document: Document) -> Iterator[Finding]:
    """A document that means to be a policy, and is none."""
    written = str(document.content.get("apiVersion") or "")
    group, slash, _ = written.partition("/")
    ours = document.kind.lower() in _SPELLINGS
    if not ours or (document.kind, written) == (_KIND, wellknown.RESOURCEPOLICY_API):
        return
    if slash and "alibabacloud" not in group and not get_close_matches(group, [_GROUP]):
        return  # another project's
    key = "kind" if written == wellknown.RESOURCEPOLICY_API else "apiVersion"
    right = _KIND if written == wellknown.RESOURCEPOLICY_API else wellknown.RESOURCEPOLICY_API
    reported = document.content.get(key) or "missing"
    why = f"{key} is {reported}: the API server knows no such object, and nothing here is linted as a policy."
    yield found(Code.MISSPELT, document, (key,), why, f"{key}: {right}")


def _twice(written: Iterable[Document]) -> Iterator[Finding]:
    """One name twice in one file; in two files it may be meant for two clusters."""
    seen: set[tuple[str, str, str]] = set()
    for document in written:
        namespace, name = document.at("metadata", "namespace"), document.at("metadata", "name")
        key = document.source, str(namespace or "default"), str(name)
        if name and key in seen:
            why = f"{name} is written once more here; the last one that is applied replaces the others."
            instead = "another name, or one of them only"
            yield found(Code.WRITTEN_TWICE, document, ("metadata", "name"), why, instead)
        seen.add(key)


def _timeout(written: PolicyDocument) -> Iterator[Finding]:
    mode = written.policy.when_try_next_units.policy
    path: Path = ("spec", "whenTryNextUnits", "timeout")
    if written.document.at(*path) is not None and mode not in _TIMED:
        why = f"{mode} has no timer: the timeout would mean nothing, and the CRD refuses it (O5)."
        yield found(
            Code.TIMEOUT_UNUSED, written.document, path, why, "policy: TimeoutOrExceedMax, or no timeout"
        )


def _without_effect(written: PolicyDocument) -> Iterator[Finding]:
    policy, document = written.policy, written.document
    units = range(len(policy.units))
    idle: list[Path] = [("spec", "consumerRef")]
    idle += [("spec", "units", i, name) for i in units for name in ("spotInstance", "scaleInWeight")]
    for path in idle:
        if document.at(*path) is not None:
            why = f"{path[-1]} is accepted and kept, as ACK's types have it, and has no effect (M7)."
            yield found(Code.FIELD_WITHOUT_EFFECT, document, path, why, f"leave out {path[-1]}")
    if any(unit.capped for unit in policy.units):
        return
    for name in ("ignorePreviousPod", "matchLabelKeys"):
        if document.at("spec", name):
            why = f"{name} says how pods are counted towards max and maxResources, and no unit has either."
            path = ("spec", name)
            instead = f"max on a unit, or no {name}"
            yield found(Code.FIELD_WITHOUT_EFFECT, document, path, why, instead)


def _every_pod(written: PolicyDocument) -> Iterator[Finding]:
    policy = written.policy
    if not policy.selector and not policy.match_expressions:
        why = (
            f"Without a selector {written.name} governs every pod of namespace {policy.namespace}, those of "
            "other teams and of add-ons included (M2)."
        )
        yield found(
            Code.EVERY_POD, written.document, ("spec",), why, "selector: {app: …}, if that is not meant"
        )
