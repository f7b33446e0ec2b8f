"""Rules RP010 to RP015: units that get in each other's way, or in their own.

Rules U3 to U5, O2, W3.
"""

from collections.abc import Iterator
from itertools import combinations

from policy.api.resourcepolicy import ResourceKind, Unit
from policy.api.selectors import carries
from policy.lint.context import LintContext, found
from policy.lint.documents import PolicyDocument
from policy.lint.findings import Code, Finding

__all__ = ["unit_findings"]

_ORDINARY = (ResourceKind.ECS, ResourceKind.ELASTIC)


def unit_findings(context: LintContext) -> Iterator[Finding]:
    """RP010 to RP014."""
    for policy in context.policies:
        yield from _caps(policy)
        yield from _last(policy)
        for earlier, later in combinations(range(len(policy.policy.units)), 2):
            yield from _overlap(policy, earlier, later)


def _caps(written: PolicyDocument) -> Iterator[Finding]:
    for index, unit in enumerate(written.policy.units):
        cap = "max" if unit.max is not None else "maxResources"
        path = ("spec", "units", index, cap)
        if unit.waits_for_nodes and unit.capped:
            why = (
                f"units[{index}] waits for an autoscaler's nodes and has {cap}, of which cluster-autoscaler "
                "knows nothing: unless `resourcepolicy watch` asks in its place it buys nodes above the cap, "
                "and no pod may use them (W3)."
            )
            instead = f"the pool's own maximum size in the autoscaler, and no {cap} here"
            yield found(Code.WAITING_UNIT_CAPPED, written.document, path, why, instead)
        if unit.max == 0 or 0 in unit.max_resources.values():
            why = f"The cap of units[{index}] is 0: it is full before the first pod comes (O2)."
            instead = "a cap of at least 1, or no such unit"
            yield found(Code.NEVER_OPENS, written.document, path, why, instead)


def _last(written: PolicyDocument) -> Iterator[Finding]:
    last = len(written.policy.units) - 1
    unit = written.policy.units[last]
    if not unit.capped:
        return
    cap = "max" if unit.max is not None else "maxResources"
    why = (
        f"units[{last}], the last, has {cap}: when it is reached the pods that are left stay Pending, "
        "however many nodes are free, and no autoscaler is asked for them (O2, W3)."
    )
    instead = "a last unit without max and maxResources, if the cap is not a budget"
    yield found(Code.LAST_UNIT_CAPPED, written.document, ("spec", "units", last, cap), why, instead)


def _overlap(written: PolicyDocument, earlier: int, later: int) -> Iterator[Finding]:
    first, second = written.policy.units[earlier], written.policy.units[later]
    path = ("spec", "units", later)
    if not _same_kind(first, second) or _distinct(first, second):
        return
    if _within(second, first) and not first.capped:
        why = (
            f"Every node of units[{later}] is in units[{earlier}] already, which has no cap: units[{later}] "
            "is only asked when no node of it has room (O1)."
        )
        instead = f"a nodeSelector that keeps them apart, or the narrower unit {later} first"
        yield found(Code.NEVER_REACHED, written.document, path, why, instead)
    elif first.capped and (_within(first, second) or _within(second, first)):
        why = (
            f"units[{later}] contains nodes of units[{earlier}]: when the cap of units[{earlier}] is "
            f"reached, further pods reach the same nodes through units[{later}] and count there (U5)."
        )
        instead = f"a nodeSelector on units[{later}] that leaves out the nodes of units[{earlier}]"
        yield found(Code.CAP_BYPASSED, written.document, path, why, instead)


def _same_kind(first: Unit, second: Unit) -> bool:
    kinds = {first.resource, second.resource}
    return len(kinds) == 1 or kinds <= set(_ORDINARY) or kinds.isdisjoint(_ORDINARY)


def _within(inner: Unit, outer: Unit) -> bool:
    """Whether each node of `inner` is one of `outer`."""
    return carries(inner.node_selector, outer.node_selector)


def _distinct(first: Unit, second: Unit) -> bool:
    """On the same nodes: virtual capacity differs in what is written to pods, a waiting unit waits."""
    if first.resource not in _ORDINARY:
        return first.marks != second.marks or first.resource != second.resource
    return second.waits_for_nodes and not first.waits_for_nodes
