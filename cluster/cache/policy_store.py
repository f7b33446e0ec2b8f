"""The policies as they are written now, and which of them governs a pod.

It keeps their order of precedence in each namespace, and the last valid version of each (M4, M6). Part of
the cache, under its lock.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator

from policy.api.objects import Pod
from policy.api.resourcepolicy import RejectedPolicy, ResourcePolicy
from policy.scheduling.matching import matches, precedence

__all__ = ["PolicyStore"]


class PolicyStore:
    """By `namespace/name`."""

    def __init__(self) -> None:
        self.edits = 0
        """Grows whenever another form comes into force, or one ceases to be."""
        self._valid: dict[str, ResourcePolicy] = {}
        self._rejected: dict[str, RejectedPolicy] = {}
        self._of: defaultdict[str, list[ResourcePolicy]] = defaultdict(list)

    def __iter__(self) -> Iterator[ResourcePolicy]:
        """Those of one namespace in order of precedence."""
        return (policy for policies in self._of.values() for policy in policies)

    def __len__(self) -> int:
        return len(self._valid)

    def get(self, key: str) -> ResourcePolicy | None:
        """The last valid form."""
        return self._valid.get(key)

    def keys(self) -> set[str]:
        """Of all, the rejected too."""
        return self._valid.keys() | self._rejected.keys()

    def rejected(self) -> Collection[RejectedPolicy]:
        """The objects that are no usable policy as they are written."""
        return self._rejected.values()

    def in_namespace(self, namespace: str) -> Collection[ResourcePolicy]:
        """In order of precedence."""
        return self._of.get(namespace, ())

    def matching(self, pod: Pod) -> list[ResourcePolicy]:
        """Every policy that selects the pod, the governing one first."""
        return [policy for policy in self._of.get(pod.namespace, ()) if matches(policy, pod)]

    def governing(self, pod: Pod) -> ResourcePolicy | None:
        """The first of these."""
        policies = self._of.get(pod.namespace, ())
        return next((policy for policy in policies if matches(policy, pod)), None)

    def put(self, policy: ResourcePolicy | RejectedPolicy) -> None:
        """As it is written now. A rejected one leaves its last valid form in force."""
        if isinstance(policy, RejectedPolicy):
            self._rejected[policy.key] = policy
            return
        if policy == self._valid.get(policy.key):
            self._rejected.pop(policy.key, None)
            return
        self.drop(policy.key)
        self.edits += 1
        self._valid[policy.key] = policy
        self._of[policy.namespace] = sorted([*self._of[policy.namespace], policy], key=precedence)

    def drop(self, key: str) -> ResourcePolicy | None:
        """It is gone; the form that was in force, if there was one."""
        self._rejected.pop(key, None)
        policy = self._valid.pop(key, None)
        if policy is not None:
            self.edits += 1
            others = [other for other in self._of[policy.namespace] if other.key != key]
            self._of[policy.namespace] = others
        return policy
