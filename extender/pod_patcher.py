"""Writes on pods: the requeue that wakes one, the record of its unit."""

import logging
from collections.abc import Callable, Mapping

from cluster.kube.client import ApiError, KubeClient, Unreachable
from policy.api import wellknown
from policy.api.objects import Pod

__all__ = ["PodPatcher"]

log = logging.getLogger(__name__)

_GONE = (404, 409)
"""The pod is deleted, or another one has its name."""


class PodPatcher:
    """Each method says whether the write is done; a pod that is gone needs none."""

    def __init__(self, connection: KubeClient, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._clock = clock

    def requeue(self, pod: Pod) -> bool:
        """Touch a pod, so that kube-scheduler tries it again."""
        return self._annotate(pod, {wellknown.REQUEUED_AT: f"{self._clock():.3f}"})

    def record(self, pod: Pod, record: str) -> bool:
        """Write down the unit that a pod was placed through (L3)."""
        return self._annotate(pod, {wellknown.UNIT: record})

    def _annotate(self, pod: Pod, annotations: Mapping[str, str]) -> bool:
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
        try:
            # The uid makes the API server refuse another pod of the same name.
            self._connection.patch(path, {"metadata": {"uid": pod.uid, "annotations": annotations}})
        except ApiError as error:
            if error.status not in _GONE:
                log.warning("%s/%s was not annotated: %s", pod.namespace, pod.name, error)
                return False
        except Unreachable as error:
            log.warning("%s/%s was not annotated: %s", pod.namespace, pod.name, error)
            return False
        return True
