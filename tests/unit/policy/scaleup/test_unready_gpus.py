"""Nodes that say they have a GPU and offer none. Rules: A8; kubernetes/autoscaler#10301."""

import pytest

from policy.api.objects import Node
from policy.scaleup.unready_gpus import unready_gpus
from tests.builders import a_node, a_policy, a_snapshot, a_unit

GPU = "nvidia.com/gpu"
LABEL = {"accelerator": "a10"}
POLICY = a_policy(a_unit("dc"), a_unit("el", resource="elastic"))


@pytest.mark.parametrize(
    ("node", "lost"),
    [
        pytest.param(a_node("n", "dc", labels=LABEL), True, id="its driver died"),
        pytest.param(a_node("n", labels=LABEL), True, id="in no unit at all"),
        pytest.param(a_node("n", "dc", labels=LABEL, allocatable={GPU: "0"}), True, id="it offers none"),
        pytest.param(a_node("n", "dc", labels=LABEL, allocatable={GPU: "1"}), False, id="it offers one"),
        pytest.param(a_node("n", "dc"), False, id="it does not say that it has one"),
        pytest.param(a_node("n", "el", labels=LABEL), False, id="its GPU is on its way"),
    ],
)
def test_a_node_without_the_gpu_that_its_label_promises(node: Node, *, lost: bool) -> None:
    view = a_snapshot(POLICY, nodes=[node])
    assert unready_gpus(view, [POLICY], LABEL, [GPU]) == (["n"] if lost else [])
