"""Which policy governs a pod: rules M1 to M8 and L6, as far as `policy/` decides them."""

import pytest

from policy.api.objects import Pod
from policy.api.options import OnConflict, Options
from policy.api.resourcepolicy import InvalidPolicyError, ResourcePolicy
from policy.scheduling.matching import governing, matches, matching
from policy.scheduling.refusals import Reason
from tests.builders import a_pod, a_policy, a_unit
from tests.unit.policy.cases import GPU, NODES, Ask, outcome

WEB = {"app": "web"}


def term(operator: str, *values: str, key: str = "app") -> list[dict[str, object]]:
    return [{"key": key, "operator": operator, **({"values": list(values)} if values else {})}]


@pytest.mark.parametrize(
    ("policy", "pod", "expected"),
    [
        pytest.param(a_policy(), a_pod(), True, id="M1: a pod of the policy's namespace"),
        pytest.param(a_policy(), a_pod(namespace="other"), False, id="M1: never a pod of another namespace"),
        pytest.param(
            a_policy(selector=WEB),
            a_pod(namespace="other", labels=WEB),
            False,
            id="M1: not even one with its labels",
        ),
        pytest.param(a_policy(selector=WEB), a_pod(labels=WEB), True, id="M2: the pair is among the labels"),
        pytest.param(a_policy(selector=WEB), a_pod(), False, id="M2: the label is absent"),
        pytest.param(a_policy(selector=WEB), a_pod(labels={"app": "db"}), False, id="M2: the value differs"),
        pytest.param(
            a_policy(selector={"app": ""}), a_pod(), False, id="M2: an absent label is not an empty one"
        ),
        pytest.param(
            a_policy(selector={"app": ""}), a_pod(labels={"app": ""}), True, id="M2: an empty value is one"
        ),
        pytest.param(
            a_policy(selector={**WEB, "tier": "front"}),
            a_pod(labels=WEB),
            False,
            id="M2: every pair must be there",
        ),
        pytest.param(
            a_policy(selector=WEB),
            a_pod(labels={**WEB, "tier": "front"}),
            True,
            id="M2: other labels do not matter",
        ),
        pytest.param(a_policy(selector={}), a_pod(labels=WEB), True, id="M2: empty selects every pod"),
        pytest.param(
            a_policy(match_expressions=term("In", "web", "db")), a_pod(labels=WEB), True, id="M3: In"
        ),
        pytest.param(a_policy(match_expressions=term("In", "db")), a_pod(labels=WEB), False, id="M3: not In"),
        pytest.param(a_policy(match_expressions=term("In", "db")), a_pod(), False, id="M3: In, key absent"),
        pytest.param(
            a_policy(match_expressions=term("NotIn", "db")), a_pod(labels=WEB), True, id="M3: NotIn"
        ),
        pytest.param(
            a_policy(match_expressions=term("NotIn", "web")), a_pod(labels=WEB), False, id="M3: not NotIn"
        ),
        pytest.param(
            a_policy(match_expressions=term("NotIn", "web")), a_pod(), True, id="M3: NotIn, key absent"
        ),
        pytest.param(a_policy(match_expressions=term("Exists")), a_pod(labels=WEB), True, id="M3: Exists"),
        pytest.param(a_policy(match_expressions=term("Exists")), a_pod(), False, id="M3: Exists, key absent"),
        pytest.param(
            a_policy(match_expressions=term("DoesNotExist")), a_pod(labels=WEB), False, id="M3: DoesNotExist"
        ),
        pytest.param(
            a_policy(match_expressions=term("DoesNotExist")), a_pod(), True, id="M3: DoesNotExist, absent"
        ),
        pytest.param(
            a_policy(selector={"tier": "front"}, match_expressions=term("Exists")),
            a_pod(labels=WEB),
            False,
            id="M3: expressions are ANDed to the selector",
        ),
        pytest.param(
            a_policy(match_expressions=term("Exists") + term("In", "db")),
            a_pod(labels=WEB),
            False,
            id="M3: expressions are ANDed to each other",
        ),
        pytest.param(
            a_policy(),
            a_pod(labels={"alibabacloud.com/eci": "true"}),
            False,
            id="L6: label eci=true opts out",
        ),
        pytest.param(
            a_policy(),
            a_pod(annotations={"alibabacloud.com/eci": "true"}),
            False,
            id="L6: annotation eci=true too",
        ),
        pytest.param(
            a_policy(), a_pod(labels={"alibabacloud.com/eci": "false"}), True, id="L6: eci=false does not"
        ),
        pytest.param(
            a_policy(),
            a_pod(labels={"alibabacloud.com/burst-resource": "eci"}),
            False,
            id="L6: burst-resource opts out",
        ),
        pytest.param(
            a_policy(),
            a_pod(annotations={"alibabacloud.com/burst-resource": "eci_only"}),
            False,
            id="L6: burst-resource as an annotation too",
        ),
    ],
)
def test_a_policy_matches_a_pod(policy: ResourcePolicy, pod: Pod, *, expected: bool) -> None:
    assert matches(policy, pod) is expected


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        pytest.param(
            [a_policy(name="young", created=2), a_policy(name="old", created=1)],
            ["old", "young"],
            id="M4: the oldest governs",
        ),
        pytest.param(
            [a_policy(name="b", created=1), a_policy(name="a", created=1)],
            ["a", "b"],
            id="M4: ties go by name",
        ),
        pytest.param(
            [a_policy(name="a", created=2), a_policy(name="b", created=1)],
            ["b", "a"],
            id="M4: age goes before the name",
        ),
        pytest.param(
            [a_policy(name="old", created=1, selector=WEB), a_policy(name="young", created=2)],
            ["young"],
            id="M4: a policy that does not match does not compete",
        ),
        pytest.param(
            [a_policy(name="old", created=1, namespace="other"), a_policy(name="young", created=2)],
            ["young"],
            id="M4: nor does one of another namespace",
        ),
        pytest.param([a_policy(selector=WEB)], [], id="M5: no policy matches"),
        pytest.param([], [], id="M5: there is no policy"),
    ],
)
def test_one_policy_governs(policies: list[ResourcePolicy], expected: list[str]) -> None:
    """The losers follow the winner, for the condition that names it."""
    pod = a_pod()
    winner = governing(pod, policies)
    assert [policy.name for policy in matching(pod, policies)] == expected
    assert (winner.name if winner else None) == (expected[0] if expected else None)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(Options(), OnConflict.OLDEST, id="M4: the default is that the oldest governs"),
        pytest.param(
            Options(on_conflict=OnConflict("reject")), OnConflict.REJECT, id="M4: reject is a setting"
        ),
    ],
)
def test_what_a_conflict_means_is_a_setting(options: Options, expected: OnConflict) -> None:
    assert options.on_conflict is expected


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        pytest.param({"units": []}, 1, id="M6: one fault"),
        pytest.param(
            {"strategy": "maybe", "preemptPolicy": "Never", "units": [{"max": -1}]}, 3, id="M6: all at once"
        ),
    ],
)
def test_an_invalid_policy_says_every_fault(fields: dict[str, object], faults: int) -> None:
    manifest = {"metadata": {"name": "broken"}, "spec": {"units": [{}], **fields}}
    with pytest.raises(InvalidPolicyError) as raised:
        ResourcePolicy.from_manifest(manifest)
    assert len(raised.value.errors) == faults


JOB = {"kind": "Job", "name": "x"}


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        pytest.param(a_policy(consumer_ref=JOB), JOB, id="M7: consumerRef is kept"),
        pytest.param(a_policy(a_unit("dc", spot_instance=True)), True, id="M7: spotInstance is kept"),
        pytest.param(a_policy(a_unit("dc", scale_in_weight=7)), 7, id="M7: scaleInWeight is kept"),
    ],
)
def test_undocumented_fields_are_kept_and_do_nothing(policy: ResourcePolicy, kept: object) -> None:
    unit = policy.units[0]
    assert kept in (policy.consumer_ref, unit.spot_instance, unit.scale_in_weight)
    assert outcome(Ask(policy).decision) == 0


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(a_pod(requests={GPU: "1"}), id="M8: a pod that requests a managed resource"),
        pytest.param(
            a_pod(), id="M8: a pod that requests nothing is governed alike, once the scheduler sends it"
        ),
    ],
)
def test_whatever_is_sent_is_governed(pod: Pod) -> None:
    ask = Ask(asking=pod, nodes=NODES, room=("attic-1",))
    assert outcome(ask.decision) is Reason.OUTSIDE_UNITS
