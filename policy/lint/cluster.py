"""Rules RP015 and RP040 to RP042: a policy among other policies, pods and nodes.

Owns what only the whole shows; must not know where the cluster's state comes from.
Rules M2, M4, U3, U5.
"""

from collections.abc import Iterator

from policy.lint.context import Context, found
from policy.lint.documents import Policy
from policy.lint.findings import Code, Finding
from policy.match import in_unit, matches, precedence, units_of
from policy.objects import Pod
from policy.resourcepolicy import ResourcePolicy
from policy.selectors import carries
from policy.snapshot import Snapshot

__all__ = ["cluster_findings"]


def cluster_findings(context: Context) -> Iterator[Finding]:
    """RP015 and RP040 to RP042."""
    for written in context.policies:
        yield from _two_policies(written, context)
        if context.given.snapshot is not None:
            yield from _no_pod(written, context, context.given.snapshot)
            yield from _no_node(written, context.given.snapshot)
            yield from _nodes_overlap(written, context.given.snapshot)


def _two_policies(written: Policy, context: Context) -> Iterator[Finding]:
    snapshot = context.given.snapshot
    linted = {other.policy.key: other.policy for other in context.policies}
    known = {policy.key: policy for policy in snapshot.policies} if snapshot else {}
    pods = [workload.pod for workload in context.given.workloads]
    pods += [pod for pod in snapshot.pods.values() if not pod.finished] if snapshot else []
    policy = written.policy
    for key, other in sorted({**known, **linted}.items()):
        if key == policy.key or (key in linted and precedence(other) > precedence(policy)):
            continue  # of two that are linted one finding is enough, at the one that loses
        both = _both_match(policy, other, pods)
        if both:
            why = (
                f"ResourcePolicy {other.name} selects {both} too. Only one governs a pod: the older one, by "
                "name if they are equally old; for this pod the other does nothing (M4)."
            )
            instead = "selectors that no pod fulfils both of"
            yield found(Code.TWO_POLICIES, written.document, ("spec", "selector"), why, instead)


def _both_match(policy: ResourcePolicy, other: ResourcePolicy, pods: list[Pod]) -> str:
    """What both select, in words: a pod that there is, else whatever the narrower one selects."""
    seen = next((pod for pod in pods if matches(policy, pod) and matches(other, pod)), None)
    if seen is not None:
        return f"the pod {seen.name}"
    if policy.namespace != other.namespace or policy.match_expressions or other.match_expressions:
        return ""
    if carries(other.selector, policy.selector) or carries(policy.selector, other.selector):
        return "its pods"
    return ""


def _no_pod(written: Policy, context: Context, snapshot: Snapshot) -> Iterator[Finding]:
    policy = written.policy
    if any(context.workloads_of(policy)) or any(matches(policy, pod) for pod in snapshot.pods.values()):
        return
    why = (
        f"No pod in namespace {policy.namespace} has the labels that {written.name} selects by: it governs "
        "nothing yet (M1, M2)."
    )
    instead = "the labels of the pods, as `kubectl get pods --show-labels` has them, and their namespace"
    yield found(Code.NO_POD, written.document, ("spec", "selector"), why, instead)


def _no_node(written: Policy, snapshot: Snapshot) -> Iterator[Finding]:
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


def _nodes_overlap(written: Policy, snapshot: Snapshot) -> Iterator[Finding]:
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
