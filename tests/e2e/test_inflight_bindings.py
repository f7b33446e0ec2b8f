"""A binding is on its way while the server dies: the next server does not give its slot away.

Rule C7.
"""

from collections.abc import Iterator

import pytest

from dev.harness.extender import second_scheduler
from tests.e2e.objects import Site
from tests.e2e.proxy import ApiProxy
from tests.e2e.test_counting import census

SCHEDULER = "slow-scheduler"


@pytest.fixture
def proxy(site: Site) -> Iterator[ApiProxy]:
    """What the pods' own scheduler knows of the API server."""
    with (
        ApiProxy(site.plane.kubeconfig, site.plane.directory) as proxy,
        second_scheduler(site.plane, SCHEDULER, proxy.kubeconfig),
    ):
        yield proxy


def binds(name: str, method: str, path: str) -> bool:
    return method == "POST" and path.endswith(f"/pods/{name}/binding")


def create(site: Site, name: str) -> None:
    site.create_pod(name, schedulerName=SCHEDULER)


def lost_from_sight(site: Site, proxy: ApiProxy, settle: float) -> int:
    """The most pods in a unit of one, when a server starts while a binding to it is under way."""
    site.add_nodes("dc", gpus=8)
    site.add_nodes("cloud", gpus=8)
    site.create_policy(site.unit("dc", max=1), site.unit("cloud"))
    with census(site, "dc") as counted:
        with proxy.holding(lambda method, path: binds("first", method, path)) as held:
            create(site, "first")
            site.plane.wait(lambda: held.paths, what="the binding to be on its way")
            site.extender.restart(handover_grace_seconds=settle)
            create(site, "next")
            if not settle:
                site.placed("next")
            else:
                site.refused("next", "pods may be on their way to units[0] unseen")
        site.placed("first", "next")
    return counted.largest


def test_its_slot_is_kept(site: Site, proxy: ApiProxy) -> None:
    """The pod that could take it waits, and is placed as soon as the binding is seen."""
    assert lost_from_sight(site, proxy, settle=60) == 1
    assert site.placed("first", "next") == {"first": "dc", "next": "cloud"}


def test_without_time_to_settle_its_slot_is_lost(site: Site, proxy: ApiProxy) -> None:
    """So that the test above is one that can fail."""
    assert lost_from_sight(site, proxy, settle=0) == 2


def test_a_server_that_dies_once_more_still_keeps_it(site: Site, proxy: ApiProxy) -> None:
    """Nothing of the doubt is in the memory that is lost."""
    site.add_nodes("dc", gpus=8)
    site.add_nodes("cloud", gpus=8)
    site.create_policy(site.unit("dc", max=2), site.unit("cloud"))
    with (
        census(site, "dc") as counted,
        proxy.holding(lambda method, path: binds("first", method, path)) as held,
    ):
        create(site, "first")
        site.plane.wait(lambda: held.paths, what="the binding to be on its way")
        for name in ("second", "third", "fourth"):
            site.extender.restart()
            create(site, name)
        site.plane.wait(site.by_pool, what="one of them to be placed")
        held.let_go()
        site.placed("first", "second", "third", "fourth")
    assert counted.largest == 2
    assert site.by_pool() == {"cloud": 2, "dc": 2}
