"""Which nodes a unit has, and in which unit a pod is counted: rules U1 to U5, and L3."""

import pytest

from policy.api.objects import Node, Pod
from policy.api.options import NodeKinds
from policy.api.resourcepolicy import WAIT_LABEL, ResourceKind, ResourcePolicy, Unit
from policy.scaleup.demand import demands
from policy.scheduling.matching import in_unit, units_of
from tests.builders import NOW, a_node, a_pod, a_policy, a_reservation, a_snapshot, a_unit, recorded_in
from tests.unit.policy.cases import NODES, ONE, Ask, Outcome, outcome

VIRTUAL = {"type": "virtual-kubelet"}
virtual_node = a_node("vk", labels=VIRTUAL)
plain_node = a_node("plain")
MANY = a_policy(*(a_unit(f"p{i}", max=1) for i in range(12)))


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param(
            Ask(a_policy(a_unit("cloud"), a_unit("dc"))), 0, id="U1: the first listed is the first filled"
        ),
        pytest.param(Ask(a_policy(a_unit("dc"))), 0, id="U1: one unit is enough"),
        pytest.param(
            Ask(MANY, nodes=[a_node("last", "p11")], room=["last"]),
            11,
            id="U1: a twelfth unit is as good as any",
        ),
    ],
)
def test_the_list_is_the_order(ask: Ask, expected: Outcome) -> None:
    assert outcome(ask.decision) == expected


GPU_VIRTUAL = NodeKinds({ResourceKind.ECI: {"kind": "eci"}, ResourceKind.ACS: {"kind": "acs"}})


@pytest.mark.parametrize(
    ("unit", "node", "kinds", "expected"),
    [
        pytest.param(a_unit(), plain_node, NodeKinds(), True, id="U2: absent means ecs"),
        pytest.param(a_unit(), virtual_node, NodeKinds(), False, id="U2: a virtual node is no ecs"),
        pytest.param(a_unit(resource="ecs"), plain_node, NodeKinds(), True, id="U2: ecs is an ordinary node"),
        pytest.param(
            a_unit(resource="elastic"), plain_node, NodeKinds(), True, id="U2: elastic is an ordinary node"
        ),
        pytest.param(
            a_unit(resource="elastic"),
            virtual_node,
            NodeKinds(),
            False,
            id="U2: a virtual node is no elastic",
        ),
        pytest.param(a_unit(resource="eci"), virtual_node, NodeKinds(), True, id="U2: eci is a virtual node"),
        pytest.param(
            a_unit(resource="eci"), plain_node, NodeKinds(), False, id="U2: an ordinary node is no eci"
        ),
        pytest.param(a_unit(resource="acs"), virtual_node, NodeKinds(), True, id="U2: acs is a virtual node"),
        pytest.param(
            a_unit(resource="acs"), plain_node, NodeKinds(), False, id="U2: an ordinary node is no acs"
        ),
        pytest.param(
            a_unit(resource="eci"),
            a_node("n", labels={"kind": "eci"}),
            GPU_VIRTUAL,
            True,
            id="U2: a setting says so",
        ),
        pytest.param(
            a_unit(resource="acs"),
            a_node("n", labels={"kind": "eci"}),
            GPU_VIRTUAL,
            False,
            id="U2: eci is not acs then",
        ),
        pytest.param(
            a_unit(),
            a_node("n", labels={"kind": "acs"}),
            GPU_VIRTUAL,
            False,
            id="U2: nor ecs, by the same setting",
        ),
        pytest.param(a_unit(), virtual_node, GPU_VIRTUAL, True, id="U2: the default is gone then"),
        pytest.param(
            a_unit("dc"), a_node("n", "dc"), NodeKinds(), True, id="U3: the pair is among the labels"
        ),
        pytest.param(a_unit("dc"), a_node("n", "cloud"), NodeKinds(), False, id="U3: the value differs"),
        pytest.param(a_unit("dc"), plain_node, NodeKinds(), False, id="U3: the label is absent"),
        pytest.param(
            a_unit(nodeSelector={"pool": "dc", "gpu": "h100"}),
            a_node("n", "dc"),
            NodeKinds(),
            False,
            id="U3: every pair",
        ),
        pytest.param(
            a_unit(), a_node("n", "dc"), NodeKinds(), True, id="U3: no nodeSelector, all nodes of the kind"
        ),
        pytest.param(
            a_unit("dc", resource="eci"),
            a_node("n", "dc"),
            NodeKinds(),
            False,
            id="U3: the selector alone does not make a node virtual",
        ),
        pytest.param(
            a_unit("dc", resource="eci"),
            a_node("n", "dc", labels=VIRTUAL),
            NodeKinds(),
            True,
            id="U3: kind and selector",
        ),
    ],
)
def test_a_node_is_in_a_unit(unit: Unit, node: Node, kinds: NodeKinds, *, expected: bool) -> None:
    assert in_unit(node, unit, kinds) is expected


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        pytest.param(a_unit("dc", resource="elastic"), True, id="U4: elastic waits for nodes"),
        pytest.param(
            a_unit("dc", podLabels={WAIT_LABEL: "true"}), True, id="U4: the wait label on ecs does the same"
        ),
        pytest.param(
            a_unit("dc", podLabels={WAIT_LABEL: "false"}), False, id="U4: the wait label must be true"
        ),
        pytest.param(a_unit("dc"), False, id="U4: plain ecs does not wait"),
    ],
)
def test_a_unit_waits_for_nodes(unit: Unit, *, expected: bool) -> None:
    """Both spellings are one to the filter's overflow (O5) and to the autoscaler's watcher (W1)."""
    pod = a_pod(unschedulable=True)
    grown = demands(a_policy(unit), [pod], a_snapshot(a_policy(unit)), NOW, requested={})
    assert unit.waits_for_nodes is expected
    assert [demand.unit for demand in grown] == ([0] if expected else [])


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        pytest.param(
            a_unit("dc", podLabels={WAIT_LABEL: "true"}), ({}, {}), id="U4: the wait label marks no pod"
        ),
        pytest.param(
            a_unit("dc", podLabels={WAIT_LABEL: "true", "a": "b"}),
            ({"a": "b"}, {}),
            id="U4: the other labels do",
        ),
    ],
)
def test_the_wait_label_is_a_directive(unit: Unit, expected: object) -> None:
    assert unit.marks == expected


SHARED = a_policy(a_unit("dc", max=1), a_unit(max=2))
MARKED = a_policy(
    a_unit("dc", max=1, podLabels={"unit": "first"}), a_unit(max=1, podAnnotations={"unit": "second"})
)


@pytest.mark.parametrize(
    ("policy", "pod", "counted_in"),
    [
        pytest.param(SHARED, ONE, 0, id="U5: without a record, the first unit with the node"),
        pytest.param(
            SHARED,
            a_pod("p", on="dc-1", annotations=recorded_in(SHARED, 1)),
            1,
            id="U5: the record says which",
        ),
        pytest.param(SHARED, a_pod("p", on="cloud-1"), 1, id="U5: a node that only the second unit has"),
        pytest.param(SHARED, a_pod("p", on="gone"), None, id="U5: a node that is gone is in no unit"),
        pytest.param(
            SHARED, a_pod("p", on="gone", annotations=recorded_in(SHARED, 0)), 0, id="L3: the record stays"
        ),
        pytest.param(
            MARKED,
            a_pod("p", on="dc-1", annotations={"unit": "second"}),
            1,
            id="U5: the first unit whose annotations the pod carries",
        ),
        pytest.param(
            MARKED,
            a_pod("p", on="dc-1", labels={"unit": "first"}),
            0,
            id="U5: the first unit whose labels it carries",
        ),
        pytest.param(MARKED, ONE, 0, id="U5: no marks at all, the first unit with the node"),
    ],
)
def test_a_pod_is_counted_in_one_unit(policy: ResourcePolicy, pod: Pod, counted_in: int | None) -> None:
    snapshot = a_snapshot(policy, nodes=NODES, pods=[pod])
    counts = [snapshot.usage(policy, unit, ()).pods for unit in range(2)]
    assert counts == [int(unit == counted_in) for unit in range(2)]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        pytest.param(a_node("n", "dc"), (0, 1), id="U5: a node may lie in several units"),
        pytest.param(a_node("n", "cloud"), (1,), id="U5: or in one"),
        pytest.param(virtual_node, (), id="U5: or in none"),
    ],
)
def test_the_units_of_a_node(node: Node, expected: tuple[int, ...]) -> None:
    assert units_of(node, SHARED, NodeKinds()) == expected


def test_a_reservation_is_counted_in_its_unit_only() -> None:
    """U5 before the record is written: an overlapping node does not decide, the decision did."""
    snapshot = a_snapshot(SHARED, nodes=NODES, reservations=[a_reservation(a_pod("p"), SHARED, 1)])
    assert [snapshot.usage(SHARED, unit, ()).pods for unit in range(2)] == [0, 1]
