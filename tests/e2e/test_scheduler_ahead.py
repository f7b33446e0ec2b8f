"""kube-scheduler knows a node, or its label, before the extender does: pods land all the same, and soon.

Rule E11. How soon is told by `pytest -rP`; kube-scheduler alone would come back after five minutes.
"""

import time
from collections.abc import Iterator
from statistics import median

import pytest

from dev.controlplane import ControlPlane
from dev.controlplane.nodes import node
from dev.harness.extender import ACCOUNT, Extender
from tests.e2e.objects import Site, is_bound
from tests.e2e.proxy import ApiProxy
from tests.e2e.test_counting import census

NODES = "/api/v1/nodes"
DELAY = 0.3
TIMES = 50
TIMES_LABELLED = 20


@pytest.fixture
def lagging(plane: ControlPlane, extender: Extender) -> Iterator[ApiProxy]:
    """The extender sees nodes late; how late may be changed."""
    with ApiProxy(plane.service_account_kubeconfig(*ACCOUNT), plane.directory) as api:
        api.late[NODES] = DELAY
        extender.restart(kubeconfig=api.kubeconfig)
        yield api
        extender.kill()


def booted(site: Site, name: str, labels: dict[str, str]) -> None:
    """A node that can be used at once: its taint is not left to the controllers, who take seconds."""
    written = node(name, {"site": site.name, **labels})
    written["status"]["conditions"] = [{"type": "Ready", "status": "True", "reason": "Up"}]
    site.api.create(written)
    site.api.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": None}})


def seconds_until_bound(site: Site, name: str) -> float:
    began = time.monotonic()
    site.plane.wait(lambda: is_bound(site.pod(name)), what=f"{name} to be bound", seconds=15)
    return time.monotonic() - began


def publish(took: list[float]) -> None:
    print(f"bound after {median(took):.2f} s, the latest after {max(took):.2f} s")  # noqa: T201


@pytest.mark.usefixtures("lagging")
def test_a_node_that_only_the_scheduler_knows_is_used(site: Site) -> None:
    """E11: each time, though nothing else happens that would wake the pod."""
    site.add_nodes("elsewhere")  # without any node the scheduler waits by rules of its own
    site.create_policy(site.unit("dc"), site.unit("cloud"))
    took = []
    for i in range(TIMES):
        site.create_pod(f"p{i}")
        site.refused(f"p{i}")
        booted(site, f"{site.name}.dc.n{i}", site.labels("dc"))
        took.append(seconds_until_bound(site, f"p{i}"))
    publish(took)
    assert site.by_pool() == {"dc": TIMES}


def test_a_label_that_only_the_scheduler_knows_counts(site: Site, lagging: ApiProxy) -> None:
    """E9, E11: the refusal was right by what the extender knew; it wakes the pod when it knows more."""
    lagging.late[NODES] = 0.2  # and 0.3 s in which the scheduler could come back by itself
    site.create_policy(site.unit("dc"), site.unit("cloud"))
    took = []
    for i in range(TIMES_LABELLED):
        name = f"{site.name}.dc.n{i}"
        booted(site, name, {})
        site.create_pod(f"p{i}")
        site.refused(f"p{i}", "in no unit")
        site.api.patch(f"/api/v1/nodes/{name}", {"metadata": {"labels": site.labels("dc")}})
        took.append(seconds_until_bound(site, f"p{i}"))
    publish(took)
    assert site.by_pool() == {"dc": TIMES_LABELLED}


def test_a_node_seen_too_late_is_an_error_that_the_scheduler_repeats(site: Site, lagging: ApiProxy) -> None:
    """E4, E11: never a refusal, which would last until something else happens."""
    site.create_policy(site.unit("dc"), site.unit("cloud"))
    site.add_nodes("elsewhere")
    lagging.late[NODES] = 1.2
    site.create_pod("p")
    site.refused("p")
    booted(site, f"{site.name}.dc.n", site.labels("dc"))
    told = site.refused("p", "not seen yet by the extender")
    assert told["reason"] == "SchedulerError"
    assert site.placed("p") == {"p": "dc"}


def test_a_late_watch_of_pods_never_exceeds_max(site: Site, extender: Extender) -> None:
    """C7: pods are sent, bound and deleted before the extender hears of any of it."""
    with ApiProxy(site.plane.service_account_kubeconfig(*ACCOUNT), site.plane.directory) as late:
        late.late["/api/v1/pods"] = 1.0
        extender.restart(kubeconfig=late.kubeconfig)
        site.add_nodes("dc", gpus=20)
        site.add_nodes("cloud", gpus=20)
        site.create_policy(site.unit("dc", max=5), site.unit("cloud"))
        with census(site, "dc") as counted:
            site.create_pods(*(f"a{i}" for i in range(8)))
            site.placed(*(f"a{i}" for i in range(8)))
            site.delete_pod("a0")
            site.delete_pod("a7")
            site.create_pods(*(f"b{i}" for i in range(4)))
            site.placed(*(f"b{i}" for i in range(4)))
        assert counted.largest == 5
        extender.kill()


def test_a_watch_that_is_cut_goes_on_where_it_was(site: Site, lagging: ApiProxy) -> None:
    """Without a second list: that would cost a large cluster seconds."""
    site.add_nodes("dc")
    site.create_policy(site.unit("dc"), site.unit("cloud"))
    paths = (NODES, "/api/v1/pods")
    listed = [site.extender.lists(path) for path in paths]
    lagging.cut()
    site.add_nodes("cloud")
    site.create_pods("a", "b")
    assert site.placed("a", "b") == {"a": "dc", "b": "cloud"}
    assert [site.extender.lists(path) for path in paths] == listed
