"""When a pod may go on to the next unit: each mode of whenTryNextUnits, live.

Rules O3 to O8 of docs/rules.md.
"""

import time

from tests.e2e.objects import Site

SHORT = "3s"


def two_units(site: Site, mode: str, *, gpus: int, timeout: str | None = None, **first: object) -> None:
    """A data centre with so many GPUs, and a cloud with many; `first` are fields of unit 0."""
    site.add_nodes("dc", gpus=gpus)
    site.add_nodes("cloud", gpus=8)
    overflow = {"policy": mode} | ({"timeout": timeout} if timeout else {})
    site.create_policy(site.unit("dc", **first), site.unit("cloud"), whenTryNextUnits=overflow)


def seconds_refused(site: Site, name: str) -> float:
    """How long a pod waits from its first refusal until it is bound."""
    site.refused(name, "held back")
    began = time.monotonic()
    site.placed(name)
    return time.monotonic() - began


def test_lack_resource_or_exceed_max_goes_on_for_lack_of_room(site: Site) -> None:
    """O3: although the cap is not reached."""
    two_units(site, "LackResourceOrExceedMax", gpus=1, max=5)
    site.create_pods("a", "b")
    assert site.placed("a", "b") == {"a": "dc", "b": "cloud"}


def test_lack_resource_or_exceed_max_goes_on_at_the_cap(site: Site) -> None:
    """O3: although there is room."""
    two_units(site, "LackResourceOrExceedMax", gpus=8, max=1)
    site.create_pods("a", "b")
    assert site.placed("a", "b") == {"a": "dc", "b": "cloud"}


def test_exceed_max_waits_below_the_cap_until_there_is_room(site: Site) -> None:
    """O4, O8: for room in this unit, whatever the next one has."""
    two_units(site, "ExceedMax", gpus=1, max=2)
    site.create_pods("a", "b")
    assert site.placed("a") == {"a": "dc"}
    site.refused("b", "ExceedMax waits for room in units[0] while its cap is not reached")
    site.add_nodes("dc", gpus=1)
    assert site.placed("b") == {"b": "dc"}


def test_exceed_max_goes_on_at_the_cap(site: Site) -> None:
    """O4."""
    two_units(site, "ExceedMax", gpus=8, max=2)
    site.create_pods("a", "b", "c")
    assert site.placed("a", "b", "c") == {"a": "dc", "b": "dc", "c": "cloud"}


def test_exceed_max_goes_on_where_there_is_no_cap(site: Site) -> None:
    """O4."""
    two_units(site, "ExceedMax", gpus=1)
    site.create_pods("a", "b")
    assert site.placed("a", "b") == {"a": "dc", "b": "cloud"}


def test_timeout_or_exceed_max_waits_and_goes_on_by_itself(site: Site) -> None:
    """O5, E9: nothing else happens that would wake the pod."""
    two_units(site, "TimeoutOrExceedMax", gpus=0, timeout=SHORT, max=5)
    site.create_pod("a")
    assert 2.5 < seconds_refused(site, "a") < 5.5
    assert site.placed("a") == {"a": "cloud"}


def test_timeout_or_exceed_max_takes_room_that_comes_in_time(site: Site) -> None:
    """O5, O8."""
    two_units(site, "TimeoutOrExceedMax", gpus=0, timeout="60s", max=5)
    site.create_pod("a")
    site.refused("a", "waiting up to 1m for room in units[0]")
    site.add_nodes("dc", gpus=1)
    assert site.placed("a") == {"a": "dc"}


def test_timeout_or_exceed_max_goes_on_at_the_cap(site: Site) -> None:
    """O5: without a wait, which would be a minute."""
    two_units(site, "TimeoutOrExceedMax", gpus=8, timeout="60s", max=1)
    site.create_pods("a", "b")
    assert site.placed("a", "b") == {"a": "dc", "b": "cloud"}


def test_timeout_or_exceed_max_goes_on_where_nothing_is_worth_a_wait(site: Site) -> None:
    """O5: the unit has no cap and no autoscaler adds nodes to it."""
    two_units(site, "TimeoutOrExceedMax", gpus=0, timeout="60s")
    site.create_pod("a")
    assert site.placed("a", seconds=10) == {"a": "cloud"}


def test_timeout_or_exceed_max_waits_for_an_autoscaler(site: Site) -> None:
    """O5, U4: an elastic unit needs no cap for that."""
    two_units(site, "TimeoutOrExceedMax", gpus=0, timeout=SHORT, resource="elastic")
    site.create_pod("a")
    assert 2.5 < seconds_refused(site, "a") < 5.5
    assert site.placed("a") == {"a": "cloud"}


def test_each_pod_has_a_timer_of_its_own(site: Site) -> None:
    """O5: one that comes later waits later."""
    two_units(site, "TimeoutOrExceedMax", gpus=0, timeout=SHORT, max=5)
    site.create_pod("a")
    site.refused("a", "held back")
    began = time.monotonic()
    site.plane.wait(lambda: time.monotonic() - began > 1.5, what="half of the wait")
    site.create_pod("b")
    site.placed("a")
    assert site.waiting() == {"b"}
    site.placed("b")
    assert 4 < time.monotonic() - began < 7


def test_a_pod_whose_wait_is_over_in_vain_is_left_alone(site: Site) -> None:
    """E8: the other unit is full; it is not tried for ever, until something happens."""
    site.add_nodes("dc", gpus=0)
    site.add_nodes("cloud", gpus=8)
    site.create_policy(
        site.unit("dc", max=5),
        site.unit("cloud", max=1),
        whenTryNextUnits={"policy": "TimeoutOrExceedMax", "timeout": "1s"},
    )
    site.create_pod("first")
    site.placed("first")
    site.create_pod("last")
    site.refused("last", "node(s) in units[1] of ResourcePolicy policy, which is full")
    began, asked = time.monotonic(), site.extender.asked()
    site.plane.wait(lambda: time.monotonic() - began > 3, what="three more timeouts")
    assert site.extender.asked() <= asked + 2  # the scheduler's own write about it wakes the pod once
    site.delete_pod("first")
    assert site.placed("last", seconds=15) == {"last": "cloud"}


def test_timeout_waits_without_a_cap(site: Site) -> None:
    """O7."""
    two_units(site, "Timeout", gpus=0, timeout=SHORT)
    site.create_pod("a")
    assert 2.5 < seconds_refused(site, "a") < 5.5
    assert site.placed("a") == {"a": "cloud"}


def test_no_terminating_waits_for_pods_that_leave(site: Site) -> None:
    """O6: their room is about to return."""
    two_units(site, "LackResourceAndNoTerminating", gpus=1)
    site.create_pod("leaving", annotations={"controlplane/gone-after": "5s"})
    site.placed("leaving")
    site.delete_pod_slowly("leaving")
    site.create_pod("a")
    site.refused("a", "waiting for pods that are terminating in units[0]")
    assert site.placed("a") == {"a": "dc"}


def test_no_terminating_goes_on_if_nobody_leaves(site: Site) -> None:
    """O6."""
    two_units(site, "LackResourceAndNoTerminating", gpus=1)
    site.create_pods("a", "b")
    assert site.placed("a", "b") == {"a": "dc", "b": "cloud"}


def test_no_terminating_goes_on_once_the_room_is_lost(site: Site) -> None:
    """O6, E9: somebody else took it; the end of the terminating pod wakes the one that waits."""
    two_units(site, "LackResourceAndNoTerminating", gpus=1, max=1)
    site.create_pod("leaving", annotations={"controlplane/gone-after": "5s"})
    node = site.pod_node("leaving")
    site.delete_pod_slowly("leaving")
    site.create_pod("a")
    site.refused("a", "waiting for pods that are terminating in units[0]")
    site.api.patch(f"/api/v1/nodes/{node}", {"spec": {"unschedulable": True}})
    assert site.placed("a") == {"a": "cloud"}
