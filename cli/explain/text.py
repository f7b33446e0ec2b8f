"""The account of a pod as text of 80 columns and as JSON."""

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import click
import msgspec

from cli.cluster.snapshot import ReportedCondition
from cli.explain.report import ExplainReport, NodeRequestReport
from cli.truncate import truncated
from policy.api.duration import format_duration
from policy.explain.pod_summary import PodStage
from policy.explain.types import Explanation, UnitExplanation, UnitOutcome
from policy.scheduling.decision_record import Verb
from policy.scheduling.refusals import Reason

__all__ = ["SHOWN"]

_WIDTH = 80
_LABEL = 13
_WHAT = 48
_HOUR, _DAY = 3_600, 86_400
_COLOURS = {
    UnitOutcome.USED: "green",
    UnitOutcome.EXHAUSTED: "yellow",
    UnitOutcome.NO_ROOM: "yellow",
    UnitOutcome.WAITING: "red",
    UnitOutcome.NOT_REACHED: "bright_black",
}


def _ago(at: float, now: float) -> str:
    """`12s ago (18:25:03Z)`."""
    span = _span(abs(now - at))
    return f"{span} ago ({_clock(at, now)})" if at <= now else f"in {span} ({_clock(at, now)})"


def _clock(at: float, now: float) -> str:
    """The time of the day, with the day if it was another."""
    form = "%H:%M:%SZ" if abs(now - at) < _DAY else "%Y-%m-%d %H:%M:%SZ"
    return datetime.fromtimestamp(at, UTC).strftime(form)


def _span(seconds: float) -> str:
    """Two units are enough: nobody counts the seconds of a day."""
    whole = round(seconds)
    if whole >= 2 * _DAY:
        return f"{whole // _DAY}d"
    return format_duration(whole // 60 * 60 if whole >= _HOUR else whole)


def _text(account: ExplainReport) -> str:
    headline = f"Pod {account.namespace}/{account.pod} {_phase(account)}."
    lines = [click.style(line, bold=True) for line in _wrapped(headline, _WIDTH)]
    policy = f"ResourcePolicy {account.policy}" if account.policy else "none"
    lines += ["", *_labelled("Policy", [policy, *account.notes])]
    if account.decisions:
        lines += ["", *_decision(account)]
    if account.again:
        lines += ["", *_labelled("Tried again", [f"{_again(account)}."])]
    lines += _events(account)
    return "\n".join(lines)


def _again(account: ExplainReport) -> str:
    if account.retry_at is None:
        return account.again
    at = _ago(account.retry_at, account.asked_at)
    timed = account.decisions[0].reason is Reason.WAITING_FOR_TIMEOUT
    return f"{at}, {account.again}" if timed else f"{account.again}, {at} at the latest"


def _phase(account: ExplainReport) -> str:
    since = f" since {_clock(account.since, account.asked_at)}" if account.since else ""
    place = "" if account.unit is None else f", in units[{account.unit}]"
    match account.phase:
        case PodStage.FINISHED:
            return "has finished"
        case PodStage.TERMINATING:
            return f"is terminating on {account.node}{place}" if account.node else "is terminating"
        case PodStage.PLACED:
            return f"is on {account.node}{place}{since}"
        case PodStage.GATED:
            return "is kept from kube-scheduler by a scheduling gate"
        case PodStage.NOT_TRIED:
            return "is new: kube-scheduler has not said anything about it yet"
    return f"is pending{since}"


def _labelled(label: str, paragraphs: Sequence[str]) -> Iterator[str]:
    """The label once, in bold, and each paragraph wrapped beside it."""
    lines = [line for paragraph in paragraphs for line in _wrapped(paragraph, _WIDTH - _LABEL)]
    for number, line in enumerate(lines):
        head = "" if number else label
        yield click.style(head, bold=True) + " " * (_LABEL - len(head)) + line


def _wrapped(paragraph: str, width: int) -> list[str]:
    return textwrap.wrap(paragraph, width, break_long_words=False, break_on_hyphens=False) or [""]


def _decision(account: ExplainReport) -> Iterator[str]:
    newest, *earlier = account.decisions
    now = account.asked_at
    when = [_when(newest, now)] if account.source else [account.source_note]
    yield from _labelled("Decision", [*when, account.conclusion])
    yield ""
    for explained in newest.units:
        yield from _unit(explained)
    if earlier:
        yield ""
        yield from _labelled("Before that", [f"{_when(one, now)}: {_brief(one)}" for one in earlier])


def _when(one: Explanation, now: float) -> str:
    verb = "preemption, " if one.verb is Verb.PREEMPT else ""
    repeated = f", the last of {one.times} alike since {_clock(one.since, now)}" if one.times > 1 else ""
    return f"{verb}{_ago(one.at, now)}{repeated}"


def _brief(one: Explanation) -> str:
    if one.reason is None:
        return one.why
    message = next((f"units[{v.unit}] {v.why}" for v in one.units if v.reason == one.reason), one.why)
    return f"{one.reason} ({one.rule}), {message}"


def _unit(explained: UnitExplanation) -> Iterator[str]:
    head = f"  units[{explained.unit}]"
    state = click.style(str(explained.state), fg=_COLOURS[explained.state])
    rule = f" ({explained.rule})" if explained.rule else ""
    yield f"{head:<{_LABEL}}{truncated(explained.what, _WHAT)}: {state}{rule}"
    yield from _labelled("", [part for part in (explained.why, _counted(explained)) if part])


def _counted(explained: UnitExplanation) -> str:
    """The numbers that the sentence does not hold yet."""
    if explained.pods is None:
        return ""
    of = "" if explained.max is None else f" of max {explained.max}"
    parts = [] if explained.reason is Reason.MAX_REACHED else [f"{explained.pods}{of} pod(s) counted"]
    parts += [
        f"{amount.resource} {amount.used} used + {amount.requested} requested of {amount.limit}"
        for amount in explained.amounts
    ]
    return ", ".join(parts)


def _events(account: ExplainReport) -> Iterator[str]:
    now = account.asked_at
    message = [": ".join(part for part in (_age(one, now), one.message) if part) for one in account.scheduler]
    if message:
        yield from ("", *_labelled("Scheduler", message))
    asked = [
        f"{_bought(purchase)}, {_ago(purchase.at, now)}: {purchase.said}" for purchase in account.autoscaler
    ]
    if asked or account.autoscaler_notes:
        yield from ("", *_labelled("Autoscaler", [*account.autoscaler_notes, *asked]))
    if account.source and account.decisions:
        yield from ("", *_labelled("Source", [f"the decisions are those of {account.source}"]))
    if account.unread:
        yield from ("", *_labelled("Not read", account.unread))


def _age(one: ReportedCondition, now: float) -> str:
    return f"{one.reason}, {_ago(one.at, now)}" if one.at else one.reason


def _bought(purchase: NodeRequestReport) -> str:
    place = "" if purchase.unit is None else f" in units[{purchase.unit}]"
    return f"{purchase.request} asks for {purchase.pods} pod(s){place}"


def _json(account: ExplainReport) -> str:
    return msgspec.json.format(msgspec.json.encode(account)).decode()


SHOWN: Mapping[str, Callable[[ExplainReport], str]] = {"text": _text, "json": _json}
