"""Which node groups bring nodes of a unit, as far as nodes and their providers tell. Rule: W4.

What the setting says is in test_growth_refused.
"""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from cluster.settings import Settings, WatcherSettings
from policy.api.resourcepolicy import Unit
from tests.builders import a_node, a_policy, a_unit
from tests.unit.watcher.fixtures import FAR, NEAR, World, waiting
from watcher.provisioner.autoscaler_status import AutoscalerStatus, NodeGroup
from watcher.provisioner.interface import RequestPhase
from watcher.scaleup.unit_node_groups import NodeGroups

MARKS = {"mark": "asg-{}", "agentpool": "aks-{}-[0-9]+-vmss"}
A, B, C = (NodeGroup(f"asg-{name}", max_size=9) for name in "abc")
STATUS = AutoscalerStatus("1", (A, B, C))
ON_A = a_node("a-1", "near", labels={"mark": "a", "zone": "z1"})
ON_B = a_node("b-1", "far", labels={"mark": "b"})
SETTING = {"asg-a": {"pool": "elsewhere"}}


def names(groups: NodeGroups, unit: Unit) -> tuple[list[str], list[str]]:
    """The groups that are known to serve the unit, and all that might."""
    found = groups.serving(unit, STATUS), groups.possible(unit, STATUS)
    serving, possible = ([group.name.removeprefix("asg-") for group in each] for each in found)
    return serving, possible


@pytest.mark.parametrize(
    ("setting", "unit", "expected"),
    [
        pytest.param({}, NEAR, (["a"], ["a", "c"]), id="its nodes have the labels; nothing is known of c"),
        pytest.param({}, a_unit("attic", resource="elastic"), ([], []), id="none has them: nothing is known"),
        pytest.param({}, a_unit(node_selector={"pool": "near", "zone": "z2"}), ([], []), id="all pairs"),
        pytest.param({}, a_unit(node_selector={"mark": "c"}), (["c"], ["c"]), id="it names its group"),
        pytest.param(SETTING, NEAR, ([], []), id="the setting knows better than the nodes"),
        pytest.param({"asg-[bc]": {"pool": "x"}}, NEAR, (["a"], ["a"]), id="c is told to be another's"),
        pytest.param({"asg-b": {"pool": "near"}}, NEAR, (["a", "b"], ["a", "b"]), id="the setting adds"),
    ],
)
def test_groups_are_known_by_the_labels_of_their_nodes(
    setting: Mapping[str, Mapping[str, str]], unit: Unit, expected: tuple[list[str], list[str]]
) -> None:
    keys = {"pool", "zone"}
    assert names(NodeGroups(setting, MARKS).with_nodes([ON_A, ON_B], STATUS, keys), unit) == expected


def test_what_is_known_of_a_group_stays_when_its_nodes_are_gone() -> None:
    groups = NodeGroups({}, MARKS).with_nodes([ON_A], STATUS, {"pool"}).with_nodes([ON_B], STATUS, {"pool"})
    assert [names(groups, unit)[0] for unit in (NEAR, FAR)] == [["a"], ["b"]]


def test_a_unit_is_passed_over_only_if_no_group_is_left_that_might_serve_it() -> None:
    """What is not known of a group must keep nobody waiting."""
    full = replace(A, target=9)
    known = NodeGroups({}, MARKS).with_nodes([ON_A, ON_B], STATUS, {"pool"})
    assert known.blocked(NEAR, AutoscalerStatus("1", (full, B, C))) is None
    blocked = known.blocked(NEAR, AutoscalerStatus("1", (full, B)))
    assert blocked
    assert blocked.message == "asg-a: at its maximum of 9"


@pytest.mark.parametrize(
    ("label", "value", "group"),
    [
        pytest.param(
            "eks.amazonaws.com/nodegroup", "gpu", "eks-gpu-1cbf0a2e-8a4b-9d67-0c11-4e7f3b0a9d52", id="EKS"
        ),
        pytest.param(
            "cloud.google.com/gke-nodepool",
            "gpu-pool",
            "https://www.googleapis.com/compute/v1/projects/p/zones/z/instanceGroups/gke-c-gpu-pool-1f2e3d4c-grp",
            id="GKE",
        ),
        pytest.param("kubernetes.azure.com/agentpool", "gpu", "aks-gpu-12345678-vmss", id="AKS"),
        pytest.param("agentpool", "gpu", "aks-gpu-12345678-vmss", id="AKS, the older label"),
    ],
)
def test_the_labels_of_providers_name_their_groups(label: str, value: str, group: str) -> None:
    unit = a_unit(node_selector={label: value}, resource="elastic")
    status = AutoscalerStatus("1", (NodeGroup(group), NodeGroup(group.replace("gpu", "gpus"))))
    found = NodeGroups({}, WatcherSettings().node_group_labels).serving(unit, status)
    assert [each.name for each in found] == [group]


def test_a_value_is_no_expression() -> None:
    unit = a_unit(node_selector={"mark": "."}, resource="elastic")
    assert not NodeGroups({}, MARKS).serving(unit, STATUS)


def test_the_watcher_learns_from_the_nodes_there_are() -> None:
    """W4: the group that its own node named is full, and the next unit is asked unasked."""
    world = World(
        a_policy(NEAR, FAR), settings=Settings(watcher=WatcherSettings(node_group_labels=dict(MARKS)))
    )
    world.autoscaler.current_status = AutoscalerStatus("1", (replace(A, max_size=1, target=1), B))
    world.put(ON_A, ON_B, *(replace(waiting(name), node_name=f"{name}-1") for name in "ab"))
    world.reconcile()
    world.put(waiting("c"))
    assert world.reconcile(2) == [(1, ["c"])]
    assert world.after_phase(RequestPhase.PROVISIONED) == []
