"""What is there before the story: nodes, our two programs, the autoscaler and its group, the policy.

kcm takes the taint off a new node only after a
while, so the nodes come first and are waited for last.
"""

from collections.abc import Callable

from dev.controlplane import ControlPlane, Object
from dev.demo.decode import POOL_LABEL
from dev.demo.fixtures import CLOUD, CONTROL, EDGE, elastic_group, policy
from dev.harness.programs import Programs

__all__ = ["set_up"]

READY_SECONDS = 60.0
AUTOSCALER_STATUS = "/api/v1/namespaces/kube-system/configmaps/cluster-autoscaler-status"
NODES = "/api/v1/nodes"


def set_up(plane: ControlPlane, programs: Programs, say: Callable[[str], None]) -> None:
    """Everything but the pods."""
    programs.install()
    say(f"nodes: one in {CONTROL.name}, one with a GPU in {EDGE.name}")
    plane.create_node(f"{CONTROL.name}-1", {POOL_LABEL: CONTROL.identity}, gpus=0)
    plane.create_node(f"{EDGE.name.lower()}-1", {POOL_LABEL: EDGE.identity}, gpus=1)
    group = elastic_group()
    say(f"cluster-autoscaler, for the node group {group.name}: 0 to {group.max_count} nodes")
    plane.start_autoscaler([group])
    say("resourcepolicy serve, resourcepolicy watch")
    programs.start_watcher()
    programs.start_extender()
    say(f"the guide's ResourcePolicy: {EDGE.name} first, then {CLOUD.name}")
    # The apiserver sits on the first objects of a new CRD for 2 s: here that spoils no clock.
    plane.api.create(policy())
    say("waiting until all of it is ready")
    programs.wait(
        lambda: all(_usable(node) for node in plane.api.items(NODES)),
        what="the nodes to be ready",
        seconds=READY_SECONDS,
    )
    programs.wait(
        lambda: plane.api.get(AUTOSCALER_STATUS), what="the autoscaler's status", seconds=READY_SECONDS
    )


def _usable(node: Object) -> bool:
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"])
    return ready and not node["spec"].get("taints")
