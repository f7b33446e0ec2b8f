"""Rules RP020 to RP023: modes of overflow that do not do what they seem to.

Rules O3 to O7, U4.
"""

from collections.abc import Iterator

from policy.api.duration import format_duration
from policy.api.resourcepolicy import WAIT_LABEL, NextUnits, Unit
from policy.lint.context import LintContext, found
from policy.lint.documents import PolicyDocument
from policy.lint.findings import Code, Finding

__all__ = ["overflow_findings"]

_TIMED = (NextUnits.TIMEOUT_OR_EXCEED_MAX, NextUnits.TIMEOUT)
_NEVER_WAITS = (NextUnits.LACK_RESOURCE_OR_EXCEED_MAX, NextUnits.LACK_RESOURCE_AND_NO_TERMINATING)
_WAITING = f'podLabels: {{{WAIT_LABEL}: "true"}}'


def overflow_findings(context: LintContext) -> Iterator[Finding]:
    """RP020 to RP023."""
    for written in context.policies:
        units = written.policy.units[:-1]
        yield from _never_waits(written, units)
        for index, unit in enumerate(units):
            yield from _waits_for_ever(written, index, unit)
            yield from _skipped(written, index, unit)
        yield from _short(written, units, context.given.nodes_start)


def _never_waits(written: PolicyDocument, units: tuple[Unit, ...]) -> Iterator[Finding]:
    mode = written.policy.when_try_next_units.policy
    if mode is NextUnits.EXCEED_MAX:
        waiting = [unit for unit in units if unit.capped]
        instead = "max on the unit to wait in, or policy: TimeoutOrExceedMax with " + _WAITING
    elif mode is NextUnits.TIMEOUT_OR_EXCEED_MAX:
        waiting = [unit for unit in units if unit.capped or unit.waits_for_nodes]
        instead = f"{_WAITING} on the unit to wait in, or max"
    else:
        return
    if units and not waiting:
        why = f"With {mode} a pod waits only in a unit {_WHERE[mode]}, and none but perhaps the last is one."
        path = ("spec", "whenTryNextUnits", "policy")
        yield found(Code.NEVER_WAITS, written.document, path, why, instead)


_WHERE = {
    NextUnits.EXCEED_MAX: "that has a cap (O4)",
    NextUnits.TIMEOUT_OR_EXCEED_MAX: "that has a cap or waits for nodes (O5)",
}


def _waits_for_ever(written: PolicyDocument, index: int, unit: Unit) -> Iterator[Finding]:
    mode = written.policy.when_try_next_units.policy
    if mode is not NextUnits.EXCEED_MAX or not unit.capped or unit.waits_for_nodes:
        return
    why = (
        f"units[{index}] has a cap: while it is not reached and no node has room, ExceedMax holds pods here "
        "without limit, though later units are free (O4). A cap above what the nodes can hold is never "
        "reached."
    )
    instead = "policy: TimeoutOrExceedMax with a timeout, or an autoscaler's pool with " + _WAITING
    path = ("spec", "whenTryNextUnits", "policy")
    yield found(Code.WAITS_FOR_EVER, written.document, path, why, instead)


def _short(written: PolicyDocument, units: tuple[Unit, ...], nodes_start: float) -> Iterator[Finding]:
    when = written.policy.when_try_next_units
    waiting = [i for i, unit in enumerate(units) if unit.waits_for_nodes]
    if when.policy not in _TIMED or when.timeout >= nodes_start or not waiting:
        return
    why = (
        f"A pod waits {format_duration(when.timeout)} in units[{waiting[0]}] and nodes take about "
        f"{format_duration(nodes_start)} to start: it goes on, and the node that was bought for it comes up "
        "empty (O5)."
    )
    path = ("spec", "whenTryNextUnits", "timeout")
    instead = f"timeout: {format_duration(max(2 * nodes_start, 60))}, or tell lint a shorter --nodes-start"
    yield found(Code.TIMEOUT_SHORT, written.document, path, why, instead)


def _skipped(written: PolicyDocument, index: int, unit: Unit) -> Iterator[Finding]:
    mode = written.policy.when_try_next_units.policy
    if not unit.waits_for_nodes or mode not in _NEVER_WAITS:
        return
    why = (
        f"units[{index}] is to be waited in, and {mode} never waits: while a later unit has a free node, "
        "pods go there at once and nothing is asked to grow (O3, U4)."
    )
    instead = "whenTryNextUnits: {policy: TimeoutOrExceedMax, timeout: 15m}"
    yield found(Code.WAITING_UNIT_SKIPPED, written.document, ("spec", "units", index), why, instead)
