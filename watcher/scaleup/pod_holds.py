"""Holds: the annotation that keeps cluster-autoscaler from acting on a pod by itself (A1, A10).

A hold that nobody renews ends, and the autoscaler acts on the pod: no pod is forgotten by both sides. Facts:
docs/design/autoscaler.md. A value that the user set is left alone: ours has our mark beside it,
with the same value.
"""

import logging
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from cluster.kube.client import ApiError, KubeClient
from policy.api import wellknown
from policy.api.objects import Pod

__all__ = ["HoldChange", "HoldWriter", "hold_changes", "hold_of"]

log = logging.getLogger(__name__)

_AGAIN = 5.0
"""Seconds after which a patch is repeated that the watch does not show."""
_GONE = (404, 409)  # 409: another pod of that name


@dataclass(frozen=True, slots=True)
class HoldChange:
    """A hold to put on a pod, or to renew, with its value; or to take off, without."""

    pod: Pod
    delay: str = ""

    @property
    def held(self) -> bool:
        """Whether the pod is to be held."""
        return bool(self.delay)


def hold_changes(pods: Iterable[Pod], due: Collection[str], now: float, lasting: float) -> list[HoldChange]:
    """What has to change for exactly the pods with uids in `due` to be held, placed pods aside.

    A hold lasts for `lasting` seconds, and is renewed when half of them are over.
    """
    found = []
    for pod in pods:
        if pod.node_name or pod.finished or pod.terminating:
            continue
        if pod.uid in due and (
            wellknown.POD_SCALE_UP_DELAY not in pod.annotations or _left(pod, now) < lasting / 2
        ):
            # As the autoscaler reads it: the age of the pod from which on it may act.
            found.append(HoldChange(pod, f"{math.ceil(now - pod.created + lasting)}s"))
        elif pod.uid not in due and wellknown.HELD in pod.annotations:
            found.append(HoldChange(pod))
    return found


def hold_of(annotations: Mapping[str, str]) -> set[str]:
    """The keys of a hold that is ours; a delay that the user changed since is theirs."""
    if wellknown.HELD not in annotations:
        return set()
    return (
        {wellknown.HELD, wellknown.POD_SCALE_UP_DELAY}
        if annotations.get(wellknown.POD_SCALE_UP_DELAY) == annotations[wellknown.HELD]
        else {wellknown.HELD}
    )


def _left(pod: Pod, now: float) -> float:
    """Seconds until a hold of ours ends; without end if it is the user's."""
    written = pod.annotations[wellknown.POD_SCALE_UP_DELAY].removesuffix("s")
    if wellknown.POD_SCALE_UP_DELAY not in hold_of(pod.annotations) or not written.isdecimal():
        return math.inf
    return int(written) - (now - pod.created)


@dataclass(slots=True)
class HoldWriter:
    """Writes changes, each once until the watch shows it. `clock` is monotonic."""

    connection: KubeClient
    clock: Callable[[], float]
    written: dict[tuple[str, bool], float] = field(default_factory=dict)

    def write(self, wanted: Iterable[HoldChange]) -> None:
        """Patch the pods."""
        now = self.clock()
        self.written = {key: at for key, at in self.written.items() if now - at < _AGAIN}
        for change in wanted:
            key = change.pod.uid, change.held
            if key not in self.written:
                self._patch(change)
                self.written[key] = now
                self.written.pop((change.pod.uid, not change.held), None)

    def _patch(self, change: HoldChange) -> None:
        pod = change.pod
        released = dict.fromkeys(hold_of(pod.annotations))
        values = (
            {wellknown.POD_SCALE_UP_DELAY: change.delay, wellknown.HELD: change.delay}
            if change.held
            else released
        )
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
        try:
            self.connection.patch(path, {"metadata": {"uid": pod.uid, "annotations": values}})
        except ApiError as error:
            # One pod that cannot be written, by an admission policy perhaps, must not stop the rest.
            level = logging.DEBUG if error.status in _GONE else logging.WARNING
            log.log(level, "%s/%s could not be patched: %s", pod.namespace, pod.name, error)
        else:
            log.info("%s/%s: %s", pod.namespace, pod.name, "held" if change.held else "hold released")
