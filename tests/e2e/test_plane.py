"""A real plane: it starts, works and leaves nothing behind.

The extender does not run here: the plane's scheduler is told of none.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dev.controlplane import ApiError, ControlPlane, NodeGroup, Object, PlaneOptions, Watch
from dev.controlplane.autoscaler import GROUP_LABEL
from dev.controlplane.waiting import wait_for

pytestmark = pytest.mark.plane

PODS = "/api/v1/namespaces/default/pods"
RUN_UNTIL_KILLED = """
import sys, time
from dev.controlplane import ControlPlane, PlaneOptions
plane = ControlPlane(PlaneOptions(extenders=()))
print(plane.directory, flush=True)
with plane:
    print("started", flush=True)
    time.sleep(300)
"""


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane(PlaneOptions(extenders=())) as plane:
        yield plane


def a_pod(name: str, resources: dict[str, str], **spec: object) -> Object:
    container = {"name": "c", "image": "none", "resources": {"limits": resources}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], **spec},
    }


def phase(plane: ControlPlane, name: str) -> str:
    found: str = plane.api.get(f"{PODS}/{name}")["status"]["phase"]
    return found


def is_gone(plane: ControlPlane, path: str) -> bool:
    try:
        plane.api.get(path)
    except ApiError as error:
        return error.reason == "NotFound"
    return False


def processes_naming(text: str) -> list[str]:
    """Processes with `text` in their command line, which is how a plane's programs name its files."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if text.encode() in entry.read_bytes():
                found.append(entry.parent.name)
        except OSError:  # it has ended meanwhile
            continue
    return found


def test_a_gpu_node_becomes_ready_and_runs_a_pod(plane: ControlPlane) -> None:
    plane.create_node("gpu", {"pool": "gpu"})
    plane.api.create(a_pod("runs", {"nvidia.com/gpu": "1"}))
    plane.wait(lambda: phase(plane, "runs") == "Running", what="the pod to run")
    assert plane.api.get(f"{PODS}/runs")["spec"]["nodeName"] == "gpu"


def test_a_deleted_pod_is_terminating_for_as_long_as_it_says(plane: ControlPlane) -> None:
    plane.create_node("room", {"pool": "room"}, gpus=0)
    pod = a_pod("lingers", {"cpu": "1"}, nodeSelector={"pool": "room"})
    pod["metadata"]["annotations"] = {"controlplane/gone-after": "1500ms"}
    plane.api.create(pod)
    plane.wait(lambda: phase(plane, "lingers") == "Running", what="the pod to run")
    with Watch(plane.api, PODS, fieldSelector="metadata.name=lingers") as watch:
        plane.api.delete(f"{PODS}/lingers", grace_seconds=30)
        assert plane.api.get(f"{PODS}/lingers")["metadata"]["deletionTimestamp"]
        assert "DELETED" in (kind for kind, _ in watch)
        watch.stop()
    watch.stop()
    assert is_gone(plane, f"{PODS}/lingers")


def test_a_pod_is_not_ready_before_it_says(plane: ControlPlane) -> None:
    plane.create_node("slow", {"pool": "slow"}, gpus=0)
    pod = a_pod("starts", {"cpu": "1"}, nodeSelector={"pool": "slow"})
    pod["metadata"]["annotations"] = {"controlplane/ready-after": "3s"}
    plane.api.create(pod)
    plane.wait(lambda: phase(plane, "starts") == "Running", what="the pod to run")
    conditions = plane.api.get(f"{PODS}/starts")["status"]["conditions"]
    since = {c["type"]: datetime.fromisoformat(c["lastTransitionTime"]) for c in conditions}
    assert since["Ready"] - since["PodScheduled"] >= timedelta(seconds=2)  # whole seconds are told


def test_the_late_gpu_of_a_node_appears_after_its_boot(plane: ControlPlane) -> None:
    plane.create_node("late", {"pool": "late"}, annotations={"controlplane/gpu-after": "1s"})

    def gpus() -> str:
        found: str = plane.api.get("/api/v1/nodes/late")["status"]["allocatable"]["nvidia.com/gpu"]
        return found

    plane.wait(lambda: gpus() == "0", what="the GPU to be hidden")
    plane.wait(lambda: gpus() == "1", what="the GPU to appear")


@pytest.fixture(scope="module")
def groups(plane: ControlPlane) -> None:
    plane.start_autoscaler([NodeGroup("plain", {"pool": "plain"}), NodeGroup("gpus", gpus=1)])


@pytest.mark.usefixtures("groups")
def test_the_autoscaler_buys_the_first_node_for_a_pending_pod(plane: ControlPlane) -> None:
    plane.api.create(a_pod("needs-node", {"cpu": "1"}, nodeSelector={"pool": "plain"}))
    plane.wait(lambda: phase(plane, "needs-node") == "Running", seconds=60, what="the pod to run")
    assert plane.api.items("/api/v1/nodes", labelSelector="pool=plain")


@pytest.mark.usefixtures("groups")
def test_the_autoscaler_buys_what_a_provisioning_request_asks_for(plane: ControlPlane) -> None:
    pod = a_pod("ask", {"nvidia.com/gpu": "1"}, nodeSelector={GROUP_LABEL: "gpus"})
    request: Object = {
        "apiVersion": "autoscaling.x-k8s.io/v1",
        "kind": "ProvisioningRequest",
        "metadata": {"name": "ask"},
        "spec": {
            "provisioningClassName": "best-effort-atomic-scale-up.autoscaling.x-k8s.io",
            "podSets": [{"count": 2, "podTemplateRef": {"name": "ask"}}],
        },
    }
    plane.api.create(
        {
            "apiVersion": "v1",
            "kind": "PodTemplate",
            "metadata": {"name": "ask"},
            "template": {"spec": pod["spec"]},
        }
    )
    plane.api.create(request)
    bought = {"labelSelector": f"{GROUP_LABEL}=gpus"}
    plane.wait(lambda: len(plane.api.items("/api/v1/nodes", **bought)) == 2, seconds=60, what="two nodes")


def test_a_service_account_may_do_only_what_it_was_granted(plane: ControlPlane) -> None:
    account: Object = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "weak"}}
    plane.api.apply([account])
    api = type(plane.api)(plane.service_account_kubeconfig("default", "weak"))
    with pytest.raises(ApiError, match="default:weak") as refusal:
        api.get("/api/v1/nodes")
    api.close()
    assert refusal.value.reason == "Forbidden"


def test_applying_twice_changes_what_differs(plane: ControlPlane) -> None:
    document: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "twice"}}
    plane.api.apply([document | {"data": {"a": "1"}}])
    plane.api.apply([document | {"data": {"a": "2"}}])
    assert plane.api.get("/api/v1/namespaces/default/configmaps/twice")["data"] == {"a": "2"}


def test_a_kind_is_known_once_its_crd_is_applied(plane: ControlPlane) -> None:
    """Its paths come from discovery, which a busy apiserver writes only after Established."""
    schema: Object = {"openAPIV3Schema": {"type": "object"}}
    version: Object = {"name": "v1", "served": True, "storage": True, "schema": schema}
    for number in range(10):
        group = f"g{number}.test"
        crd: Object = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"things.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"plural": "things", "kind": "Thing"},
                "versions": [version, {**version, "name": "v2", "served": False, "storage": False}],
            },
        }
        plane.api.apply([crd])
        assert plane.api.collection(f"{group}/v1", "Thing") == f"/apis/{group}/v1/things"


@pytest.mark.parametrize("program", ["kube-apiserver", "etcd", "kube-scheduler", "kwok"])
def test_a_restart_keeps_what_was_created(plane: ControlPlane, program: str) -> None:
    kept: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"of-{program}"}}
    plane.api.create(kept)
    plane.restart(program)
    plane.wait(lambda: plane.api.get(plane.api.path_of(kept)), what="the namespace")


def test_a_dead_program_ends_a_wait_with_its_log() -> None:
    flags = {"kube-scheduler": ("--no-such-flag",)}
    plane = ControlPlane(PlaneOptions(flags=flags))
    with pytest.raises(Exception, match="no-such-flag"):
        plane.start()
    assert plane.directory.exists()  # kept: the start failed
    subprocess.run(["/bin/rm", "-r", plane.directory], check=True)


@pytest.mark.parametrize("starting", [True, False], ids=["while it starts", "while it runs"])
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_remains_of_a_plane_whose_process_is_killed(sent: signal.Signals, *, starting: bool) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", RUN_UNTIL_KILLED],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with child:
        assert child.stdout
        directory = Path(child.stdout.readline().strip())
        if starting:
            wait_for((directory / "etcd.log").exists, seconds=20, what="its start")
        else:
            assert child.stdout.readline() == "started\n"
        child.send_signal(sent)
    wait_for(lambda: not directory.exists(), seconds=10, what="the directory to go")
    wait_for(lambda: not processes_naming(str(directory)), seconds=10, what="its programs to go")
