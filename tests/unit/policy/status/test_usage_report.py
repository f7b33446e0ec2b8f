"""Where the pods of a policy are: what is counted, in which column."""

from collections.abc import Callable

from policy.api.objects import Phase, Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.status.usage_report import UsageReport, usage_report
from tests.builders import NOW, a_node, a_pod, a_policy, a_snapshot, a_unit

GPU = "nvidia.com/gpu"
NODES = [a_node("dc-1", "dc"), a_node("dc-2", "dc", ready=False), a_node("cloud-1", "cloud"), a_node("x-1")]
CAPPED = a_policy(a_unit("dc", max=2, max_resources={GPU: "8"}), a_unit("cloud", resource="elastic"))


def counted(policy: ResourcePolicy, *pods: Pod) -> UsageReport:
    return usage_report(policy, pods, a_snapshot(policy, nodes=NODES, pods=pods), NOW)


def at(name: str, on: str, age: float = 0.0, **fields: object) -> Pod:
    build: Callable[..., Pod] = a_pod
    return build(name, on=on, bound_at=NOW - age, requests={GPU: "3"}, **fields)


def test_each_unit_has_its_pods_nodes_and_caps() -> None:
    found = counted(CAPPED, at("a", "dc-1"), at("b", "dc-1"), at("c", "cloud-1"), at("d", "x-1"), a_pod("e"))
    first, second = found.units
    assert (first.pods, first.counted, first.nodes, first.ready) == (2, 2, 2, 1)
    assert [(cap.what, cap.used, cap.limit) for cap in first.caps] == [
        ("pods", "2", "2"),
        (GPU, "6", "8"),
    ]
    assert (second.pods, second.caps, second.waits_for_nodes, second.selector) == (1, (), True, "pool=cloud")
    assert (found.outside, found.pending, found.spill) == (1, ("e",), 0.5)


def test_pods_that_do_not_count_against_a_cap_are_there_all_the_same() -> None:
    """C3."""
    found = counted(CAPPED, at("a", "dc-1"), at("b", "dc-1", terminating=True))
    assert (found.units[0].pods, found.units[0].counted, found.units[0].caps[0].used) == (2, 1, "1")


def test_a_finished_pod_is_nowhere() -> None:
    """C5."""
    assert counted(CAPPED, at("b", "dc-1", phase=Phase.SUCCEEDED)) == counted(CAPPED)


def test_a_cap_is_told_by_the_group_that_has_most_of_it() -> None:
    """C2."""
    policy = a_policy(a_unit("dc", max=2), match_label_keys=("rev",))
    pods = [at(f"{rev}{i}", "dc-1", labels={"rev": rev}) for rev, n in (("1", 1), ("2", 2)) for i in range(n)]
    found = counted(policy, *pods)
    assert (found.groups, found.units[0].pods, found.units[0].caps[0].used) == (2, 3, "2")


def test_the_spill_is_told_by_when_pods_were_placed() -> None:
    """Each pod in one span; a pod that no scheduler placed in none."""
    ages = [("dc-1", 5.0), ("cloud-1", 599.0), ("cloud-1", 601.0), ("dc-1", 86_399.0), ("x-1", 90_000.0)]
    pods = [at(f"p{i}", node, age) for i, (node, age) in enumerate(ages)]
    found = counted(CAPPED, *pods, a_pod("q", on="dc-1"))
    assert [(p.name, p.pods, p.units, p.outside) for p in found.periods] == [
        ("last 10m", 2, (1, 1), 0),
        ("last hour", 1, (0, 1), 0),
        ("last day", 1, (1, 0), 0),
        ("before", 1, (0, 0), 1),
    ]


def test_the_oldest_pending_pod_is_named_first_and_nothing_is_a_spill_of_none() -> None:
    found = counted(CAPPED, a_pod("young", created=NOW - 1), a_pod("old", created=NOW - 9))
    assert found.pending == ("old", "young")
    assert found.spill is None
