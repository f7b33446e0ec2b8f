"""Whether a node takes a pod, as far as preemption and growth need to know."""

import pytest

from policy.api.objects import Effect, Node, Pod, Taint, Toleration
from policy.scheduling.node_fit import admits, has_free, tolerated
from tests.builders import a_node, a_pod

GPU = "nvidia.com/gpu"
TAINT = Taint("dedicated", "ml", Effect.NO_SCHEDULE)
SOFT = Taint("dedicated", "ml", Effect.PREFER_NO_SCHEDULE)
HARD = Taint("dedicated", "ml", Effect.NO_EXECUTE)
LOST = Taint("node.kubernetes.io/unreachable", "", Effect.NO_SCHEDULE)
ANY = a_pod(tolerations=(Toleration(operator="Exists"),))


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        pytest.param(Toleration("dedicated", "Equal", "ml", "NoSchedule"), True, id="all equal"),
        pytest.param(Toleration("dedicated", "Equal", "web", "NoSchedule"), False, id="another value"),
        pytest.param(Toleration("other", "Equal", "ml", "NoSchedule"), False, id="another key"),
        pytest.param(Toleration("dedicated", "Equal", "ml", "NoExecute"), False, id="another effect"),
        pytest.param(Toleration("dedicated", "Equal", "ml"), True, id="an empty effect is every effect"),
        pytest.param(Toleration("dedicated", value="ml"), True, id="an absent operator is Equal"),
        pytest.param(Toleration("dedicated", "Exists"), True, id="Exists ignores the value"),
        pytest.param(Toleration("", "Exists"), True, id="Exists without a key is every taint"),
        pytest.param(Toleration("", "Exists", "", "NoExecute"), False, id="of its effect"),
    ],
)
def test_a_toleration_tolerates_a_taint(toleration: Toleration, *, expected: bool) -> None:
    assert tolerated(TAINT, [toleration]) is expected


@pytest.mark.parametrize(
    ("node", "pod", "expected"),
    [
        pytest.param(a_node("n"), a_pod(), True, id="a plain node"),
        pytest.param(a_node("n", ready=False), a_pod(), False, id="not one that is not ready"),
        pytest.param(a_node("n", unschedulable=True), a_pod(), False, id="nor a cordoned one"),
        pytest.param(
            a_node("n", "dc"), a_pod(node_selector={"pool": "dc"}), True, id="one that the pod selects"
        ),
        pytest.param(
            a_node("n", "dc"), a_pod(node_selector={"pool": "x"}), False, id="not one that it does not"
        ),
        pytest.param(a_node("n", taints=(TAINT,)), a_pod(), False, id="nor a tainted one"),
        pytest.param(a_node("n", taints=(HARD,)), a_pod(), False, id="nor one that evicts"),
        pytest.param(a_node("n", taints=(SOFT,)), a_pod(), True, id="a soft taint keeps nobody out"),
        pytest.param(
            a_node("n", taints=(TAINT, HARD)),
            a_pod(tolerations=(Toleration("dedicated", "Exists", "", "NoSchedule"),)),
            False,
            id="every taint must be tolerated",
        ),
        pytest.param(
            a_node("n", taints=(TAINT, HARD)),
            a_pod(tolerations=(Toleration("dedicated", "Exists"),)),
            True,
            id="and both may be by one toleration",
        ),
        pytest.param(a_node("n", unschedulable=True), ANY, True, id="a pod may tolerate a cordon"),
        pytest.param(a_node("n", ready=False), ANY, True, id="or that the node is not ready"),
        pytest.param(
            a_node("n", ready=False, taints=(LOST,)),
            a_pod(tolerations=(Toleration(LOST.key, "Exists"),)),
            True,
            id="a node that is lost has the one taint or the other",
        ),
        pytest.param(a_node("n", ready=False, taints=(LOST,)), a_pod(), False, id="which keeps others out"),
    ],
)
def test_a_node_admits_a_pod(node: Node, pod: Pod, *, expected: bool) -> None:
    assert admits(node, pod) is expected


@pytest.mark.parametrize(
    ("others", "asking", "expected"),
    [
        pytest.param([], {"cpu": "4", GPU: "2"}, True, id="the whole node"),
        pytest.param([], {"cpu": "4001m"}, False, id="more than the node"),
        pytest.param([{"cpu": "3"}], {"cpu": "1"}, True, id="what others leave"),
        pytest.param([{"cpu": "3"}, {"cpu": "1"}], {"cpu": "1m"}, False, id="not more"),
        pytest.param([], {"example.com/x": "1"}, False, id="what the node does not have"),
        pytest.param([], {"example.com/x": "0"}, True, id="zero of it is not asked for"),
        pytest.param([{"cpu": "9"}], {GPU: "1"}, True, id="an overbooked resource that is not asked for"),
    ],
)
def test_a_node_has_room(others: list[dict[str, str]], asking: dict[str, str], *, expected: bool) -> None:
    node = a_node("n", allocatable={"cpu": "4", GPU: "2"})
    pods = [a_pod(f"p{i}", requests=requests) for i, requests in enumerate(others)]
    assert has_free(node, pods, a_pod(requests=asking)) is expected


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        pytest.param({"pods": "2"}, True, id="one more pod"),
        pytest.param({"pods": "1"}, False, id="not one too many, though it requests nothing"),
        pytest.param({}, True, id="a node that does not tell takes any"),
    ],
)
def test_a_node_takes_so_many_pods(most: dict[str, str], *, expected: bool) -> None:
    assert has_free(a_node("n", allocatable=most), [a_pod("other")], a_pod()) is expected
