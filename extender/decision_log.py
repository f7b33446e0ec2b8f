"""The latest decisions about each pod, for whoever asks why it is where it is.

Kept in memory only: a restart begins anew. Equal decisions in a row are kept as one, with their number:
frequent retries must not evict the first decision.
"""

from collections import OrderedDict
from typing import NamedTuple

from policy.explain.builder import explain
from policy.explain.types import Explanation
from policy.scheduling.decision_record import DecisionRecord

__all__ = ["DecisionLog"]

_PODS = 5_000
_PER_POD = 4


class _Kept(NamedTuple):
    last: DecisionRecord
    since: float
    times: int


class DecisionLog:
    """Bounded: a pod's oldest decision goes first, then the pod that was not asked about for longest."""

    def __init__(self, began: float, pods: int = _PODS) -> None:
        self.began = began
        self._pods = pods
        self._kept: OrderedDict[str, tuple[_Kept, ...]] = OrderedDict()

    def keep(self, record: DecisionRecord) -> None:
        """Take a decision down."""
        uid = record.pod.uid
        before = self._kept.get(uid, ())
        last = before[-1] if before else None
        if last is not None and record.repeats(last.last):
            before, kept = before[:-1], _Kept(record, last.since, last.times + 1)
        else:
            kept = _Kept(record, record.at, 1)
        self._kept[uid] = (*before[1 - _PER_POD :], kept)
        self._kept.move_to_end(uid)
        if len(self._kept) > self._pods:
            self._kept.popitem(last=False)

    def about(self, namespace: str, name: str) -> list[Explanation]:
        """What is kept about a pod, the newest first; of several of that name, about the last one."""
        for kept in reversed(self._kept.values()):
            pod = kept[-1].last.pod
            if (pod.namespace, pod.name) == (namespace, name):
                return [explain(one.last, one.since, one.times) for one in reversed(kept)]
        return []
