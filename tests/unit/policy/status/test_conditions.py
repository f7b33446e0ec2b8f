"""What a policy's status says about it as a whole: rules M4, M6 and M8."""

import pytest

from policy.api import wellknown
from policy.api.objects import Phase, Pod
from policy.api.options import OnConflict
from policy.api.resourcepolicy import RejectedPolicy, ResourcePolicy
from policy.status.conditions import Condition, ConditionType, about_pods, accepted, rejected
from tests.builders import a_pod, a_policy
from tests.unit.policy.cases import GPU

OLDEST, REJECT = OnConflict.OLDEST, OnConflict.REJECT
WEB = {"app": "web"}
old = a_policy(name="old", created=1)
young = a_policy(name="young", created=2, selector=WEB)
web = a_pod("web-1", labels=WEB, requests={GPU: "1"})
plain = a_pod("plain-1")
broken = RejectedPolicy("default/web", 3, ("spec.strategy: unknown", "spec.units: is missing"))


@pytest.mark.parametrize(
    ("condition", "status", "message"),
    [
        pytest.param(accepted(), True, "in force", id="M6: a valid policy"),
        pytest.param(
            rejected(broken, in_force=False),
            False,
            "it governs no pod; spec.strategy: unknown; spec.units: is missing",
            id="M6: every fault at once",
        ),
        pytest.param(
            rejected(broken, in_force=True),
            False,
            "its last valid form stays in force; spec.strategy: unknown; spec.units: is missing",
            id="M6: the last valid form goes on",
        ),
    ],
)
def test_whether_a_policy_is_accepted(condition: Condition, message: str, *, status: bool) -> None:
    assert (condition.type, condition.status) == (ConditionType.ACCEPTED, status)
    assert condition.message == message


@pytest.mark.parametrize(
    ("policies", "pods", "on_conflict", "expected"),
    [
        pytest.param(
            [old, young], [web], OLDEST, {"young": "OlderPolicyGoverns"}, id="M4: the younger one loses"
        ),
        pytest.param(
            [young, old], [web], OLDEST, {"young": "OlderPolicyGoverns"}, id="M4: in whatever order"
        ),
        pytest.param([old, young], [web], REJECT, {"young": "RejectedPolicy"}, id="M4: or nobody wins"),
        pytest.param(
            [old, young], [plain], OLDEST, {}, id="M4: selectors may overlap without a pod that shows it"
        ),
        pytest.param([old, young], [], OLDEST, {}, id="M4: no pods, no overlap"),
        pytest.param(
            [old, young],
            [a_pod(labels=WEB, phase=Phase.SUCCEEDED)],
            OLDEST,
            {},
            id="M4: finished pods show no overlap",
        ),
        pytest.param(
            [old, young, a_policy(name="youngest", created=3)],
            [web],
            OLDEST,
            {"young": "OlderPolicyGoverns", "youngest": "OlderPolicyGoverns"},
            id="M4: every loser is told",
        ),
    ],
)
def test_the_losers_of_a_conflict_are_told(
    policies: list[ResourcePolicy], pods: list[Pod], on_conflict: OnConflict, expected: dict[str, str]
) -> None:
    told = about_pods(policies, pods, (), on_conflict)
    conflicts = {key.partition("/")[2]: conflict for key, (conflict, *_) in told.items()}
    assert {name: found.reason for name, found in conflicts.items() if found.status} == expected
    assert all("ResourcePolicy old" in conflicts[name].message for name in expected)
    assert all("web-1" in conflicts[name].message for name in expected)


@pytest.mark.parametrize(
    ("pods", "managed", "expected"),
    [
        pytest.param([plain], [GPU], "plain-1", id="M8: a pod that requests no managed resource is not sent"),
        pytest.param([web], [GPU], None, id="M8: one that does is"),
        pytest.param(
            [web, plain, a_pod("another")], [GPU], "another", id="M8: the first by name is the example"
        ),
        pytest.param([plain], [], None, id="M8: without managedResources every pod is sent"),
        pytest.param([plain], ["example.com/x", GPU], "plain-1", id="M8: none of several"),
        pytest.param([web], ["example.com/x", GPU], None, id="M8: one of several is enough"),
        pytest.param([a_pod(phase=Phase.FAILED)], [GPU], None, id="M8: finished pods need no sending"),
        pytest.param([a_pod(namespace="other")], [GPU], None, id="M8: nor do pods that are not governed"),
    ],
)
def test_a_policy_whose_pods_are_not_sent_says_so(
    pods: list[Pod], managed: list[str], expected: str | None
) -> None:
    _, not_sent, _ = about_pods([old], pods, managed, OLDEST)[old.key]
    assert not_sent.type is ConditionType.PODS_NOT_SENT
    assert not_sent.status is (expected is not None)
    if expected:
        assert f"for example {expected}" in not_sent.message
        assert ", ".join(sorted(managed)) in not_sent.message


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        pytest.param(
            [a_pod("web-1", annotations={wellknown.POD_DELETION_COST: "7"})],
            "web-1",
            id="L2: a cost of somebody else",
        ),
        pytest.param(
            [
                a_pod(
                    "web-1",
                    annotations={
                        wellknown.POD_DELETION_COST: "-100",
                        wellknown.DELETION_COST_WRITTEN: "-100",
                    },
                )
            ],
            None,
            id="L2: a cost of ours",
        ),
        pytest.param([a_pod("web-1")], None, id="L2: no cost"),
        pytest.param(
            [
                a_pod("b", annotations={wellknown.POD_DELETION_COST: "7"}),
                a_pod("a", annotations={wellknown.POD_DELETION_COST: "7"}),
            ],
            "a",
            id="L2: of several foreign costs the first by name is the example",
        ),
    ],
)
def test_a_policy_tells_of_costs_that_it_leaves_alone(pods: list[Pod], expected: str | None) -> None:
    *_, foreign = about_pods([old], pods, (), OLDEST)[old.key]
    assert foreign.type is ConditionType.FOREIGN_DELETION_COSTS
    assert foreign.status is (expected is not None)
    assert f"for example {expected}," in foreign.message or expected is None
