"""What a user reads in the pod's event: rule O10, and E8 of the scheduler's extender."""

import re

import pytest

from policy.api.objects import Pod
from policy.api.resourcepolicy import NextUnits, ResourcePolicy
from policy.scheduling.refusals import Reason, Refusal
from tests.builders import a_pod, a_policy, a_unit
from tests.unit.policy.cases import CLOUD, DC_2, DC_ONLY, GPU, NO_ROOM_IN_DC, ONE, TWO, WANTS_2, Ask, gpus

policy = a_policy(a_unit("dc", max=2, max_resources={GPU: "8", "memory": "64Gi"}), CLOUD, name="web")


@pytest.mark.parametrize(
    "refusal", [pytest.param(Refusal(reason, policy, 0, GPU), id=f"O10: {reason}") for reason in Reason]
)
def test_every_reason_reads_well_after_a_number(refusal: Refusal) -> None:
    """The scheduler prints "0/5 nodes are available: 3 <sentence>, 2 Insufficient cpu."."""
    text = refusal.text
    assert text.startswith("node(s) ")
    assert "ResourcePolicy web" in text
    assert "\n" not in text
    assert not text.endswith(".")
    assert not re.search(r"[{}]|None", text)
    assert len(text) < 160


@pytest.mark.parametrize(
    ("refusal", "text"),
    [
        pytest.param(
            Refusal(Reason.MAX_REACHED, policy),
            "node(s) in units[0] of ResourcePolicy web, which is full: max 2 pod(s)",
            id="O10: max is named",
        ),
        pytest.param(
            Refusal(Reason.MAX_RESOURCES_REACHED, policy, 0, "memory"),
            "node(s) in units[0] of ResourcePolicy web, whose maxResources leave too little memory "
            "(limit 64Gi)",
            id="O10: the resource and its limit are named",
        ),
        pytest.param(
            Refusal(Reason.WAITING_FOR_TIMEOUT, policy, 1),
            "node(s) held back by ResourcePolicy web: waiting up to 15m for room in units[1]",
            id="O10: the timeout is named",
        ),
        pytest.param(
            Refusal(Reason.LABEL_MISSING, policy, named="rev"),
            "node(s) refused by ResourcePolicy web: the pod lacks the label rev, "
            "which matchLabelKeys counts by",
            id="O10: the label is named",
        ),
    ],
)
def test_a_reason_names_what_the_policy_says(refusal: Refusal, text: str) -> None:
    assert refusal.text == text


EXCEED_MAX = a_policy(DC_2, CLOUD, mode=NextUnits.EXCEED_MAX)
BOTH_FULL = a_policy(DC_2, a_unit("cloud", max=0))


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param(
            Ask(BOTH_FULL, pods=(ONE, TWO)),
            {
                "dc-1": (Reason.MAX_REACHED, 0),
                "dc-2": (Reason.MAX_REACHED, 0),
                "cloud-1": (Reason.MAX_REACHED, 1),
                "attic-1": (Reason.OUTSIDE_UNITS, 0),
            },
            id="O10: each node says which unit it is in, or that it is in none",
        ),
        pytest.param(
            Ask(EXCEED_MAX, room=NO_ROOM_IN_DC),
            {"cloud-1": (Reason.WAITING_FOR_ROOM, 0), "attic-1": (Reason.WAITING_FOR_ROOM, 0)},
            id="O10: a pod that waits is told what for, on every node",
        ),
        pytest.param(
            Ask(
                a_policy(DC_2, a_unit("cloud", max=1), a_unit("attic"), mode=NextUnits.EXCEED_MAX),
                pods=(ONE, TWO),
                room=("dc-1", "attic-1"),
            ),
            {"dc-1": (Reason.MAX_REACHED, 0), "attic-1": (Reason.WAITING_FOR_ROOM, 1)},
            id="O10: a full unit is told as full though the pod waits in the next",
        ),
        pytest.param(
            Ask(gpus("1"), asking=WANTS_2, room=DC_ONLY),
            {"dc-1": (Reason.MAX_RESOURCES_REACHED, 0), "dc-2": (Reason.MAX_RESOURCES_REACHED, 0)},
            id="O10: the cap that closes the unit is told",
        ),
        pytest.param(
            Ask(a_policy(match_label_keys=["rev"]), room=("dc-1",)),
            {"dc-1": (Reason.LABEL_MISSING, 0)},
            id="O10: the pod's own fault is told",
        ),
    ],
)
def test_every_refused_node_has_its_reason(ask: Ask, expected: dict[str, tuple[Reason, int]]) -> None:
    refused = ask.decision.refused
    assert refused is not None
    told = {name: refused.reasons[unit] for name, unit in zip(refused.nodes, refused.units, strict=True)}
    assert {name: (refusal.reason, refusal.unit) for name, refusal in told.items()} == expected
    assert set(refused.reasons) == set(refused.units)
    assert refused.first == next(iter(refused.reasons.values()))


@pytest.mark.parametrize(
    ("policy", "pods", "expected"),
    [
        pytest.param(a_policy(), (), Reason.OUTSIDE_UNITS, id="O10: no unit has one of them"),
        pytest.param(BOTH_FULL, (ONE, TWO), Reason.OUTSIDE_UNITS, id="O10: nor has a unit that is full"),
        pytest.param(EXCEED_MAX, (), Reason.WAITING_FOR_ROOM, id="O10: the pod waits all the same"),
        pytest.param(
            a_policy(match_label_keys=["rev"]), (), Reason.LABEL_MISSING, id="O10: the pod's fault is told"
        ),
    ],
)
def test_of_no_node_at_all_there_is_a_reason(
    policy: ResourcePolicy, pods: tuple[Pod, ...], expected: Reason
) -> None:
    refused = Ask(policy, pods=pods, room=()).decision.refused
    assert refused is not None
    assert (list(refused.nodes), list(refused.units)) == ([], [])
    assert list(refused.reasons) == [None]
    assert refused.first.reason == expected


@pytest.mark.parametrize(
    "more",
    [pytest.param(count, id=f"O10: {count} more pods leave the sentence as it is") for count in (0, 1, 7)],
)
def test_the_text_stays_when_counts_move(more: int) -> None:
    """A sentence that changes requeues the pod for ever (E8)."""
    crowd = [a_pod(f"p{i}", on="dc-1") for i in range(more)]
    refused = Ask(BOTH_FULL, pods=(ONE, TWO, *crowd)).decision.refused
    assert refused is not None
    assert [refusal.text for refusal in refused.reasons.values()] == [
        "node(s) in units[0] of ResourcePolicy policy, which is full: max 2 pod(s)",
        "node(s) in units[1] of ResourcePolicy policy, which is full: max 0 pod(s)",
        "node(s) in no unit of ResourcePolicy policy",
    ]
