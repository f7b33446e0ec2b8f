"""Which nodes and which policy, live: nodes outside every unit, several policies, an edited policy."""

import time

import pytest

from dev.controlplane import Object
from tests.e2e.objects import Site


@pytest.mark.parametrize("strategy", ["prefer", "required"])
def test_nodes_outside_every_unit_are_never_used(site: Site, strategy: str) -> None:
    """U6: under prefer, too, as ACK warns about them."""
    site.add_nodes("elsewhere", gpus=8)
    site.add_nodes("dc", gpus=1)
    site.create_policy(site.unit("dc"), strategy=strategy)
    site.create_pods("a", "b")
    assert site.placed("a") == {"a": "dc"}
    assert site.refused("b", "1 node(s) in no unit of ResourcePolicy policy")["reason"] == "Unschedulable"


def test_nodes_outside_every_unit_may_be_last_on_request(site: Site) -> None:
    """U6: the setting is for prefer; required stays required."""
    site.extender.restart(outside_units="last")
    site.add_nodes("elsewhere", gpus=8)
    site.add_nodes("dc", gpus=1)
    site.create_policy(site.unit("dc"), name="prefers", selector={"app": "prefers"})
    site.create_policy(site.unit("dc"), name="requires", strategy="required", selector={"app": "requires"})
    site.create_pods("a", "b", labels={"app": "prefers"})
    assert site.placed("a", "b") == {"a": "dc", "b": "elsewhere"}
    site.create_pods("c", labels={"app": "requires"})
    site.refused("c", "in no unit of ResourcePolicy requires")


def test_virtual_nodes_are_a_unit_by_their_kind(site: Site) -> None:
    """U2, U3: they are no ordinary nodes, even for a unit without a nodeSelector."""
    site.add_nodes("virtual", gpus=8, labels={"type": "virtual-kubelet"})
    site.add_nodes("dc", gpus=1)
    site.create_policy({"resource": "ecs"}, {"resource": "eci"})
    site.create_pods("a", "b")
    assert site.placed("a", "b") == {"a": "dc", "b": "virtual"}


def two_policies(site: Site) -> Object:
    """Both match; the older one, created in another second, wants the data centre."""
    site.add_nodes("dc", gpus=8)
    site.add_nodes("cloud", gpus=8)
    first = site.create_policy(site.unit("dc"), name="zz-older")
    site.await_after(first["metadata"]["creationTimestamp"])
    site.create_policy(site.unit("cloud"), name="aa-younger")
    return first


def test_the_oldest_of_several_policies_governs(site: Site) -> None:
    """M4: age goes before the name."""
    two_policies(site)
    site.create_pod("a")
    assert site.placed("a") == {"a": "dc"}


def test_the_next_policy_governs_when_the_oldest_is_gone(site: Site) -> None:
    """M4, E9: a pod that the first one refused is woken by its deletion alone."""
    older = two_policies(site)
    site.edit_policy(older, site.unit("dc", max=0))
    site.create_pod("a")
    site.refused("a", "ResourcePolicy zz-older, which is full: max 0 pod(s)")
    site.api.delete(site.api.path_of(older))
    assert site.placed("a", seconds=5) == {"a": "cloud"}


def test_a_conflict_refuses_the_pod_on_request(site: Site) -> None:
    """M4: the setting on_conflict."""
    site.extender.restart(on_conflict="reject")
    two_policies(site)
    site.create_pod("a")
    told = site.refused("a", "ResourcePolicy zz-older and another ResourcePolicy both match the pod")
    assert told["reason"] == "Unschedulable"


def test_raising_max_wakes_the_pods_that_wait(site: Site) -> None:
    """E9, L4: nothing else changes in the cluster; the pods that may go on land within seconds."""
    site.add_nodes("dc", gpus=8)
    policy = site.create_policy(site.unit("dc", max=1))
    names = ["a", "b", "c", "d"]
    site.create_pods(*names)
    site.placed("a")
    for name in ("b", "c", "d"):
        site.refused(name, "full: max 1 pod(s)")
    site.api.patch(site.api.path_of(policy), {"spec": {"units": [site.unit("dc", max=3)]}})
    began = time.monotonic()
    site.plane.wait(lambda: site.by_pool() == {"dc": 3}, what="two more pods to be placed", seconds=5)
    assert time.monotonic() - began < 3
    (left,) = site.waiting()
    site.refused(left, "full: max 3 pod(s)")


def test_another_unit_in_the_policy_wakes_the_pods_that_wait(site: Site) -> None:
    """E9: as above."""
    site.add_nodes("dc", gpus=1)
    site.add_nodes("cloud", gpus=8)
    policy = site.create_policy(site.unit("dc"))
    site.create_pods("a", "b")
    site.refused("b")
    units = [site.unit("dc"), site.unit("cloud")]
    site.api.patch(site.api.path_of(policy), {"spec": {"units": units}})
    assert site.placed("a", "b", seconds=5) == {"a": "dc", "b": "cloud"}


def test_without_its_policy_a_pod_that_waits_is_free(site: Site) -> None:
    """M5, E9: the deletion alone wakes it."""
    site.add_nodes("cloud", gpus=1)
    policy = site.create_policy(site.unit("dc"))
    site.create_pod("a")
    site.refused("a", "in no unit")
    site.api.delete(site.api.path_of(policy))
    assert site.placed("a", seconds=5) == {"a": "cloud"}


def test_a_pod_that_changes_its_labels_changes_its_policy(site: Site) -> None:
    """M2."""
    site.add_nodes("dc", gpus=8)
    site.create_policy(site.unit("dc", max=0), selector={"app": "closed"})
    site.create_pods("a", labels={"app": "closed"})
    site.refused("a", "full: max 0 pod(s)")
    site.api.patch(f"{site.pods_path}/a", {"metadata": {"labels": {"app": "open"}}})
    assert site.placed("a", seconds=5) == {"a": "dc"}


def test_an_edit_moves_no_pod_that_runs(site: Site) -> None:
    """L4, C8."""
    site.add_nodes("dc", gpus=8)
    site.add_nodes("cloud", gpus=8)
    policy = site.create_policy(site.unit("dc"), site.unit("cloud"))
    site.create_pods("a", "b")
    site.placed("a", "b")
    site.edit_policy(policy, site.unit("cloud", max=1), site.unit("dc", max=1))
    site.create_pods("c", "d")
    assert site.placed("a", "b", "c") == {"a": "dc", "b": "dc", "c": "cloud"}
    site.refused("d", "full: max 1 pod(s)")
