"""Writes on pods: the poke that wakes one.

Owns the patch; must not know when it is due.
"""

import logging
from collections.abc import Callable

from extender.connection import ApiError, Connection, Unreachable
from extender.requeue import POKED
from policy.objects import Pod

__all__ = ["poke"]

log = logging.getLogger(__name__)

_GONE = (404, 409)
"""The pod is deleted, or another one has its name."""


def poke(connection: Connection, clock: Callable[[], float]) -> Callable[[Pod], bool]:
    """A function that touches a pod, so that kube-scheduler tries it again, and says whether that is done."""

    def touch(pod: Pod) -> bool:
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
        metadata = {"uid": pod.uid, "annotations": {POKED: f"{clock():.3f}"}}
        try:
            connection.patch(path, {"metadata": metadata})
        except ApiError as error:
            if error.status not in _GONE:
                log.warning("%s/%s could not be woken: %s", pod.namespace, pod.name, error)
                return False
        except Unreachable as error:
            log.warning("%s/%s could not be woken: %s", pod.namespace, pod.name, error)
            return False
        return True

    return touch
