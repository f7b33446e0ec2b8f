"""How many pods a unit takes, live: bursts, groups, sums of requests, pods from before, pods that leave."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from dev.controlplane import Object, Watch
from tests.e2e.objects import Site, condition, is_bound, pod_spec

SLOWLY = {"controlplane/gone-after": "4s"}


class Census:
    """The largest number of live pods that a pool ever had, as anybody who watches sees it."""

    def __init__(self, site: Site, pool: str, key: str = "") -> None:
        self.largest = 0
        self.known: set[str] = set()
        """The uids of all pods that it has heard of."""
        self._prefix = f"{site.name}.{pool}."
        self._key = key
        self._live: dict[str, str] = {}

    def take(self, events: Watch) -> None:
        for kind, pod in events:
            uid = pod["metadata"]["uid"]
            self._live.pop(uid, None)
            there = is_bound(pod) and pod["spec"]["nodeName"].startswith(self._prefix)
            if there and kind != "DELETED" and "deletionTimestamp" not in pod["metadata"]:
                self._live[uid] = pod["metadata"].get("labels", {}).get(self._key, "")
            groups = list(self._live.values())
            self.largest = max(self.largest, *map(groups.count, groups), 0)
            self.known.add(uid)


@contextmanager
def census(site: Site, pool: str, key: str = "") -> Iterator[Census]:
    """Counted per value of the label `key`, if there is one."""
    counted = Census(site, pool, key)
    events = Watch(site.api, site.pods_path)
    counting = threading.Thread(target=counted.take, args=(events,), daemon=True)
    counting.start()
    try:
        yield counted
        last = site.create_pod("last", gpus=0, schedulerName="nobody")["metadata"]["uid"]
        site.plane.wait(lambda: last in counted.known, what="the census to have heard of all")
        site.delete_pod("last")
    finally:
        events.stop()
        counting.join(10)


def test_a_burst_never_exceeds_max(site: Site) -> None:
    """C7, C1: 30 pods at once; slots of pods that are deleted before they run are used again."""
    site.add_nodes("dc", 4, gpus=8)
    site.add_nodes("cloud", 4, gpus=8)
    site.create_policy(site.unit("dc", max=10), site.unit("cloud"))
    names = [f"p{i}" for i in range(30)]
    with census(site, "dc") as counted, ThreadPoolExecutor(10) as creating:
        list(creating.map(site.create_pod, names))
        site.placed(*names)
        assert site.by_pool() == {"cloud": 20, "dc": 10}
        gone = [p["metadata"]["name"] for p in site.pods() if ".dc." in p["spec"]["nodeName"]][:6]
        list(creating.map(site.delete_pod, gone))
        # Of what it has not heard, it cannot know: such a slot would overflow by the rules.
        site.plane.wait(lambda: site.extender.cached("pods") == 24, what="the deletions to be heard of")
        again = [f"again{i}" for i in range(8)]
        list(creating.map(site.create_pod, again))
        site.placed(*again)
    assert counted.largest == 10
    assert site.by_pool()["dc"] == 10


def deployment(site: Site, revision: str) -> Object:
    template = pod_spec(nodeSelector={"site": site.name})
    rolling = {"maxSurge": "100%", "maxUnavailable": 0}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "model", "namespace": site.name},
        "spec": {
            "replicas": 4,
            "selector": {"matchLabels": {"app": "model"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
            "template": {
                "metadata": {"labels": {"app": "model", "revision": revision}},
                "spec": template,
            },
        },
    }


def revisions(site: Site) -> set[str]:
    return {pod["metadata"]["labels"]["revision"] for pod in site.pods()}


def test_a_rolling_update_counts_each_revision_by_itself(site: Site) -> None:
    """C2: the new pods get the data centre's slots while the old ones still hold theirs."""
    site.add_nodes("dc", gpus=20)
    site.add_nodes("cloud", gpus=20)
    site.create_policy(
        site.unit("dc", max=3),
        site.unit("cloud"),
        matchLabelKeys=["pod-template-hash"],
        selector={"app": "model"},
    )
    with census(site, "dc", "pod-template-hash") as counted:
        path = site.api.path_of(site.api.create(deployment(site, "one")))
        site.plane.wait(
            lambda: site.by_pool() == {"cloud": 1, "dc": 3}, what="the first revision to be placed"
        )
        site.api.patch(path, {"spec": deployment(site, "two")["spec"]})
        site.plane.wait(lambda: revisions(site) == {"two"}, what="the roll-out to end")
    assert counted.largest == 3
    assert site.by_pool() == {"cloud": 1, "dc": 3}


def test_a_pod_without_the_label_to_count_by_is_refused(site: Site) -> None:
    """C2: and told which."""
    site.add_nodes("dc", gpus=8)
    site.create_policy(site.unit("dc", max=3), matchLabelKeys=["revision"])
    site.create_pod("a")
    site.refused("a", "the pod lacks the label revision, which matchLabelKeys counts by")


def test_max_resources_bounds_the_gpus(site: Site) -> None:
    """O2: equal fits, and a smaller pod may still fit where a larger one does not."""
    site.add_nodes("dc", 2, gpus=8)
    site.add_nodes("cloud", 2, gpus=8)
    site.create_policy(site.unit("dc", maxResources={"nvidia.com/gpu": "5"}), site.unit("cloud"))
    for name, gpus in {"a": 3, "b": 3, "c": 2, "d": 1}.items():
        site.create_pod(name, gpus=gpus)
    assert site.placed("a", "b", "c", "d") == {"a": "dc", "b": "cloud", "c": "dc", "d": "cloud"}


def test_max_resources_bounds_the_memory(site: Site) -> None:
    """O2: in any notation."""
    site.add_nodes("dc", gpus=8)
    site.add_nodes("cloud", gpus=8)
    site.create_policy(site.unit("dc", maxResources={"memory": "3Gi"}), site.unit("cloud"))
    for name, memory in {"a": "2Gi", "b": "1025Mi", "c": "1048576Ki", "d": "1"}.items():
        site.create_pod(name, memory=memory)
    assert site.placed("a", "b", "c", "d") == {"a": "dc", "b": "cloud", "c": "dc", "d": "cloud"}


def pods_from_before(site: Site, *, ignored: bool) -> None:
    """Two pods in the data centre, then a policy with max 3, a second later: times have seconds."""
    site.add_nodes("dc", gpus=8)
    site.create_pods("old-1", "old-2")
    site.placed("old-1", "old-2")
    site.add_nodes("cloud", gpus=8)
    site.await_after(condition(site.pod("old-2"), "PodScheduled")["lastTransitionTime"])
    site.create_policy(site.unit("dc", max=3), site.unit("cloud"), ignorePreviousPod=ignored)
    site.create_pods("a", "b", "c", "d")
    site.placed("a", "b", "c", "d")


def test_pods_from_before_the_policy_count(site: Site) -> None:
    """C4: by default."""
    pods_from_before(site, ignored=False)
    assert site.by_pool() == {"cloud": 3, "dc": 3}


def test_pods_from_before_the_policy_are_ignored_on_request(site: Site) -> None:
    """C4: three more than the two that were there."""
    pods_from_before(site, ignored=True)
    assert site.by_pool() == {"cloud": 1, "dc": 5}


def test_pods_from_before_are_ignored_across_a_restart(site: Site) -> None:
    """C4, C7: what is counted does not depend on who saw it."""
    pods_from_before(site, ignored=True)
    site.extender.restart()
    site.create_pod("e")
    assert site.placed("e") == {"e": "cloud"}


@pytest.mark.parametrize(("ignored", "pool"), [(True, "dc"), (False, "cloud")])
def test_pods_that_leave_count_only_if_they_shall(site: Site, *, ignored: bool, pool: str) -> None:
    """C3: by default their slots are free at once."""
    site.add_nodes("dc", gpus=8)
    site.add_nodes("cloud", gpus=8)
    site.create_policy(site.unit("dc", max=1), site.unit("cloud"), ignoreTerminatingPod=ignored)
    site.create_pod("leaving", annotations=SLOWLY)
    site.placed("leaving")
    site.delete_pod_slowly("leaving")
    site.create_pod("a")
    assert site.placed("a") == {"a": pool}


def test_a_finished_pod_gives_its_slot_back(site: Site) -> None:
    """C5."""
    site.add_nodes("dc", gpus=8)
    site.add_nodes("cloud", gpus=8)
    site.create_policy(site.unit("dc", max=1), site.unit("cloud"))
    site.create_pod("done")
    site.placed("done")
    site.plane.wait(lambda: site.pod("done")["status"]["phase"] == "Running", what="the pod to run")
    site.api.patch(f"{site.pods_path}/done/status", {"status": {"phase": "Succeeded"}})
    site.plane.wait(lambda: site.pod("done")["status"]["phase"] == "Succeeded", what="the pod to end")
    site.await_scheduler(site.add_nodes("elsewhere", gpus=0)[0])
    site.create_pod("a")
    assert site.placed("a") == {"a": "dc"}
