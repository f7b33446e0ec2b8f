"""What the rounds came to, as text."""

from collections import Counter
from statistics import median

from dev.soak.scale_down.fixtures import UNITS
from dev.soak.scale_down.runner import Outcome

__all__ = ["report"]


def report(title: str, outcome: Outcome) -> str:
    choices = [decision for decision in outcome.choices if decision.could_err]
    wrong = [decision for decision in choices if any(decision.exceptions())]
    lines = [
        title,
        f"  scale-ins: {len(outcome.choices)}, of which {len(choices)} had more than one unit to choose from",
        f"  the last unit's pods went first in {_share(len(choices) - len(wrong), len(choices))}",
        f"  pods that went: {_by_unit(outcome)}",
    ]
    if after := outcome.written_after:
        figures = f"median {median(after):.2f} s, worst {max(after):.2f} s, {len(after)} pods"
        lines.append(f"  from a pod's binding to its cost: {figures}")
    exceptions = [exception for decision in wrong for exception in decision.exceptions()]
    for cause, count in Counter(exception.cause for exception in exceptions).most_common():
        lines.append(f"  {count} pod(s) went too early: {cause}")
        lines += [f"    {exception}" for exception in exceptions if exception.cause == cause]
    return "\n".join(lines)


def _by_unit(outcome: Outcome) -> str:
    went = Counter(pod.unit for decision in outcome.choices for pod in decision.went)
    units = [f"{went[unit]} of units[{unit}]" for unit in range(len(UNITS))]
    return ", ".join([*units, f"{went[None]} of no unit yet"])


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.1%})" if whole else "none of 0"
