"""Rules RP050 to RP061: a scheduler configuration that makes policies untrue.

Ours is the extender that looks like that of config/kube-scheduler.yaml, else the last. Rules E1, E2, E4, E5,
E7, E10; decoding is strict.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from policy.api.duration import parse_duration
from policy.lint.context import LintContext, found
from policy.lint.documents import Document, Path, mappings
from policy.lint.findings import Code, Finding, Severity

__all__ = ["scheduler_findings"]

_TOP = frozenset(
    [
        "apiVersion",
        "kind",
        "parallelism",
        "leaderElection",
        "clientConnection",
        "healthzBindAddress",
        "metricsBindAddress",
        "enableProfiling",
        "enableContentionProfiling",
        "percentageOfNodesToScore",
        "podInitialBackoffSeconds",
        "podMaxBackoffSeconds",
        "profiles",
        "extenders",
        "delayCacheUntilActive",
    ]
)
_EXTENDER = frozenset(
    [
        "urlPrefix",
        "filterVerb",
        "preemptVerb",
        "prioritizeVerb",
        "weight",
        "bindVerb",
        "enableHTTPS",
        "tlsConfig",
        "httpTimeout",
        "nodeCacheCapable",
        "managedResources",
        "ignorable",
    ]
)
_ALL = 100
_PLUGINS_REACH = 1000
_SHORT, _LONG = 1.0, 3.0


def scheduler_findings(context: LintContext) -> Iterator[Finding]:
    """RP050 to RP061."""
    for document in context.schedulers:
        yield from _strangers(document, (), _TOP)
        yield from _sampling(document)
        yield from _victims(document)
        extenders = mappings(document.at("extenders"))
        if not extenders:
            why = (
                "No extender is configured: kube-scheduler never asks, and no ResourcePolicy has any effect."
            )
            instead = "the extenders section of config/kube-scheduler.yaml"
            yield found(Code.NO_EXTENDER, document, ("extenders",), why, instead)
            continue
        ours, extender = _ours(extenders)
        yield from _extender(document, ours, extender)
        if ours < extenders[-1][0]:
            why = (
                f"extenders[{ours + 1}] is asked after ours and gets only the nodes that ours left: it may "
                "refuse all of them, while the slot in the unit is held (E10)."
            )
            yield found(Code.NOT_LAST, document, ("extenders", ours), why, "our extender as the last entry")


def _ours(extenders: list[tuple[int, Mapping[str, Any]]]) -> tuple[int, Mapping[str, Any]]:
    """The one that a user of the shipped file would have: port 8888 or our name, else the last."""
    likely = ((i, e) for i, e in extenders if _likely(str(e.get("urlPrefix") or "")))
    return next(likely, extenders[-1])


def _likely(url: str) -> bool:
    return ":8888" in url or "resourcepolicy" in url


def _extender(document: Document, index: int, extender: Mapping[str, Any]) -> Iterator[Finding]:
    at: Path = ("extenders", index)
    yield from _strangers(document, at, _EXTENDER)
    yield from _verbs(document, at, extender)
    yield from _weight(document, at, extender)
    yield from _http(document, at, extender)
    if extender.get("ignorable"):
        why = (
            "When the extender is down its pods are placed all the same, past their policy and its caps (E4)."
        )
        yield found(Code.IGNORABLE, document, (*at, "ignorable"), why, "ignorable: false")
    if not extender.get("nodeCacheCapable"):
        why = (
            "kube-scheduler sends whole nodes, megabytes per pod, where names would do, and its own scores "
            "go wrong, as plugins read the nodes that come back as empty (E2)."
        )
        yield found(Code.NODE_CACHE, document, (*at, "nodeCacheCapable"), why, "nodeCacheCapable: true")
    for number, resource in mappings(extender.get("managedResources")):
        if resource.get("ignoredByScheduler"):
            why = (
                f"kube-scheduler stops checking for free {resource.get('name')} in every profile: pods land "
                "on nodes that have none."
            )
            path = (*at, "managedResources", number, "ignoredByScheduler")
            yield found(Code.RESOURCE_IGNORED, document, path, why, "no ignoredByScheduler")


def _verbs(document: Document, at: Path, extender: Mapping[str, Any]) -> Iterator[Finding]:
    if not extender.get("filterVerb"):
        why = (
            "The order of units lives in filter; without it kube-scheduler places pods wherever it likes "
            "(E1)."
        )
        yield found(Code.VERB_MISSING, document, (*at, "filterVerb"), why, "filterVerb: filter")
    if not extender.get("preemptVerb"):
        why = (
            "Pods would be preempted on nodes that filter then refuses to the one they made room for (E7, "
            "P2)."
        )
        yield found(Code.VERB_MISSING, document, (*at, "preemptVerb"), why, "preemptVerb: preempt")
    if extender.get("bindVerb"):
        why = "The extender does not bind; every binding would fail."
        yield found(Code.VERB_MISSING, document, (*at, "bindVerb"), why, "no bindVerb")


def _weight(document: Document, at: Path, extender: Mapping[str, Any]) -> Iterator[Finding]:
    written = extender.get("weight")
    weight = written if isinstance(written, int) else 0
    path = (*at, "weight")
    if not extender.get("prioritizeVerb"):
        return
    if weight <= 0:
        why = "kube-scheduler does not start: prioritizeVerb needs a weight above 0."
        yield found(Code.WEIGHT, document, path, why, "weight: 1000", Severity.ERROR)
    elif weight < _PLUGINS_REACH:
        why = (
            f"One point of ours is worth {weight * 10} at weight {weight}, and the plugins' scores together "
            "reach 1400: they may outvote it."
        )
        yield found(Code.WEIGHT, document, path, why, "weight: 1000, or no prioritizeVerb: filter is enough")


def _http(document: Document, at: Path, extender: Mapping[str, Any]) -> Iterator[Finding]:
    path = (*at, "httpTimeout")
    try:
        timeout = parse_duration(str(extender.get("httpTimeout") or "5s"))
    except ValueError as error:
        yield found(Code.HTTP_TIMEOUT, document, path, f"{error}.", "httpTimeout: 2s", Severity.ERROR)
        return
    if timeout > _LONG:
        why = (
            f"All scheduling stands still while a call hangs, up to {timeout:g} s and three times per pod; 5 "
            "s is the default (E10)."
        )
        yield found(Code.HTTP_TIMEOUT, document, path, why, "httpTimeout: 2s")
    elif timeout < _SHORT:
        why = (
            f"The extender waits up to 0.5 s for a node that it does not know yet; with {timeout:g} s its "
            "answer comes too late, the attempt fails, and the slot is held meanwhile (E11)."
        )
        yield found(Code.HTTP_TIMEOUT, document, path, why, "httpTimeout: 2s")
    verified = document.at(*at, "tlsConfig", "caFile") or document.at(*at, "tlsConfig", "caData")
    if extender.get("enableHTTPS") and not verified:
        why = "Without a CA kube-scheduler silently verifies no certificate: anyone may answer in our place."
        yield found(Code.UNVERIFIED_TLS, document, (*at, "enableHTTPS"), why, "tlsConfig: {caFile: …}")


def _sampling(document: Document) -> Iterator[Finding]:
    overall = document.at("percentageOfNodesToScore")
    paths: list[tuple[Path, Any]] = [(("percentageOfNodesToScore",), overall)]
    for index, profile in mappings(document.at("profiles")):
        if profile.get("percentageOfNodesToScore") is not None:
            own: Path = ("profiles", index, "percentageOfNodesToScore")
            paths.append((own, profile["percentageOfNodesToScore"]))
    for path, percentage in paths:
        if percentage != _ALL:
            reported = "is not set" if percentage is None else f"is {percentage}"
            why = (
                f"percentageOfNodesToScore {reported}: from 100 nodes on kube-scheduler stops at a sample, "
                "taken before the extender is asked. Free nodes of the first unit may be missing from it "
                "(E5, O1)."
            )
            yield found(Code.SAMPLING, document, path, why, "percentageOfNodesToScore: 100")


def _victims(document: Document) -> Iterator[Finding]:
    for index, _ in mappings(document.at("profiles")) or [(0, {})]:
        path: Path = ("profiles", index, "pluginConfig")
        args = [
            document.at(*path, number, "args", "minCandidateNodesPercentage")
            for number, plugin in mappings(document.at(*path))
            if plugin.get("name") == "DefaultPreemption"
        ]
        if _ALL not in args:
            why = (
                "kube-scheduler looks for victims on a tenth of the nodes, from a random one on: the unit in "
                "which preemption should come first may not be among them (E5, P2)."
            )
            instead = "pluginConfig: [{name: DefaultPreemption, args: {minCandidateNodesPercentage: 100}}]"
            yield found(Code.VICTIM_SAMPLING, document, path, why, instead)


def _strangers(document: Document, at: Path, known: frozenset[str]) -> Iterator[Finding]:
    written = document.at(*at)
    for key in written if isinstance(written, Mapping) else ():
        if key not in known:
            like = next((name for name in sorted(known) if name.lower() == str(key).lower()), "")
            why = (
                f"{key} is no key that kube-scheduler knows here: decoding is strict, and it does not start."
            )
            instead = like or "a key of kubescheduler.config.k8s.io/v1"
            yield found(Code.SCHEDULER_FIELD, document, (*at, str(key)), why, instead)
