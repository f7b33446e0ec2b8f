"""When a pod was first refused, where the API does not tell it (O5, O9).

Owns one correction; must not know where pods are kept. PodScheduled becomes False when a pod is created with
a scheduling gate, and keeps that time when the scheduler, the gate gone, refuses the pod: a pod that a queue
held back for an hour would have waited that hour for room. Who saw it gated knows better.
"""

from dataclasses import replace

from policy.objects import Pod

__all__ = ["refused_since_its_gate"]

_AT_BIRTH = 1.0
"""Seconds after its creation in which a time may be that of a gate: none is added later."""


def refused_since_its_gate(pod: Pod, before: Pod | None, now: float) -> Pod:
    """The pod as it is told now, its first refusal put right by how it was known before."""
    told = pod.unscheduled_since
    if told is None or before is None:
        return pod
    known = before.unscheduled_since
    if known is None and told <= pod.created + _AT_BIRTH:
        known = now
    return pod if known is None or known <= told else replace(pod, unscheduled_since=known)
