"""The objects that ask cluster-autoscaler, and what is read of its answers.

Facts: docs/design/autoscaler.md, sections 5 and 9.
"""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from policy.api import wellknown
from policy.scaleup.demand import Demand
from policy.scheduling.accounting import record_of
from tests.builders import a_pod, a_policy, a_unit
from watcher.provisioner.autoscaler_status import UNKNOWN, AutoscalerStatus, NodeGroup, Size, decode_status
from watcher.provisioner.interface import RequestPhase
from watcher.provisioner.request_manifests import (
    BOUGHT,
    bundle_of,
    name_of,
    pod_template,
    provisioning_request,
    read_requests,
)

Json = dict[str, Any]

POLICY = a_policy(a_unit("dc"), a_unit("far", resource="elastic"))
PODS = (a_pod("a"), a_pod("b"))
DEMAND = Demand(POLICY, 1, PODS)
SIZES = {"far": (2, 1)}
GPU = {"nvidia.com/gpu": "1"}
WRITTEN: Json = {
    "metadata": {"name": "a", "labels": {"app": "x"}, "annotations": {wellknown.POD_SCALE_UP_DELAY: "8760h"}},
    "spec": {
        "affinity": {"podAntiAffinity": {}},
        "containers": [
            {
                "name": "c",
                "image": "i",
                "env": [{"name": "A", "value": "b"}],
                "resources": {"requests": GPU, "limits": GPU, "claims": []},
                "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            }
        ],
        "initContainers": [{"name": "i", "image": "i", "restartPolicy": "Always", "resources": {}}],
        "nodeSelector": {"zone": "z"},
        "overhead": {"cpu": "100m"},
        "runtimeClassName": "kata",
        "schedulerName": "default-scheduler",
        "serviceAccountName": "default",
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "topologySpreadConstraints": [{"topologyKey": "kubernetes.io/hostname", "maxSkew": 1}],
        "volumes": [{"name": "v"}],
    },
}


def template() -> Json:
    return pod_template(DEMAND, WRITTEN, {"kind": "cloud"}, SIZES)


def test_the_template_keeps_what_decides_about_nodes_and_nothing_else() -> None:
    """Section 5. Labels are what terms of affinity and spreading select."""
    assert template()["template"] == {
        "metadata": {"labels": {"app": "x"}},
        "spec": {
            "affinity": {"podAntiAffinity": {}},
            "containers": [{"name": "c", "image": "i", "resources": {"requests": GPU, "limits": GPU}}],
            "initContainers": [{"name": "i", "image": "i", "restartPolicy": "Always", "resources": {}}],
            "nodeSelector": {"zone": "z", "kind": "cloud", "pool": "far"},
            "overhead": {"cpu": "100m"},
            "runtimeClassName": "kata",
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "topologySpreadConstraints": [{"topologyKey": "kubernetes.io/hostname", "maxSkew": 1}],
        },
    }


def test_the_hold_never_enters_the_template() -> None:
    """The trap of section 5: the request would be held as well, for ever."""
    assert wellknown.POD_SCALE_UP_DELAY not in json.dumps(template())


def test_the_request_counts_its_pods_and_refers_to_the_template() -> None:
    """A2."""
    request = provisioning_request([DEMAND], SIZES)
    name = template()["metadata"]["name"]
    assert request["metadata"]["name"] == name
    assert request["spec"]["podSets"] == [{"podTemplateRef": {"name": name}, "count": 2}]


def test_the_name_is_that_of_the_pods_and_the_unit_whatever_their_order() -> None:
    """A3, W3."""
    edited = a_policy(a_unit("far", resource="elastic", max=5), a_unit("dc"))
    assert name_of(Demand(POLICY, 1, PODS[::-1])) == name_of(DEMAND)
    assert name_of(Demand(edited, 0, PODS)) == name_of(DEMAND)
    assert name_of(Demand(POLICY, 1, PODS[:1])) != name_of(DEMAND)
    assert name_of(Demand(POLICY, 0, PODS)) != name_of(DEMAND)


def test_a_label_is_valid_however_long_the_name_of_the_policy() -> None:
    """Names may have 253 characters, label values 63."""
    policy = a_policy(a_unit("dc"), name="p" * 62 + "." + "q" * 80)
    label = provisioning_request([Demand(policy, 0, PODS)], {})["metadata"]["labels"][
        "resourcepolicy.io/policy"
    ]
    assert label == "p" * 62


def stored(written: Json, conditions: Sequence[Json] = (), name: str = "") -> Json:
    metadata = {**written["metadata"], "creationTimestamp": "2026-11-24T12:00:00Z"}
    return {
        "metadata": {**metadata, **({"name": name} if name else {})},
        "status": {"conditions": conditions},
    }


def listed(*objects: Json) -> bytes:
    return json.dumps({"items": objects}).encode()


def condition(kind: str, status: str, reason: str = "") -> Json:
    return {"type": kind, "status": status, "reason": reason, "message": "said"}


def test_what_a_restart_needs_is_read_back() -> None:
    """W3."""
    (request,) = read_requests(listed(stored(provisioning_request([DEMAND], SIZES))), listed())
    assert (request.policy, request.record) == (POLICY.key, record_of(POLICY, 1))
    assert request.pods == {"a", "b"}
    assert request.sizes == SIZES
    assert request.phase is RequestPhase.SENT


@pytest.mark.parametrize(
    ("conditions", "phase"),
    [
        pytest.param([], RequestPhase.SENT, id="no word yet"),
        pytest.param([condition("Accepted", "True")], RequestPhase.ACCEPTED, id="accepted"),
        pytest.param(
            [condition("Accepted", "True"), condition("Provisioned", "True", "CapacityIsProvisioned")],
            RequestPhase.PROVISIONED,
            id="bought",
        ),
        pytest.param(
            [condition("Provisioned", "True", "CapacityIsFound")], RequestPhase.PROVISIONED, id="found (A7)"
        ),
        pytest.param(
            [condition("Provisioned", "True"), condition("BookingExpired", "True")],
            RequestPhase.PROVISIONED,
            id="bought long ago",
        ),
        pytest.param([condition("Provisioned", "False")], RequestPhase.FAILED, id="no capacity (A6)"),
        pytest.param([condition("Failed", "True")], RequestPhase.FAILED, id="failed for good"),
        pytest.param(
            [condition("Failed", "True", "FailedToCreatePods")],
            RequestPhase.UNSENT,
            id="read before its template: no refusal (A6)",
        ),
        pytest.param(
            [condition("Provisioned", "True"), condition("CapacityRevoked", "True")],
            RequestPhase.FAILED,
            id="taken back",
        ),
    ],
)
def test_conditions_are_answers(conditions: list[Json], phase: RequestPhase) -> None:
    """A6, A7, A9."""
    body = listed(stored(provisioning_request([DEMAND], {}), conditions))
    assert [request.phase for request in read_requests(body, listed())] == [phase]


@pytest.mark.parametrize(
    ("requested", "kept", "phase"),
    [
        pytest.param(True, [""], RequestPhase.SENT, id="a request beside its template"),
        pytest.param(False, [""], RequestPhase.UNSENT, id="a template alone: killed before the request"),
        pytest.param(True, ["", BOUGHT], RequestPhase.SCALED_UP, id="killed before the request was deleted"),
        pytest.param(False, ["", BOUGHT], RequestPhase.PROVISIONED, id="bought, and the request deleted"),
        pytest.param(False, [BOUGHT], RequestPhase.PROVISIONED, id="killed while it was withdrawn"),
    ],
)
def test_what_a_crash_leaves_tells_how_far_it_had_come(
    kept: list[str], phase: RequestPhase, *, requested: bool
) -> None:
    """W3: every order of writes can be cut off."""
    name = name_of(DEMAND)
    requests = listed(*([stored(provisioning_request([DEMAND], {}))] if requested else []))
    templates = listed(*(stored(template(), name=name + suffix) for suffix in kept))
    (request,) = read_requests(requests, templates)
    assert (request.name, request.phase) == (name, phase)


OTHER = Demand(POLICY, 1, (a_pod("c", requests=GPU),))
BOTH = [DEMAND, OTHER]
TOGETHER = bundle_of(BOTH)


def together(demand: Demand) -> Json:
    return pod_template(demand, WRITTEN, {}, SIZES, TOGETHER)


def test_sizes_that_are_asked_for_together_are_sets_of_one_request() -> None:
    """A2: each with a template of its own."""
    sets = provisioning_request(BOTH, SIZES)["spec"]["podSets"]
    assert [(each["podTemplateRef"]["name"], each["count"]) for each in sets] == [
        (together(DEMAND)["metadata"]["name"], 2),
        (together(OTHER)["metadata"]["name"], 1),
    ]


@pytest.mark.parametrize(
    ("requested", "kept", "answers"),
    [
        pytest.param(False, [DEMAND], [RequestPhase.UNSENT], id="killed after the first template"),
        pytest.param(False, BOTH, [RequestPhase.UNSENT] * 2, id="killed before the request"),
        pytest.param(True, BOTH, [RequestPhase.SENT] * 2, id="asked"),
        pytest.param(
            True, [*BOTH, None], [RequestPhase.SCALED_UP] * 2, id="killed before the request was deleted"
        ),
        pytest.param(
            False, [*BOTH, None], [RequestPhase.PROVISIONED] * 2, id="bought, and the request deleted"
        ),
        pytest.param(False, [OTHER, None], [RequestPhase.PROVISIONED], id="killed while they were withdrawn"),
        pytest.param(False, [None], [RequestPhase.PROVISIONED], id="killed before the last of it went"),
    ],
)
def test_what_a_crash_leaves_of_sizes_asked_for_together_tells_of_each(
    kept: Sequence[Demand | None], answers: list[RequestPhase], *, requested: bool
) -> None:
    """W3: None is the record that the bundle was bought."""
    requests = listed(*([stored(provisioning_request(BOTH, SIZES))] if requested else []))
    templates = [
        stored(together(demand)) if demand else stored(together(DEMAND), name=TOGETHER + BOUGHT)
        for demand in kept
    ]
    found = read_requests(requests, listed(*templates))
    assert [request.phase for request in found] == answers
    assert {request.bundle for request in found} == {TOGETHER}
    of = {demand.pods[0].uid: demand for demand in BOTH}
    assert all(len(request.pods) == len(of[min(request.pods)].pods) for request in found)


def test_a_bought_request_is_as_old_as_its_first_record() -> None:
    """A4: nodes that came since are its own, also those that came before it was known to be bought."""
    later = stored(template(), name=name_of(DEMAND) + BOUGHT)
    later["metadata"]["creationTimestamp"] = "2026-11-24T12:00:09Z"
    (request,) = read_requests(listed(), listed(stored(template()), later))
    (first,) = read_requests(listed(), listed(stored(template())))
    assert request.phase is RequestPhase.PROVISIONED
    assert request.made_at == first.made_at


STATUS = """
autoscalerStatus: Running
nodeGroups:
- name: near
  health:
    status: Healthy
    nodeCounts: {registered: {total: 2, ready: 2, notStarted: 0}}
    cloudProviderTarget: 3
    minSize: 0
    maxSize: 10
    lastProbeTime: 2026-11-24T12:00:00Z
  scaleUp: {status: InProgress}
- name: far
  health: {cloudProviderTarget: 0, maxSize: 10}
  scaleUp:
    status: Backoff
    backoffInfo: {errorCode: cloudProviderError, errorMessage: no stock}
- name: new
"""


def config_map(text: str | None) -> bytes:
    annotations = {"cluster-autoscaler.kubernetes.io/last-updated": "2026-11-24 12:00:00 +0000 UTC"}
    data = {} if text is None else {"data": {"status": text}}
    return json.dumps({"metadata": {"annotations": annotations}, **data}).encode()


def test_the_status_tells_sizes_and_troubles() -> None:
    """A9, section 9: empty fields are left out."""
    status = decode_status(config_map(STATUS))
    near, far, new = status.groups
    assert near == NodeGroup("near", target=3, registered=2, ready=2, max_size=10, growing=True)
    assert far.backoff == "cloudProviderError no stock"
    assert new == NodeGroup("new")
    assert status.sizes == {"near": (3, 1), "far": (0, 0), "new": (0, 0)}
    assert status.troubles == "far: cloudProviderError no stock"


@pytest.mark.parametrize(
    ("before", "group", "grew"),
    [
        pytest.param((2, 0), NodeGroup("g", target=3, registered=2), True, id="one more is wanted"),
        pytest.param((2, 0), NodeGroup("g", target=2, registered=2), False, id="nothing has changed"),
        pytest.param((2, 0), NodeGroup("g", target=2, registered=1), True, id="one went, and one is to come"),
        pytest.param((2, 0), NodeGroup("g", target=1, registered=1), False, id="one went"),
        pytest.param(
            (2, 2),
            NodeGroup("g", target=1, growing=True),
            True,
            id="two went that were to come, then one more",
        ),
        pytest.param((2, 2), NodeGroup("g", target=1), False, id="one went that was to come"),
        pytest.param(
            (2, 1),
            NodeGroup("g", target=2, registered=1, growing=True),
            False,
            id="it still grows from before",
        ),
    ],
)
def test_a_group_that_was_told_to_grow_is_known_by_its_sizes(
    before: Size, group: NodeGroup, *, grew: bool
) -> None:
    """A5: not by its target alone, which others make smaller."""
    assert group.grew_since(before) is grew


@pytest.mark.parametrize(
    ("updated", "at"),
    [
        ("2026-11-24 12:00:00.123456789 +0000 UTC", 1_795_521_600.0),
        ("2026-11-24 14:00:00 +0200 CEST", 1_795_521_600.0),
        ("", None),
        ("soon", None),
    ],
)
def test_the_status_tells_when_its_loop_began(updated: str, at: float | None) -> None:
    """A5: as Go writes times."""
    assert AutoscalerStatus(updated).loop_at == at


def test_a_request_tells_when_it_was_accepted_and_served() -> None:
    """A5."""
    accepted = {**condition("Accepted", "True"), "lastTransitionTime": "2026-11-24T12:00:00Z"}
    (request,) = read_requests(listed(stored(provisioning_request([DEMAND], {}), [accepted])), listed())
    assert (request.accepted_at, request.served_at) == (1_795_521_600.0, None)
    served = {**condition("Provisioned", "True"), "lastTransitionTime": "2026-11-24T12:00:01Z"}
    (request,) = read_requests(
        listed(stored(provisioning_request([DEMAND], {}), [accepted, served])), listed()
    )
    assert (request.accepted_at, request.served_at) == (1_795_521_600.0, 1_795_521_601.0)


def test_a_purchase_that_was_concluded_counts_as_served_since_then() -> None:
    """A5."""
    concluded = stored(template(), name=name_of(DEMAND) + BOUGHT)
    concluded["metadata"]["creationTimestamp"] = "2026-11-24T12:00:00Z"
    (request,) = read_requests(listed(), listed(stored(template()), concluded))
    assert (request.phase, request.served_at) == (RequestPhase.PROVISIONED, 1_795_521_600.0)


@pytest.mark.parametrize("text", [None, "", "nodeGroups: {", "nodeGroups: text", "[]"])
def test_a_status_that_says_nothing_claims_no_groups(text: str | None) -> None:
    """A8: just after its start, or of another kind."""
    assert decode_status(config_map(text)).groups == UNKNOWN.groups
