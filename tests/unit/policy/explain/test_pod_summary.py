"""The summary of a pod before any decision: which policy governs it, why none does, why it does not count."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import pytest

from policy.api.objects import Phase as PodPhase
from policy.api.objects import Pod
from policy.api.options import OnConflict
from policy.api.resourcepolicy import RejectedPolicy, ResourcePolicy
from policy.api.selectors import Operator, Requirement
from policy.explain.pod_summary import PodStage, PodSummary, summarize_pod
from tests.builders import LATER, POLICY_CREATED, a_node, a_pod, a_policy, a_snapshot, a_unit, recorded_in

GPU = "nvidia.com/gpu"
ONE = {GPU: "1"}
DC, ELSEWHERE = a_node("dc-1", "dc"), a_node("x-1", "x")
WEB = a_policy(name="web", selector={"app": "web"})
MINE = {"app": "web"}
MARKED = a_policy(a_unit("dc", pod_labels={"mark": "x"}))
TWO = a_policy(selector={"app": "web", "tier": "front"})
FIVE = tuple(a_policy(name=f"p{i}", selector={"a": "b"}) for i in range(5))
EARLY = POLICY_CREATED - 1


def stands(
    pod: Pod,
    *policies: ResourcePolicy,
    rejected: Collection[RejectedPolicy] = (),
    on_conflict: OnConflict = OnConflict.OLDEST,
) -> PodSummary:
    view = a_snapshot(*policies, nodes=[DC, ELSEWHERE], pods=[pod])
    return summarize_pod(pod, policies, rejected, view, [GPU], on_conflict)


def placed(on: str = "dc-1", bound_at: float | None = LATER, **fields: object) -> Pod:
    build: Callable[..., Pod] = replace
    return build(a_pod(on=on, bound_at=bound_at, requests=ONE, phase=PodPhase.RUNNING), **fields)


@dataclass(frozen=True)
class Row:
    """A pod among policies, and a sentence about it; with an empty one there is nothing to say."""

    pod: Pod
    policies: tuple[ResourcePolicy, ...]
    said: str
    rejected: tuple[RejectedPolicy, ...] = ()
    on_conflict: OnConflict = OnConflict.OLDEST


ROWS = [
    pytest.param(
        Row(
            a_pod(),
            (),
            "No ResourcePolicy is in namespace default: kube-scheduler places it by",
        ),
        id="M5: no policy at all",
    ),
    pytest.param(
        Row(a_pod(), (a_policy(namespace="other"),), "No ResourcePolicy is in namespace default"),
        id="M1: a policy of another namespace",
    ),
    pytest.param(
        Row(a_pod(), (WEB,), "web does not: it selects app=web, and the pod has no label app."),
        id="M2: a label that it lacks",
    ),
    pytest.param(
        Row(a_pod(labels={"app": "db"}), (WEB,), "it selects app=web, and the pod has app=db."),
        id="M2: another value",
    ),
    pytest.param(
        Row(a_pod(labels={"app": "web"}), (TWO,), "it selects tier=front, and the pod has no label tier."),
        id="M2: the second of two labels",
    ),
    pytest.param(
        Row(placed(labels={"app": "db"}), (WEB,), "No ResourcePolicy selects it"), id="M5: a placed pod"
    ),
    pytest.param(
        Row(a_pod(phase=PodPhase.FAILED, requests=ONE), (a_policy(),), "It has finished (Failed)"),
        id="C5: a pod that failed before it was placed",
    ),
    pytest.param(
        Row(
            a_pod(),
            (a_policy(match_expressions=[Requirement("tier", Operator.IN, frozenset({"b", "a"}))]),),
            "its matchExpressions ask for tier In (a, b).",
        ),
        id="M3: an expression that does not hold",
    ),
    pytest.param(
        Row(a_pod(labels={"alibabacloud.com/eci": "true"}), (a_policy(),), "opts out (L6)"),
        id="L6: an opt-out",
    ),
    pytest.param(
        Row(
            a_pod(),
            FIVE,
            "2 more do not either.",
        ),
        id="M5: more policies than are worth naming",
    ),
    pytest.param(
        Row(
            a_pod(requests=ONE),
            (a_policy(name="a"), a_policy(name="b")),
            "b matches it as well; a is the oldest",
        ),
        id="M4: two policies, the oldest governs",
    ),
    pytest.param(
        Row(
            a_pod(requests=ONE),
            (a_policy(name="a"), a_policy(name="b")),
            "so it is refused (M4)",
            on_conflict=OnConflict.REJECT,
        ),
        id="M4: two policies, and the setting to refuse",
    ),
    pytest.param(
        Row(a_pod(), (a_policy(),), "It requests none of nvidia.com/gpu: kube-scheduler does not ask"),
        id="M8: a pod that is not sent",
    ),
    pytest.param(
        Row(
            a_pod(),
            (),
            "ResourcePolicy bad cannot be used (M6): spec.units: is empty.",
            (
                RejectedPolicy("default/bad", 1, ("spec.units: is empty",)),
                RejectedPolicy("other/bad", 1, ("no",)),
            ),
        ),
        id="M6: a policy that cannot be used",
    ),
    pytest.param(Row(placed(), (a_policy(),), ""), id="a placed pod that counts"),
    pytest.param(
        Row(placed(bound_at=EARLY), (a_policy(),), "placed before ResourcePolicy policy was created"),
        id="a pod from before the policy",
    ),
    pytest.param(
        Row(placed(bound_at=None), (a_policy(),), "created with its node: no scheduler, and so no policy"),
        id="a pod that no scheduler placed",
    ),
    pytest.param(
        Row(placed("x-1"), (a_policy(),), "in no unit of ResourcePolicy policy: it counts nowhere (U6)"),
        id="U6: a pod outside",
    ),
    pytest.param(Row(placed("unseen"), (a_policy(),), ""), id="a pod on a node that is not known"),
    pytest.param(
        Row(placed(terminating=True), (a_policy(),), "it does not count in units[0] any more (C3)"),
        id="C3: a terminating pod",
    ),
    pytest.param(
        Row(placed(bound_at=EARLY), (a_policy(ignore_previous_pod=True),), "ignorePreviousPod leaves such"),
        id="C4: a pod from before, left out",
    ),
    pytest.param(
        Row(placed(bound_at=EARLY), (MARKED,), "it lacks the podLabels or podAnnotations of the unit (C6)"),
        id="C6: a pod from before, without the unit's labels",
    ),
    pytest.param(
        Row(placed(phase=PodPhase.SUCCEEDED), (a_policy(),), "It has finished (Succeeded)"),
        id="C5: a finished pod",
    ),
]


@pytest.mark.parametrize("row", ROWS)
def test_what_there_is_to_say(row: Row) -> None:
    said = " ".join(
        stands(row.pod, *row.policies, rejected=row.rejected, on_conflict=row.on_conflict).sentences
    )
    assert row.said in said
    assert bool(said) == bool(row.said)


@pytest.mark.parametrize(
    ("pod", "phase"),
    [
        pytest.param(a_pod(), PodStage.NOT_TRIED, id="new"),
        pytest.param(a_pod(unscheduled_since=1.0), PodStage.PENDING, id="refused"),
        pytest.param(replace(a_pod(), gated=True), PodStage.GATED, id="gated"),
        pytest.param(placed(), PodStage.PLACED, id="placed"),
        pytest.param(placed(terminating=True), PodStage.TERMINATING, id="leaving"),
        pytest.param(placed(phase=PodPhase.FAILED), PodStage.FINISHED, id="failed"),
    ],
)
def test_how_far_it_is(pod: Pod, phase: PodStage) -> None:
    assert stands(pod, a_policy()).phase is phase


def test_its_unit_is_that_of_its_record() -> None:
    """L3, U5: the node alone would say units[0]."""
    policy = a_policy(a_unit("dc"), a_unit("dc", max=3, pod_labels={"a": "b"}))
    pod = placed(annotations=recorded_in(policy, 1))
    assert stands(pod, policy).unit == 1
    assert stands(a_pod(), policy).unit is None
