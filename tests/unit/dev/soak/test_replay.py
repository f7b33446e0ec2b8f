"""The replay of a world: what it calls explained, and that neither a wrong server nor a wrong simulator is.

The world: two pods may be in units[0], a third goes on.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dev.controlplane import Object
from dev.controlplane.nodes import GPU, node
from dev.soak.differential.environment import Photo, Played
from dev.soak.differential.model import Arrival, World
from dev.soak.differential.pod_counts import real
from dev.soak.differential.replay import Replayed, replayed
from dev.soak.differential.scheduler_log import Left, Tried, happened
from policy.api.objects import Pod
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling import filter as filter_verb
from policy.scheduling.accounting import Usage
from policy.scheduling.refusals import Refusal
from policy.scheduling.unit_selection import limit_reached
from policy.simulation.node_capacity import NodeCapacity, PodShape
from policy.simulation.simulator import Simulation

FULL = "0/3 nodes are available: 2 node(s) in units[0] of ResourcePolicy web, which is full: max 2 pod(s)"
NO_ROOM = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are available."
RIGHT = (
    Tried(1, "d0-x", "own-2"),
    Tried(2, "d0-y", "own-1"),
    Tried(3, "d0-z", "", f"{FULL}, 1 Insufficient nvidia.com/gpu. preemption: 0/3 nodes are available."),
    Left(4, "old"),
    Tried(5, "d0-z", "rented-1"),
)


def a_manifest(kind: str, name: str, labels: dict[str, str], **content: Object) -> Object:
    metadata = {"name": name, "namespace": "default", "uid": name, "labels": labels}
    return {"kind": kind, "metadata": metadata | {"creationTimestamp": "2026-11-25T10:00:00Z"}, **content}


def a_gpu_pod(name: str, app: str, on: str = "") -> Object:
    container = {"name": "c", "resources": {"requests": {GPU: "1"}}}
    labels = {"app": app, "deployment": name.partition("-")[0]}
    conditions = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-25T10:00:05Z"}]
    spec = {"containers": [container]} | ({"nodeName": on} if on else {})
    status = {"phase": "Pending", "conditions": conditions if on else []}
    return a_manifest("Pod", name, labels, spec=spec, status=status)


def a_ready_node(name: str, gpus: int) -> Object:
    made = node(name, {"pool": name.partition("-")[0]}, gpus=gpus)
    made["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    return {"kind": "Node", **made}


def a_played_world(told: Sequence[Tried | Left], **more: object) -> tuple[World, Played]:
    """One in which that happened: pods are in the end where they were put. `more` is of the policy."""
    units = [{"nodeSelector": {"pool": "own"}, "max": 2}, {"nodeSelector": {"pool": "rented"}}]
    spec = {"selector": {"app": "web"}, "units": units, **more}
    policy = a_manifest("ResourcePolicy", "web", {}, spec=spec)
    nodes = [a_ready_node("own-1", 2), a_ready_node("own-2", 2), a_ready_node("rented-1", 1)]
    old = a_gpu_pod("old", "other", on="rented-1")
    template = {"metadata": {"labels": {"app": "web", "deployment": "d0"}}}
    template["spec"] = a_gpu_pod("d0", "web")["spec"]
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d0", "namespace": "default"},
        "spec": {"replicas": 0, "template": template},
    }
    world = World(0, "default", tuple(nodes), (old,), (policy,), (deployment,), ("old",), (Arrival("d0", 3),))
    places = {each.pod: each.node for each in told if isinstance(each, Tried)}
    leaving = old | {"metadata": old["metadata"] | {"deletionTimestamp": "2026-11-25T10:00:30Z"}}
    there = {"apiVersion": "v1", "kind": "List", "items": [*nodes, policy]}
    came = [a_gpu_pod(name, "web", on=place) for name, place in places.items()]
    before = Photo(there | {"items": [*there["items"], leaving]})
    return world, Played(before, Photo(there | {"items": [*there["items"], *came]}), told)


def explained(played: Played, again: Replayed) -> bool:
    return again.counts == real(played.before, played.after) and not again.otherwise


def changed(place: int, each: Tried) -> tuple[Tried | Left, ...]:
    return (*RIGHT[:place], each, *RIGHT[place + 1 :])


@pytest.mark.parametrize(
    ("told", "otherwise"),
    [
        pytest.param(RIGHT, "", id="the rules hold"),
        pytest.param(
            (RIGHT[1], RIGHT[0], *RIGHT[2:]),
            "",
            id="other pods first, on other nodes",
        ),
        pytest.param(
            changed(2, Tried(3, "d0-z", "own-1")),
            "d0-z: on own-1 in reality, nowhere in the replay",
            id="C7 one pod above the cap",
        ),
        pytest.param(
            changed(1, Tried(2, "d0-y", "", NO_ROOM)),
            "d0-y: nowhere in reality, on own-1 in the replay",
            id="O1 a pod waits though there is room",
        ),
        pytest.param(
            changed(0, Tried(1, "d0-x", "rented-1")),
            "d0-x: on rented-1 in reality, on own-1 in the replay",
            id="U1 a later unit first, and not even room there",
        ),
        pytest.param(
            changed(2, Tried(3, "d0-z", "", NO_ROOM)),
            f"d0-z: in the replay, but not in reality: {FULL.partition('2 ')[2]}",
            id="O10 a refusal without its reason",
        ),
        pytest.param(
            changed(2, Tried(3, "d0-z", "", f"{FULL}, 1 node(s) in no unit of ResourcePolicy web.")),
            "d0-z: in reality, but not in the replay: 0/3 nodes are available: 2 , 1 node(s) in no unit of "
            "ResourcePolicy web.",
            id="U6 a refusal with another reason",
        ),
        pytest.param(
            (*RIGHT[:2], Tried(2, "d0-y", "own-2"), *RIGHT[2:]),
            "d0-y is placed already",
            id="a pod is placed twice",
        ),
    ],
)
def test_a_replay_tells_the_attempts_that_no_rule_allows(
    told: Sequence[Tried | Left], otherwise: str
) -> None:
    world, played = a_played_world(told)
    again = replayed(world, played)
    assert again.otherwise[:1] == ((otherwise,) if otherwise else ())
    assert explained(played, again) == (not otherwise)
    assert again.attempts == sum(isinstance(each, Tried) for each in told)


@pytest.mark.parametrize(
    ("until", "otherwise"),
    [
        pytest.param(8.01, (), id="O7 the timer ended during the attempt"),
        pytest.param(
            7.99, ("d0-z: on rented-1 in reality, nowhere in the replay",), id="O7 it ended after the attempt"
        ),
    ],
)
def test_a_decision_is_as_old_as_its_attempt_at_most(until: float, otherwise: tuple[str, ...]) -> None:
    """The log tells when an attempt began and ended, and the server was asked between."""
    told = (*RIGHT[:4], Tried(7.9, "d0-z", "rented-1", until=until))
    world, played = a_played_world(told, whenTryNextUnits={"policy": "Timeout", "timeout": "5s"})
    assert replayed(world, played).otherwise == otherwise


def too_many(policy: ResourcePolicy, index: int, usage: Usage, requests: Mapping[str, int]) -> Refusal | None:
    """A cap is passed by one."""
    return limit_reached(policy, index, replace(usage, pods=usage.pods - 1), requests)


def too_few(policy: ResourcePolicy, index: int, usage: Usage, requests: Mapping[str, int]) -> Refusal | None:
    """A cap is not reached."""
    return limit_reached(policy, index, replace(usage, pods=usage.pods + 1), requests)


def none_leaves(_: Simulation, __: Sequence[Pod]) -> None:
    """Room on a node is not given back."""


def none_takes(_: NodeCapacity, __: str, ___: PodShape) -> None:
    """Pods take no room."""


@pytest.mark.parametrize(
    ("place", "name", "wrong"),
    [
        pytest.param(filter_verb, "limit_reached", too_many, id="C7 passes a cap"),
        pytest.param(filter_verb, "limit_reached", too_few, id="O2 closes a unit early"),
        pytest.param(Simulation, "remove_pods", none_leaves, id="keeps room that is free"),
        pytest.param(NodeCapacity, "take", none_takes, id="gives room twice"),
    ],
)
def test_a_wrong_simulator_is_not_explained_by_reality(
    monkeypatch: pytest.MonkeyPatch, place: object, name: str, wrong: object
) -> None:
    """The answers are its own: order and nodes of reality do not lead it to the right end."""
    world, played = a_played_world(RIGHT)
    assert explained(played, replayed(world, played))
    monkeypatch.setattr(place, name, wrong)
    assert not explained(played, replayed(world, played))


def test_attempts_are_read_from_the_schedulers_log(tmp_path: Path) -> None:
    """In the order in which they began; errors, other worlds and what came before are left out."""
    lines = [
        (1.0, "Attempting to schedule pod", "early", ""),
        (2.0, "Attempting to bind pod to node", "early", ""),
        (2.5, "Attempting to schedule pod", "a", ""),
        (3.0, "Attempting to schedule pod", "b", ""),
        (3.1, "Unable to schedule pod; no fit; waiting", "b", "0/1 nodes are available"),
        (3.2, "Attempting to bind pod to node", "a", ""),
        (3.3, "Attempting to schedule pod", "c", ""),
        (3.4, "Error scheduling pod; retrying", "c", "no answer"),
        (3.5, "Attempting to schedule pod", "c", ""),
        (3.6, "Unable to schedule pod; no fit; waiting", "c", "full"),
        (3.7, "Delete event for scheduled pod", "old", ""),
    ]
    written = ["not of JSON"]
    for namespace in ("world-1", "world-11"):
        for at, said, pod, why in lines:
            line = {"ts": at * 1000, "msg": said, "pod": {"name": pod, "namespace": namespace}}
            line |= {"node": {"name": "n"}} if "bind" in said else {"err": why}
            written.append(json.dumps(line, separators=(",", ":")))
    log = tmp_path / "kube-scheduler.log"
    log.write_text("\n".join(written))
    assert happened(log, "world-1", since=1.5) == (
        Tried(2.5, "a", "n", until=3.2),
        Tried(3.0, "b", "", "0/1 nodes are available", until=3.1),
        Tried(3.5, "c", "", "full", until=3.6),
        Left(3.7, "old"),
    )
