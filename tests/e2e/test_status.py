"""What `kubectl get rpol` tells, written by the watcher with its own rights on the real API (M4, M8).

Owns the conditions as they are stored; what they say in each case is tests/watcher/test_status.py's.
"""

import time
from contextlib import closing

import pytest

from cluster.kube.client import connect
from dev.controlplane import Object
from tests.e2e.objects import Site, condition
from watcher.status.event_recorder import EventRecorder
from watcher.status.event_rules import About, EventSpec, EventType

pytestmark = pytest.mark.usefixtures("watcher")


def told(site: Site, policy: Object, kind: str, status: str) -> Object:
    """The condition of a policy, once it has this status."""
    path = site.api.path_of(policy)

    def found() -> Object | None:
        known = condition(site.api.get(path), kind)
        return known if known.get("status") == status else None

    return site.plane.wait(found, what=f"{kind} to be {status}")


def test_a_policy_is_accepted_for_the_generation_that_was_read(site: Site) -> None:
    policy = site.create_policy(site.unit("dc"))
    assert told(site, policy, "Accepted", "True")["observedGeneration"] == 1
    site.edit_policy(policy, site.unit("dc", max=1))

    def again() -> bool | None:
        stored = site.api.get(site.api.path_of(policy))
        return condition(stored, "Accepted").get("observedGeneration") == 2 or None

    assert site.plane.wait(again, what="the edit to be observed")


def test_of_two_policies_for_one_pod_the_younger_names_the_older(site: Site) -> None:
    """M4: by name where they are equally old."""
    site.create_policy(site.unit("dc"), name="a-first")
    second = site.create_policy(site.unit("dc"), name="b-second")
    site.create_pod("both")
    conflicted = told(site, second, "Conflicted", "True")
    assert "ResourcePolicy a-first" in conflicted["message"]
    assert "for example both" in conflicted["message"]
    assert "ResourcePolicy a-first" in site.told("b-second", "Conflicted")["note"]
    # As `kubectl describe` looks for it.
    mine = f"involvedObject.kind=ResourcePolicy,involvedObject.uid={second['metadata']['uid']}"
    described = site.api.items(f"/api/v1/namespaces/{site.name}/events", fieldSelector=mine)
    assert "Conflicted" in {event["reason"] for event in described}


def test_a_policy_for_pods_that_the_scheduler_never_sends_says_so(site: Site) -> None:
    """M8: the shipped configuration sends pods that request a GPU."""
    policy = site.create_policy(site.unit("dc"))
    site.create_pod("web", gpus=0)
    assert "for example web" in told(site, policy, "PodsNotSent", "True")["message"]


def units(site: Site, policy: Object, *expected: str) -> list[Object]:
    """The units of a policy's status, once these are their states."""
    path = site.api.path_of(policy)

    def found() -> list[Object] | None:
        told: list[Object] = site.api.get(path).get("status", {}).get("units", [])
        return told if [unit["state"] for unit in told] == list(expected) else None

    return site.plane.wait(found, what=f"the units to be {', '.join(expected)}")


def test_each_unit_tells_its_state_and_what_it_holds(site: Site) -> None:
    """L5, W5: on a cluster without an autoscaler."""
    cloud = site.unit("cloud", resource="elastic")
    policy = site.create_policy(site.unit("dc", max=2), site.unit("spare"), cloud)
    units(site, policy, "Empty", "Empty", "NotGrowable")
    site.add_nodes("dc", gpus=4)
    units(site, policy, "Open", "Empty", "NotGrowable")
    site.add_nodes("spare", gpus=1)
    site.create_pods("a", "b", "c")
    site.placed("a", "b", "c")
    first, second, third = units(site, policy, "Exhausted", "Full", "NotGrowable")
    assert (first["nodes"], first["pods"], first["max"], first["left"]) == (1, 2, 2, {"pods": "0"})
    assert (first["capacity"], first["free"]) == ({"nvidia.com/gpu": "4"}, {"nvidia.com/gpu": "2"})
    assert (second["pods"], second["reason"]) == (1, "NoRoom")
    assert third["reason"] == "NoAutoscaler"
    assert "units[2]" in told(site, policy, "NotGrowable", "True")["message"]
    stored = site.api.get(site.api.path_of(policy))["status"]
    assert (stored["placed"], stored["pending"]) == ("2/2, 1, 0", 0)
    site.create_pod("d")
    assert "units[2]: there is no autoscaler" in site.told("d", "NotGrowable")["note"]
    site.told("policy", "NotGrowable")


def test_an_event_that_comes_back_is_counted(site: Site) -> None:
    """With the rights of the watcher; the clock is ours, as the pause between two counts is a minute."""
    account = site.plane.service_account_kubeconfig("resourcepolicy", "resourcepolicy-watcher")
    now = [time.time()]
    with closing(connect(account)) as connection:
        events = EventRecorder(connection, lambda: now[0], "test")
        about = About("v1", "Pod", site.name, "a-", "uid")
        notice = EventSpec(about, EventType.NORMAL, "Came", "it came", "cause")
        for told in ([notice], [], [notice]):
            events.publish(told)
            now[0] += 61
        EventRecorder(connection, lambda: now[0], "another").publish([notice])
    (event,) = site.api.items(f"/apis/events.k8s.io/v1/namespaces/{site.name}/events")
    assert (event["note"], event["series"]["count"]) == ("it came", 2)
