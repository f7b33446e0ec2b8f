"""Rules RP015 and RP040 to RP042: a policy among other policies, pods and nodes.

Rules M2, M4, U3, U5.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations

from policy.api.resourcepolicy import ResourcePolicy
from policy.api.selectors import carries
from policy.lint.context import LintContext, found
from policy.lint.documents import LintInput, PolicyDocument
from policy.lint.findings import Code, Finding, Severity
from policy.scheduling.matching import in_unit, matches, precedence, units_of
from policy.scheduling.snapshot import Snapshot

__all__ = ["cluster_findings"]


def cluster_findings(context: LintContext) -> Iterator[Finding]:
    """RP015 and RP040 to RP042."""
    met = _meet(context)
    for written in context.policies:
        yield from _two_policies(written, met)
        if written.policy.key not in met.with_pods:
            yield from _no_pod(written, context.given)
        if context.given.snapshot is not None:
            yield from _no_node(written, context.given.snapshot)
            yield from _nodes_overlap(written, context.given.snapshot)


@dataclass(slots=True)
class _Met:
    """Which policies select a pod, and which two of them the same; one pass over pods that may be many."""

    known: dict[str, ResourcePolicy]
    """By key: the cluster's, and in their place those that are linted."""
    linted: frozenset[str]
    with_pods: set[str] = field(default_factory=set)
    both: dict[tuple[str, str], str] = field(default_factory=dict)
    """By the keys of two policies: what both select, in words."""
    others: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By key: the keys of those that meet it."""

    def add(self, first: str, second: str, both: str) -> None:
        """Two policies meet; what was said first of them stays."""
        if (first, second) not in self.both:
            self.both[first, second] = both
            self.others[first].append(second)
            self.others[second].append(first)

    def meeting(self, policy: ResourcePolicy) -> list[ResourcePolicy]:
        """Those that select pods of this one, by name."""
        return [self.known[key] for key in sorted(self.others[policy.key])]


def _meet(context: LintContext) -> _Met:
    snapshot = context.given.snapshot
    there = snapshot.policies if snapshot else ()
    linted = {written.policy.key: written.policy for written in context.policies}
    met = _Met({**{policy.key: policy for policy in there}, **linted}, frozenset(linted))
    by_namespace: defaultdict[str, list[ResourcePolicy]] = defaultdict(list)
    for _, policy in sorted(met.known.items()):
        by_namespace[policy.namespace].append(policy)
    pods = [workload.pod for workload in context.given.workloads]
    pods += snapshot.pods.values() if snapshot else []
    for pod in pods:
        selecting = [policy.key for policy in by_namespace[pod.namespace] if matches(policy, pod)]
        met.with_pods.update(selecting)
        for first, second in () if pod.finished else combinations(selecting, 2):
            met.add(first, second, f"the pod {pod.name}")
    for policies in by_namespace.values():
        for first, second in _nested(policies):
            met.add(first, second, "its pods")
    return met


def _nested(policies: Iterable[ResourcePolicy]) -> Iterator[tuple[str, str]]:
    """Keys of two of which one selects whatever the other does, in order."""
    plain = [policy for policy in policies if not policy.match_expressions]
    wider: defaultdict[tuple[str, str] | None, list[ResourcePolicy]] = defaultdict(list)
    for policy in plain:
        wider[min(policy.selector.items(), default=None)].append(policy)
    for narrow in plain:
        for pair in (None, *narrow.selector.items()):
            for wide in wider.get(pair, ()):
                if wide is not narrow and carries(narrow.selector, wide.selector):
                    first, second = sorted((narrow.key, wide.key))
                    yield first, second


def _two_policies(written: PolicyDocument, met: _Met) -> Iterator[Finding]:
    policy = written.policy
    for other in met.meeting(policy):
        if other.key in met.linted and precedence(other) > precedence(policy):
            continue  # of two that are linted one finding is enough, at the one that loses
        both = met.both[min(policy.key, other.key), max(policy.key, other.key)]
        why = (
            f"ResourcePolicy {other.name} selects {both} too. Only one governs a pod: the older one, by "
            "name if they are equally old; for this pod the other does nothing (M4)."
        )
        instead = "selectors that no pod fulfils both of"
        yield found(Code.TWO_POLICIES, written.document, ("spec", "selector"), why, instead)


def _no_pod(written: PolicyDocument, given: LintInput) -> Iterator[Finding]:
    """Of a cluster a warning; of files, which may be a part of it, only said."""
    path = ("spec", "selector")
    labels = f"in namespace {written.policy.namespace} has the labels that {written.name} selects by"
    if given.snapshot is not None:
        why = f"No pod {labels}: it governs nothing yet (M1, M2)."
        instead = "the labels of the pods, as `kubectl get pods --show-labels` has them, and their namespace"
        yield found(Code.NO_POD, written.document, path, why, instead)
    elif given.workloads:
        why = f"None of the workloads that were read {labels} (M1, M2)."
        instead = "the labels and the namespace of the pod template, if one of them is meant"
        yield found(Code.NO_POD, written.document, path, why, instead, Severity.INFO)


def _no_node(written: PolicyDocument, snapshot: Snapshot) -> Iterator[Finding]:
    for index, unit in enumerate(written.policy.units):
        if unit.waits_for_nodes or any(in_unit(n, unit, snapshot.kinds) for n in snapshot.nodes.values()):
            continue
        wanted = ", ".join(f"{key}={value}" for key, value in unit.node_selector.items()) or "any label"
        why = f"No node of kind {unit.resource} has {wanted}: units[{index}] never has room (U2, U3)."
        path = ("spec", "units", index, "nodeSelector")
        instead = (
            "labels that nodes have, as `kubectl get nodes --show-labels` shows them; for nodes that an "
            "autoscaler brings, resource: elastic"
        )
        yield found(Code.NO_NODE, written.document, path, why, instead)


def _nodes_overlap(written: PolicyDocument, snapshot: Snapshot) -> Iterator[Finding]:
    seen: set[tuple[int, ...]] = set()
    for name in sorted(snapshot.nodes):
        units = units_of(snapshot.nodes[name], written.policy, snapshot.kinds)[:2]
        if len(units) < 2 or units in seen:  # noqa: PLR2004  two units share it
            continue
        seen.add(units)
        first, second = units
        why = (
            f"Node {name} is in units[{first}] and units[{second}]: a pod on it counts in the one that it "
            "was placed through, so that a cap speaks of pods and not of nodes (U5)."
        )
        instead = "nodeSelectors that keep them apart, if that is not meant"
        yield found(Code.NODES_OVERLAP, written.document, ("spec", "units", second), why, instead)
