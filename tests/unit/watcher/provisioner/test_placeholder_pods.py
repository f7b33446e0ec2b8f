"""Placeholders: their shape, how they are read back, what is done about an autoscaler that does not speak.

Rules: W3, W4, A3 to A6; docs/design/autoscaler.md, section 6.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from cluster.settings import Settings, WatcherSettings
from policy.api import wellknown
from policy.scaleup.demand import Demand
from tests.builders import a_node, a_pod, a_policy, a_unit
from tests.unit.watcher.fixtures import DC, FAR, GPU, NEAR, World, room, waiting
from watcher.provisioner.autoscaler_status import AutoscalerStatus, NodeGroup
from watcher.provisioner.interface import Request, RequestPhase
from watcher.provisioner.placeholder_manifests import UNSCHEDULABLE, names_of, placeholders, read_placeholders
from watcher.provisioner.request_manifests import BOUGHT, OWNED, granted, name_of, pod_template
from watcher.scaleup.scaleup_status import BlockReason

Json = dict[str, Any]

POLICY = a_policy(a_unit("far", resource="elastic"))
DEMAND = Demand(POLICY, 0, (a_pod("a"), a_pod("b")))
WRITTEN: Json = {
    "metadata": {"name": "a", "labels": {"app": "x"}, "annotations": {wellknown.POD_SCALE_UP_DELAY: "8760h"}},
    "spec": {"containers": [{"name": "c", "image": "i", "resources": {"limits": GPU}}], "priority": 7},
}
TEMPLATE = pod_template(DEMAND, WRITTEN, {}, {})
TEMPLATE["metadata"]["uid"] = "u"
PODS = list(placeholders(TEMPLATE, 2))


def listed(*objects: Mapping[str, Any]) -> bytes:
    return json.dumps({"items": objects}).encode()


def record(suffix: str = "", annotations: Mapping[str, str] | None = None) -> Json:
    metadata = {**TEMPLATE["metadata"], "creationTimestamp": "2026-11-24T12:00:00Z"}
    metadata["name"] += suffix
    metadata["annotations"] = {**metadata["annotations"], **(annotations or {})}
    return {**TEMPLATE, "metadata": metadata}


def shown(pod: Mapping[str, Any]) -> Json:
    return {**pod, "status": UNSCHEDULABLE}


def test_a_placeholder_needs_of_a_node_what_its_pod_needs() -> None:
    """A2: pinned to the unit, and nothing of the pod's priority or its hold."""
    first, second = PODS
    assert first["spec"]["nodeSelector"] == {"pool": "far"}
    assert first["spec"]["containers"] == TEMPLATE["template"]["spec"]["containers"]
    assert "priority" not in first["spec"]
    assert wellknown.POD_SCALE_UP_DELAY not in json.dumps(PODS)
    assert first["metadata"]["labels"].items() >= {"app": "x", **OWNED}.items()
    assert names_of(listed(second, first)) == [f"{name_of(DEMAND)}-0", f"{name_of(DEMAND)}-1"]


def test_the_tenth_placeholder_comes_after_the_second() -> None:
    """The last ones are removed first when fewer are needed."""
    names = names_of(listed(*list(placeholders(TEMPLATE, 11))))
    assert names[-1].endswith("-10")


@pytest.mark.parametrize(
    ("pods", "kept", "phase", "count"),
    [
        pytest.param([], [""], RequestPhase.UNSENT, 0, id="killed before the first pod"),
        pytest.param(PODS, [""], RequestPhase.UNSENT, 0, id="killed before anybody could see one"),
        pytest.param(
            [shown(PODS[0]), PODS[1]], [""], RequestPhase.PLACEHOLDERS_PENDING, 1, id="killed halfway"
        ),
        pytest.param([*map(shown, PODS)], [""], RequestPhase.PLACEHOLDERS_PENDING, 2, id="shown"),
        pytest.param(
            [*map(shown, PODS)], ["", BOUGHT], RequestPhase.SCALED_UP, 2, id="killed while it was settled"
        ),
        pytest.param([], ["", BOUGHT], RequestPhase.PROVISIONED, 0, id="settled"),
        pytest.param([], [BOUGHT], RequestPhase.PROVISIONED, 0, id="killed while it was withdrawn"),
    ],
)
def test_what_a_crash_leaves_tells_how_far_it_had_come(
    pods: Sequence[Json], kept: list[str], phase: RequestPhase, count: int
) -> None:
    """W3: every order of writes can be cut off."""
    (request,) = read_placeholders(listed(*pods), listed(*map(record, kept)))
    assert (request.name, request.phase, request.placeholders) == (name_of(DEMAND), phase, count)


def test_a_record_keeps_how_many_pods_were_granted_a_place() -> None:
    """W3: after a restart, too."""
    (request,) = read_placeholders(listed(), listed(record()))
    assert request.granted is None
    (kept,) = read_placeholders(listed(), listed(record(BOUGHT, granted(replace(request, granted=1)))))
    assert kept.granted == 1


class Silent(World):
    """Where every request is shown as placeholders, one for each pod."""

    def show(self) -> None:
        self.autoscaler.live = {
            name: replace(r, phase=RequestPhase.PLACEHOLDERS_PENDING, placeholders=len(r.pods))
            if r.phase is RequestPhase.SENT
            else r
            for name, r in self.autoscaler.live.items()
        }

    def ask(self, *names: str) -> Request:
        """The request for these pods, shown."""
        self.put(*map(waiting, names))
        self.reconcile()
        self.show()
        self.reconcile()
        return self.live[0]

    def tell(self, *groups: NodeGroup, seconds: float = 1) -> None:
        self.autoscaler.current_status = AutoscalerStatus(f"{self.clock()}", groups)
        self.reconcile(seconds)


NEAR_GROUP, FAR_GROUP = NodeGroup("near", max_size=9), NodeGroup("far", max_size=9)


def test_placeholders_go_as_soon_as_a_group_grew_and_their_places_are_awaited() -> None:
    """A5: in the next loop they would buy a second node."""
    world = Silent(a_policy(NEAR))
    world.ask("a", "b")
    world.tell(replace(NEAR_GROUP, target=2))
    assert len(world.autoscaler.settled) == 1
    assert [world.reconcile() for _ in range(3)] == [[], [], []]


def test_a_group_that_reached_its_maximum_serves_as_many_as_it_bought_nodes_for() -> None:
    """W4: the rest goes on."""
    world = Silent(a_policy(NEAR, FAR))
    world.autoscaler.current_status = AutoscalerStatus("0", (replace(NEAR_GROUP, max_size=2), FAR_GROUP))
    world.ask("a", "b", "c")
    world.tell(NodeGroup("near", target=2, max_size=2), FAR_GROUP)
    assert world.live[0].granted == 2
    # The unit is not known to be at its maximum here: one request shows.
    assert world.reconcile() == [(0, ["c"])]


def test_nodes_for_several_pods_serve_several() -> None:
    """W3: where a node of the unit tells how many."""
    world = Silent(a_policy(NEAR))
    world.put(a_node("old", "near", allocatable={"nvidia.com/gpu": "2"}))
    world.put(*(replace(waiting(f"busy{n}"), node_name="old", unschedulable=False) for n in range(2)))
    world.autoscaler.current_status = AutoscalerStatus("0", (NodeGroup("near", 1, 1, max_size=2),))
    world.ask("a", "b", "c")
    world.tell(NodeGroup("near", target=2, registered=1, max_size=2))
    assert world.live[0].granted == 2


def test_a_refusal_of_the_cloud_sends_the_pods_to_the_next_unit() -> None:
    """W4: at once, and not half of them again."""
    world = Silent(a_policy(NEAR, FAR))
    world.ask("a", "b")
    world.tell(replace(NEAR_GROUP, backoff="no stock"), FAR_GROUP)
    assert world.reconcile() == [(1, ["a", "b"])]
    blocked = world.latest_status.latest().of("default/policy", 0).blocked
    assert blocked
    assert blocked.reason is BlockReason.BACK_OFF


def test_an_autoscaler_that_lives_and_does_nothing_has_refused() -> None:
    """A6: a timeout is the only sign that its nodes would not fit."""
    world = Silent(a_policy(NEAR, FAR))
    world.ask("a")
    world.tell(NEAR_GROUP, FAR_GROUP, seconds=91)
    assert world.reconcile() == [(1, ["a"])]


def test_a_dead_autoscaler_has_not_refused() -> None:
    """A8: it will act on the placeholder when it is back."""
    world = Silent(a_policy(NEAR, FAR))
    world.ask("a")
    assert world.reconcile(91) == []
    assert world.reconcile(91) == []


def test_a_pod_that_goes_takes_its_placeholder_along() -> None:
    """W3: nobody would use its node."""
    world = Silent(a_policy(DC, NEAR))
    world.ask("a", "b")
    world.cache.remove_pod(waiting("b"))
    world.reconcile()
    assert [(r.phase, r.placeholders) for r in world.live] == [(RequestPhase.PLACEHOLDERS_PENDING, 1)]


def test_placeholders_without_pods_are_removed_after_a_moment_for_replacements() -> None:
    """W3, A4: a roll-out must not wait for the grace of 30 s again."""
    world = Silent(a_policy(NEAR))
    world.ask("old")
    world.cache.remove_pod(waiting("old"))
    world.reconcile()
    world.put(waiting("new"))
    world.reconcile(3)
    assert [r.pods for r in world.live] == [frozenset({"old"})]
    world.cache.remove_pod(waiting("new"))
    world.reconcile()
    world.reconcile(3)
    assert not world.live


def test_a_placeholder_is_no_pod_of_a_policy() -> None:
    """A policy in our own namespace would otherwise ask for nodes for placeholders, without end."""
    world = World(a_policy(NEAR))
    world.put(replace(waiting("a"), labels=OWNED))
    assert world.reconcile() == []
    assert not world.held


def test_units_of_different_groups_need_not_wait_for_each_other() -> None:
    """A4: it takes half a minute each, and which of them grew is told apart."""
    capped = a_unit("near", resource="elastic", max=1)
    known = WatcherSettings(node_groups={"near": {"pool": "near"}, "far": {"pool": "far"}})
    world = Silent(a_policy(capped, FAR), settings=Settings(watcher=known))
    world.autoscaler.current_status = AutoscalerStatus("0", (NEAR_GROUP, FAR_GROUP))
    world.put(waiting("a"), waiting("b"))
    assert world.reconcile() == [(0, ["a"])]
    world.show()
    assert world.reconcile() == [(1, ["b"])]
    world.show()
    world.put(waiting("c"))
    assert world.reconcile() == []


def test_units_whose_groups_are_not_known_wait_for_each_other() -> None:
    """A4: any group might be the one."""
    world = Silent(a_policy(a_unit("near", resource="elastic", max=1), FAR))
    world.ask("a", "b")
    assert world.reconcile() == []


def test_pods_that_land_before_the_growth_is_told_have_its_places_all_the_same() -> None:
    """A4: a node may be there before the autoscaler writes that it bought it; whose it is, its age tells."""
    capped = a_unit("near", resource="elastic", max=2)
    world = Silent(a_policy(capped, FAR))
    world.autoscaler.current_status = AutoscalerStatus("0", (NEAR_GROUP, FAR_GROUP))
    world.ask("a", "b")
    for name, node in (("twin", "n1"), ("a", "n2")):
        world.put(room(node, "near"))
        world.bind(name, node)
    world.reconcile()
    world.tell(replace(NEAR_GROUP, target=2, registered=2, ready=2), FAR_GROUP)
    # Both places are taken, by a twin the one: the pod that has none goes on, as the cap is reached.
    assert world.reconcile() == [(1, ["b"])]
