"""Preemption by kube-scheduler, bounded by the policy, live: before overflow or after it, and where.

Victims are chosen in-tree: nothing here depends on which.
"""

from collections.abc import Mapping

import pytest

from tests.e2e.objects import Site
from tests.e2e.test_counting import census

_GUARDED = {"guarded": "true"}


class Priorities:
    """The two classes of a site, and pods of them."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._high = site.create_priority("high", 1000)
        self._low = site.create_priority("low", 10)
        self._polite = site.create_priority("polite", 1000, preemptionPolicy="Never")

    def high(self, name: str, *, only: str = "", labels: Mapping[str, str] | None = None) -> None:
        """`only`: the one node that it accepts, by an affinity."""
        expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [only]}
        terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
        node_affinity = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
        affinity = {"nodeAffinity": node_affinity} if only else {}
        self._site.create_pod(name, labels=labels, priorityClassName=self._high, affinity=affinity)

    def low(self, *names: str, gone_after: str = "200ms", guarded: bool = False) -> None:
        """Placed one after the other; when evicted, each is Terminating for so long."""
        annotations = {"controlplane/gone-after": gone_after}
        labels = _GUARDED if guarded else {}
        for name in names:
            self._site.create_pod(name, labels=labels, annotations=annotations, priorityClassName=self._low)
            self._site.placed(name)

    def polite(self, name: str) -> None:
        self._site.create_pod(name, priorityClassName=self._polite)


@pytest.fixture
def pods(site: Site) -> Priorities:
    return Priorities(site)


def names(site: Site) -> set[str]:
    return {pod["metadata"]["name"] for pod in site.pods() if "deletionTimestamp" not in pod["metadata"]}


def test_after_all_units_overflow_comes_first(site: Site, pods: Priorities) -> None:
    """P1: the default; nobody is evicted while the cloud has room."""
    site.add_nodes("dc", gpus=1)
    site.add_nodes("cloud", gpus=1)
    site.create_policy(site.unit("dc"), site.unit("cloud"), preemptPolicy="AfterAllUnits")
    pods.low("low")
    pods.high("high")
    assert site.placed("low", "high") == {"low": "dc", "high": "cloud"}


def test_after_all_units_the_first_unit_is_preempted_in(site: Site, pods: Priorities) -> None:
    """P1, P2: although victims could be had in each; the scheduler alone would choose by other rules."""
    site.add_nodes("cloud", 3, gpus=1)
    site.add_nodes("dc", 1, gpus=1)
    site.create_policy(site.unit("dc"), site.unit("cloud"))
    pods.low("dc", "cloud-1", "cloud-2", "cloud-3")
    pods.high("high")
    assert site.placed("high") == {"high": "dc"}
    assert names(site) == {"high", "cloud-1", "cloud-2", "cloud-3"}


def test_a_budget_is_not_broken_where_a_later_unit_helps(site: Site, pods: Priorities) -> None:
    """P2: the scheduler says how many disruptions no PodDisruptionBudget allows, node by node."""
    metadata = {"name": "budget", "namespace": site.name}
    spec = {"minAvailable": 1, "selector": {"matchLabels": _GUARDED}}
    written = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata}
    site.api.create(written | {"spec": spec})
    site.add_nodes("dc", gpus=1)
    site.add_nodes("cloud", gpus=1)
    site.create_policy(site.unit("dc"), site.unit("cloud"))
    pods.low("guarded", guarded=True)
    pods.low("low")
    pods.high("high")
    assert site.placed("high") == {"high": "cloud"}
    assert names(site) == {"high", "guarded"}


def test_before_next_unit_preempts_instead_of_overflow(site: Site, pods: Priorities) -> None:
    """P1: although the cloud has room."""
    site.add_nodes("dc", gpus=1)
    site.add_nodes("cloud", gpus=8)
    site.create_policy(site.unit("dc"), site.unit("cloud"), preemptPolicy="BeforeNextUnit")
    pods.low("low")
    pods.high("high")
    assert site.placed("high") == {"high": "dc"}
    assert names(site) == {"high"}


def test_before_next_unit_waits_for_victims_that_leave_slowly(site: Site, pods: Priorities) -> None:
    """P1, E7: the promise holds; overflow in the meantime would make the eviction pointless."""
    site.add_nodes("dc", gpus=1)
    site.add_nodes("cloud", gpus=8)
    site.create_policy(site.unit("dc"), site.unit("cloud"), preemptPolicy="BeforeNextUnit")
    pods.low("low", gone_after="4s")
    pods.high("high")
    assert site.placed("high") == {"high": "dc"}


def test_a_crash_forgets_no_promised_preemption(site: Site, pods: Priorities) -> None:
    """P1, E7: the nomination tells what the former server had promised; else the victim died in vain."""
    site.add_nodes("dc", gpus=1)
    site.add_nodes("cloud", gpus=8)
    site.create_policy(site.unit("dc"), site.unit("cloud"), preemptPolicy="BeforeNextUnit")
    pods.low("low", gone_after="8s")
    pods.high("high")
    site.plane.wait(lambda: site.pod("high")["status"].get("nominatedNodeName"), what="high to be nominated")
    site.extender.restart()
    assert site.placed("high") == {"high": "dc"}


def test_a_nomination_gives_way_to_room_in_an_earlier_unit(site: Site, pods: Priorities) -> None:
    """O1: the scheduler alone would stay with the node where it preempted."""
    site.add_nodes("dc", gpus=1)
    site.add_nodes("cloud", gpus=1)
    site.create_policy(site.unit("dc"), site.unit("cloud"))
    pods.high("top")
    site.placed("top")
    pods.low("low", gone_after="6s")
    pods.high("high")
    site.plane.wait(
        lambda: ".cloud." in site.pod("high")["status"].get("nominatedNodeName", ""),
        what="high to be nominated to the cloud",
    )
    site.delete_pod("top")
    assert site.placed("high") == {"high": "dc"}


def test_many_preemptors_never_exceed_max(site: Site, pods: Priorities) -> None:
    """P3, C7: each takes the slot of one victim, and the last one waits."""
    site.add_nodes("dc", gpus=4)
    site.add_nodes("cloud", gpus=2)
    site.create_policy(site.unit("dc", max=4), site.unit("cloud", max=2), preemptPolicy="BeforeNextUnit")
    pods.low(*(f"low-{i}" for i in range(6)))
    with census(site, "dc") as dc, census(site, "cloud") as cloud:
        for i in range(7):
            pods.high(f"high-{i}")
        site.plane.wait(lambda: names(site) == {f"high-{i}" for i in range(7)}, what="all to be evicted")
        site.plane.wait(lambda: len(site.waiting()) == 1, what="all but one to be placed")
    assert (dc.largest, cloud.largest) == (4, 2)


@pytest.fixture
def cloud(site: Site) -> str:
    """A cloud with room behind a data centre without; its node."""
    site.add_nodes("dc", gpus=1)
    (cloud,) = site.add_nodes("cloud", gpus=8)
    site.create_policy(site.unit("dc"), site.unit("cloud"), preemptPolicy="BeforeNextUnit")
    return cloud


@pytest.mark.usefixtures("cloud")
def test_before_next_unit_overflows_if_nobody_has_a_lower_priority(site: Site, pods: Priorities) -> None:
    """P1."""
    pods.high("there")
    pods.high("high")
    assert site.placed("there", "high", seconds=5) == {"there": "dc", "high": "cloud"}


@pytest.mark.usefixtures("cloud")
def test_before_next_unit_overflows_if_the_pod_may_not_preempt(site: Site, pods: Priorities) -> None:
    """P1: its class says preemptionPolicy Never."""
    pods.low("there")
    pods.polite("polite")
    assert site.placed("there", "polite", seconds=5) == {"there": "dc", "polite": "cloud"}


def test_before_next_unit_overflows_if_the_attempt_was_in_vain(
    site: Site, pods: Priorities, cloud: str
) -> None:
    """P1, E9: the extender could not know that the pod's affinity forbids it; it tries again soon."""
    pods.low("there")
    pods.high("high", only=cloud)
    assert site.placed("there", "high", seconds=5) == {"there": "dc", "high": "cloud"}
    assert names(site) == {"there", "high"}


def test_a_victim_of_the_same_policy_frees_its_slot(site: Site, pods: Priorities) -> None:
    """P3, C7: the unit stays at its max."""
    site.add_nodes("dc", gpus=1)
    site.create_policy(site.unit("dc", max=1))
    pods.low("low")
    pods.high("high")
    assert site.placed("high") == {"high": "dc"}
    assert names(site) == {"high"}


def test_no_victim_dies_for_a_node_that_filter_would_refuse(site: Site, pods: Priorities) -> None:
    """P2, E7: the only victim is beyond the policy; the pod waits and says why."""
    site.add_nodes("elsewhere", gpus=1)
    site.create_pod("stranger", labels={"app": "other"})
    site.placed("stranger")
    site.add_nodes("dc", gpus=1)
    site.create_policy(site.unit("dc", max=1), selector={"app": "governed"})
    pods.high("first", labels={"app": "governed"})
    site.placed("first")
    pods.high("second", labels={"app": "governed"})
    site.refused("second")
    site.create_pod("cpu", gpus=0)  # what the scheduler decides after it has tried to preempt
    site.placed("cpu")
    assert names(site) == {"stranger", "first", "second", "cpu"}
