"""A watch says nothing more and does not end, while the API server goes on: the view ages, and is noticed.

Owns the silence, made by a proxy. Must not know: late or cut watches, which are `test_scheduler_ahead`.
"""

import time

from tests.conformance.objects import Site
from tests.conformance.programs import ACCOUNT, Extender
from tests.conformance.proxy import ApiProxy

STALENESS = 20
PODS = "/api/v1/pods"


def test_an_old_view_gives_no_answer_and_a_new_one_does(site: Site, extender: Extender) -> None:
    """E4: an error once it may be older than `staleness`; nothing has to be restarted."""
    site.add_nodes("dc", gpus=1)
    site.create_policy(site.unit("dc"))
    with ApiProxy(site.plane.service_account_kubeconfig(*ACCOUNT), site.plane.directory) as proxy:
        extender.restart(kubeconfig=proxy.kubeconfig, staleness=STALENESS)
        with proxy.silence(PODS):
            fell_silent = time.monotonic()
            assert extender.why_not() == ""
            site.plane.wait(
                lambda: "too old" in extender.why_not(), what="the silence to be noticed", seconds=60
            )
            noticed = time.monotonic()
            site.create_pod("a")
            told = site.refused("a", "what it knows of the cluster is too old")
            assert told["reason"] == "SchedulerError"
            over = time.monotonic()
        site.plane.wait(lambda: not extender.why_not(), what="the view to be new")
        print(f"noticed after {noticed - fell_silent:.1f} s, over after {time.monotonic() - over:.1f} s")  # noqa: T201
        site.placed("a")
        extender.kill()
