"""The API server answers late, then a watch says nothing more and does not end, and the Lease is lost."""

import time

from dev.harness.extender import ACCOUNT, Extender
from tests.e2e.objects import Site
from tests.e2e.proxy import ApiProxy
from tests.e2e.test_counting import census
from tests.e2e.test_outages import WATCHED
from tests.e2e.test_under_fire import LEASE

STALENESS = 20
SLOW = 1.0
TOO_SLOW = 3.0
"""For the renewals of a Lease: they are given up after 2 s."""
PODS = "/api/v1/pods"
MAX = 5


def test_a_slow_api_server_costs_time_and_no_rule(site: Site, extender: Extender) -> None:
    """C7, E4: answers while its view is fresh, errors once it may be old; nothing has to be restarted."""
    site.add_nodes("dc", gpus=8)
    site.add_nodes("cloud", 2, gpus=8)
    site.create_policy(site.unit("dc", max=MAX), site.unit("cloud"))
    upstream = site.plane.service_account_kubeconfig(*ACCOUNT)
    with ApiProxy(upstream, site.plane.directory) as proxy, census(site, "dc") as counted:
        proxy.slow = SLOW
        proxy.late = dict.fromkeys(WATCHED, SLOW)
        extender.restart(kubeconfig=proxy.kubeconfig, max_cache_staleness_seconds=STALENESS, lease=LEASE)
        slow = [f"slow-{i}" for i in range(4)]
        site.create_pods(*slow)
        site.placed(*slow)
        with proxy.silence(PODS):
            fell_silent = time.monotonic()
            unseen = [f"unseen-{i}" for i in range(4)]
            site.create_pods(*unseen)
            site.placed(*unseen)
            assert site.by_pool() == {"cloud": 3, "dc": MAX}
            site.plane.wait(
                lambda: "too old" in extender.why_not(), what="the silence to be noticed", seconds=60
            )
            noticed = time.monotonic()
            assert extender.age("pods") > STALENESS > extender.age("nodes")
            site.create_pod("late")
            told = site.refused("late", "what it knows of the cluster is too old")
            assert told["reason"] == "SchedulerError"
            proxy.slow = TOO_SLOW
            site.plane.wait(lambda: "leads" in extender.why_not(), what="the Lease to be lost")
            over = time.monotonic()
            proxy.slow, proxy.late = 0.0, {}
        site.plane.wait(lambda: not extender.why_not(), what="the view to be new")
        print(f"noticed after {noticed - fell_silent:.1f} s, over after {time.monotonic() - over:.1f} s")  # noqa: T201
        site.create_pods("a", "b")
        site.placed("late", "a", "b")
        extender.kill()
    assert site.by_pool() == {"cloud": 6, "dc": MAX}
    assert counted.largest == MAX
