"""After placement, on the real API and with the real ReplicaSet controller (L1, L2, L4)."""

from collections.abc import Mapping

import pytest

from dev.controlplane import Object
from policy.api import wellknown
from tests.e2e.objects import Site, condition, is_bound

pytestmark = pytest.mark.usefixtures("watcher")

OURS = "-100"


def cost(pod: Object) -> str:
    return str(pod["metadata"].get("annotations", {}).get(wellknown.POD_DELETION_COST, "0"))


def costs(site: Site) -> dict[str, set[str]]:
    """The costs that occur, by pool."""
    found: dict[str, set[str]] = {}
    for pod in filter(is_bound, site.pods()):
        found.setdefault(pod["spec"]["nodeName"].split(".")[1], set()).add(cost(pod))
    return found


def await_costs(site: Site, **expected: str) -> None:
    wanted = {pool: {value} for pool, value in expected.items()}
    site.plane.wait(lambda: costs(site) == wanted, what=f"the costs to be {expected}")


def await_pools(site: Site, expected: Mapping[str, int]) -> None:
    site.plane.wait(
        lambda: site.by_pool() == expected and len(site.pods()) == sum(expected.values()),
        what=f"the pods to be {dict(expected)}",
    )


def cloud_first(site: Site) -> str:
    """A Deployment whose pods in the data centre are the younger, and share a node.

    By itself the ReplicaSet controller would delete them first, for both reasons.
    """
    site.add_nodes("cloud", 3, gpus=1)
    path = site.create_deployment("model", 3)
    await_pools(site, {"cloud": 3})
    site.add_nodes("dc", gpus=3)
    site.api.patch(path, {"spec": {"replicas": 6}})
    await_pools(site, {"cloud": 3, "dc": 3})
    return path


def test_scaled_in_by_hand_the_last_unit_goes_first(site: Site) -> None:
    """L2: one after the other, and then the first unit's."""
    site.create_policy(site.unit("dc"), site.unit("cloud"))
    path = cloud_first(site)
    await_costs(site, dc="0", cloud=OURS)
    for replicas, left in ((5, {"cloud": 2, "dc": 3}), (3, {"dc": 3}), (1, {"dc": 1})):
        site.api.patch(path, {"spec": {"replicas": replicas}})
        await_pools(site, left)


def test_pods_from_before_the_policy_follow_it_and_its_edits_and_are_left_as_they_were(site: Site) -> None:
    """L2, L4: nobody is moved, and what was written is removed."""
    path = cloud_first(site)
    policy = site.create_policy(site.unit("cloud"), site.unit("dc"))
    await_costs(site, dc=OURS, cloud="0")
    site.edit_policy(policy, site.unit("dc"), site.unit("elsewhere"), site.unit("cloud"))
    await_costs(site, dc="0", cloud="-200")
    site.edit_policy(policy, site.unit("dc"))
    await_costs(site, dc="0", cloud=OURS)
    site.api.patch(path, {"spec": {"replicas": 4}})
    await_pools(site, {"cloud": 1, "dc": 3})
    site.api.delete(site.api.path_of(policy))
    await_costs(site, dc="0", cloud="0")
    assert not [
        pod
        for pod in site.pods()
        if wellknown.DELETION_COST_WRITTEN in pod["metadata"].get("annotations", {})
    ]


def test_a_users_cost_is_left_alone(site: Site) -> None:
    """L2: that of the template, and one that was set over ours."""
    site.add_nodes("cloud", 3, gpus=1)
    site.create_policy(site.unit("dc"), site.unit("cloud"))
    site.create_pod("users", annotations={wellknown.POD_DELETION_COST: "7"})
    site.create_pod("ours")
    site.placed("users", "ours")
    site.plane.wait(lambda: cost(site.pod("ours")) == OURS, what="our cost")
    site.api.patch(
        f"{site.pods_path}/ours", {"metadata": {"annotations": {wellknown.POD_DELETION_COST: "9"}}}
    )
    site.plane.wait(
        lambda: wellknown.DELETION_COST_WRITTEN not in site.annotations("ours"),
        what="our mark to be taken off",
    )
    assert (cost(site.pod("users")), cost(site.pod("ours"))) == ("7", "9")
    assert "left alone" in site.told("policy", "ForeignDeletionCosts")["note"]


def test_of_a_node_in_two_units_the_record_tells(site: Site) -> None:
    """L3: the first unit is full, so the second pod is there through the second."""
    site.add_nodes("both", gpus=2)
    site.create_policy(site.unit("both", max=1), site.unit("both"))
    site.create_pods("a", "b")
    site.placed("a", "b")
    site.plane.wait(lambda: {cost(pod) for pod in site.pods()} == {"0", OURS}, what="the cost of one of them")


def test_labels_are_written_and_counted_and_one_that_the_workload_selects_by_is_not(site: Site) -> None:
    """L1, C6: the Deployment keeps its pods, and the unit its max."""
    site.add_nodes("dc", gpus=4)
    site.add_nodes("cloud", gpus=4)
    labels = {"tier": "own", "app": "taken"}
    dc = site.unit("dc", max=2, podLabels=labels, podAnnotations={"example.com/bill-to": "us"})
    policy = site.create_policy(dc, site.unit("cloud"))
    path = site.create_deployment("model", 3)
    await_pools(site, {"cloud": 1, "dc": 2})

    def labelled() -> list[Object]:
        return site.api.items(site.pods_path, labelSelector="tier=own,app=model")

    site.plane.wait(lambda: len(labelled()) == 2, what="the labels of two pods")
    assert {pod["metadata"]["annotations"]["example.com/bill-to"] for pod in labelled()} == {"us"}
    site.extender.restart()
    site.api.patch(path, {"spec": {"replicas": 4}})
    await_pools(site, {"cloud": 2, "dc": 2})

    def told() -> bool:
        refused = condition(site.api.get(site.api.path_of(policy)), "LabelsRefused")
        return refused.get("status") == "True" and "units[0].podLabels: app" in refused["message"]

    site.plane.wait(told, what="the label that is not written to be told")
    assert "units[0].podLabels: app" in site.told("policy", "LabelsRefused")["note"]
