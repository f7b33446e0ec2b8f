"""What the recount of test_cache cannot see: an index keeps nothing of pods and nodes that left."""

import sys

from cluster.cache.policy_index import PolicyIndex
from policy.api.options import NodeKinds
from policy.scheduling.accounting import PodUsage, Usage
from tests.builders import NOW, a_node, a_policy, a_unit, amounts

GPU = amounts({"nvidia.com/gpu": "1"})


def share(unit: int = 0, group: str = "g", *, terminating: bool = False) -> PodUsage:
    return PodUsage(unit, (group,), GPU, counted=True, terminating=terminating)


def an_index() -> PolicyIndex:
    policy = a_policy(a_unit("dc"), a_unit("cloud"), match_label_keys=("group",))
    return PolicyIndex(policy, NodeKinds(), lambda: NOW)


def size(index: PolicyIndex) -> int:
    """Bytes of every container in it."""
    kept = [getattr(index, name) for name in vars(index)]
    return sum(sys.getsizeof(part) for part in kept if isinstance(part, dict | list | set))


def test_groups_that_come_and_go_leave_nothing() -> None:
    """Every roll-out makes one: pod-template-hash."""
    index = an_index()
    before = size(index)
    for number in range(1000):
        index.put_share("pod", share(group=f"hash-{number}"))
        index.put_share("pod", None)
    assert size(index) <= before + 1000
    assert index.usage(0, ("hash-999",)) == Usage()


def test_a_share_is_replaced_and_the_one_before_is_told() -> None:
    index = an_index()
    first, second = share(0), share(1, terminating=True)
    assert index.put_share("pod", first) is None
    assert index.put_share("pod", second) == first
    assert (index.usage(0, ("g",)).pods, index.usage(1, ("g",)).pods) == (0, 1)
    assert (index.terminating(0), index.terminating(1)) == (False, True)
    assert index.put_share("pod", None) == second
    assert index.put_share("pod", None) is None
    assert not index.terminating(1)


def test_a_pod_is_left_out_of_its_own_group_alone() -> None:
    index = an_index()
    index.put_share("pod", share())
    index.put_share("other", share())
    assert index.usage(0, ("g",)).pods == 2
    assert index.usage(0, ("g",), excluding="pod") == Usage(1, GPU)
    assert index.usage(1, ("g",), excluding="pod") == Usage()
    assert index.usage(0, ("g",), excluding="unheard-of").pods == 2


def test_only_a_change_of_units_is_a_change() -> None:
    index = an_index()
    assert index.put_node(a_node("n", "dc"))
    assert not index.put_node(a_node("n", "dc", labels={"other": "label"}))
    assert index.put_node(a_node("n", "cloud"))
    assert index.units_of("n") == (1,)
    assert index.put_node(a_node("n"))
    index.drop_node("n")
    assert index.units_of("n") == ()
