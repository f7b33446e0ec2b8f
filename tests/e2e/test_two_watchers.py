"""Two watchers and a Lease: one writes, and the other as soon as the first is gone (W3)."""

from collections.abc import Iterator

import pytest

from dev.controlplane import ControlPlane
from dev.harness.watcher import Watcher
from policy.api import wellknown
from tests.e2e.objects import Site

LEASE = "watcher: {lease: resourcepolicy/resourcepolicy-watcher}"
WRITES = f"{wellknown.POD_DELETION_COST}=-100"


@pytest.fixture
def watchers(plane: ControlPlane) -> Iterator[list[Watcher]]:
    """The first leads."""
    with Watcher(plane, LEASE) as first:
        plane.wait(lambda: first.says("leads"), what="the first watcher to lead")
        with Watcher(plane, LEASE) as second:
            plane.wait(lambda: second.says("watching"), what="the second watcher to be ready")
            yield [first, second]


def place(site: Site, name: str) -> None:
    """A pod in the second unit, and wait until its cost is written."""
    site.create_pod(name)
    site.placed(name)
    site.plane.wait(
        lambda: site.annotations(name).get(wellknown.POD_DELETION_COST) == "-100", what=f"the cost of {name}"
    )


def test_one_writes_and_when_it_dies_the_other(site: Site, watchers: list[Watcher]) -> None:
    first, second = watchers
    site.add_nodes("cloud", gpus=8)
    site.create_policy(site.unit("dc"), site.unit("cloud"))
    place(site, "a")
    assert (first.says(WRITES), second.says(WRITES)) == (1, 0)
    first.kill()
    place(site, "b")
    assert (first.says(WRITES), second.says(WRITES)) == (1, 1)


def test_one_that_was_paused_writes_no_more_when_it_goes_on(site: Site, watchers: list[Watcher]) -> None:
    """Its thread may be about to write when it is stopped: a lease that ran out meanwhile ends that, too."""
    first, second = watchers
    site.add_nodes("cloud", gpus=8)
    site.create_policy(site.unit("dc"), site.unit("cloud"))
    place(site, "a")
    first.pause()
    place(site, "b")
    first.resume()
    place(site, "c")
    site.plane.wait(lambda: second.says(WRITES) == 2, what="the second watcher to have written both")
    assert first.says(WRITES) == 1
