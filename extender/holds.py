"""Holds: the annotation that keeps cluster-autoscaler from acting on a pod by itself (A1, A10).

Owns which pods carry it, as a pure choice, and the two patches; must not know what is asked for instead.
Facts: autoscaler.md, section 4. A value that the user set is left alone: ours has our mark beside it.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from extender.connection import ApiError, Connection
from policy.objects import Pod

__all__ = ["DELAY", "MARK", "Change", "Holds", "changes", "hold_of"]

log = logging.getLogger(__name__)

DELAY = "cluster-autoscaler.kubernetes.io/pod-scale-up-delay"
MARK = "resourcepolicy.io/held"
_FOR_EVER = "8760h"
_AGAIN = 5.0
"""Seconds after which a patch is repeated that the watch does not show."""
_GONE = (404, 409)  # 409: another pod of that name


@dataclass(frozen=True, slots=True)
class Change:
    """A hold to put on a pod, or to take off."""

    pod: Pod
    held: bool


def changes(pods: Iterable[Pod], due: Collection[str]) -> list[Change]:
    """What has to change for exactly the pods with uids in `due` to be held, placed pods aside."""
    found = []
    for pod in pods:
        if pod.node_name or pod.finished or pod.terminating:
            continue
        if pod.uid in due and DELAY not in pod.annotations:
            found.append(Change(pod, held=True))
        elif pod.uid not in due and MARK in pod.annotations:
            found.append(Change(pod, held=False))
    return found


def hold_of(annotations: Mapping[str, str]) -> set[str]:
    """The keys of a hold that is ours; a delay that the user changed since is theirs."""
    if MARK not in annotations:
        return set()
    return {MARK, DELAY} if annotations.get(DELAY) == _FOR_EVER else {MARK}


@dataclass(slots=True)
class Holds:
    """Writes changes, each once until the watch shows it. `clock` is monotonic."""

    connection: Connection
    clock: Callable[[], float]
    written: dict[tuple[str, bool], float] = field(default_factory=dict)

    def write(self, wanted: Iterable[Change]) -> None:
        """Patch the pods."""
        now = self.clock()
        self.written = {key: at for key, at in self.written.items() if now - at < _AGAIN}
        for change in wanted:
            key = change.pod.uid, change.held
            if key not in self.written:
                self._patch(change)
                self.written[key] = now
                self.written.pop((change.pod.uid, not change.held), None)

    def _patch(self, change: Change) -> None:
        pod = change.pod
        released = dict.fromkeys(hold_of(pod.annotations))
        values = {DELAY: _FOR_EVER, MARK: "true"} if change.held else released
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
        try:
            self.connection.patch(path, {"metadata": {"uid": pod.uid, "annotations": values}})
        except ApiError as error:
            # One pod that cannot be written, by an admission policy perhaps, must not stop the rest.
            level = logging.DEBUG if error.status in _GONE else logging.WARNING
            log.log(level, "%s/%s could not be patched: %s", pod.namespace, pod.name, error)
        else:
            log.info("%s/%s: %s", pod.namespace, pod.name, "held" if change.held else "hold released")
