"""`explain` as a user types it, with nothing but a kubeconfig, beside a real cluster-autoscaler."""

import json
import os
import socket
import socketserver
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import yaml

from dev.controlplane import Api, ApiError, ControlPlane, NodeGroup, Object, PlaneOptions
from dev.harness.extender import Extender
from dev.harness.program import COMMAND, MANIFESTS, apply_manifests, install
from dev.harness.watcher import Watcher
from tests.e2e.objects import Site, is_bound

GROUPS = [
    NodeGroup("slow", {"pool": "slow"}, gpus=1, boot_after="8s"),
    NodeGroup("small", {"pool": "small"}, gpus=1, max_count=1),
]


class Tunnel(socketserver.ThreadingUnixStreamServer):
    """HTTP CONNECT to whatever pod is asked for leads to one address on loopback."""

    daemon_threads = True
    block_on_close = False
    address: tuple[str, int]


class Tunnelled(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Tunnel)
        while self.rfile.readline().strip():
            """The head: where to does not matter."""
        with socket.create_connection(self.server.address) as behind:
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = Thread(target=pump, args=(behind, self.request), daemon=True)
            back.start()
            pump(self.request, behind)
            back.join(5)


def pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while chunk := source.recv(1 << 16):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture(scope="module")
def tunnelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site on a plane with an autoscaler, the watcher, and the extender behind its Service."""
    directory = tmp_path_factory.mktemp("egress")
    path = directory / "tunnel"
    connection = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(path)}}}
    selection = {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": connection}],
    }
    written = directory / "egress.json"
    written.write_text(json.dumps(selection))
    flags = {"kube-apiserver": (f"--egress-selector-config-file={written}",)}
    with Tunnel(str(path), Tunnelled) as tunnel, ControlPlane(PlaneOptions(flags=flags)) as plane:
        tunnel.address = plane.extender_address
        Thread(target=tunnel.serve_forever, args=(0.05,), daemon=True).start()
        install(plane)
        plane.start_autoscaler(GROUPS)
        extender = Extender(plane)
        extender.start()
        expose(plane)
        with Watcher(plane):
            yield Site(plane, extender)
        extender.kill()
        tunnel.shutdown()


def expose(plane: ControlPlane) -> None:
    """The shipped Service, and a pod that it finds, as the Deployment would make it."""
    apply_manifests(plane, "service")
    written = yaml.safe_load_all((MANIFESTS / "deployment.yaml").read_text())
    deployment = next(one for one in written if one["metadata"]["name"] == "resourcepolicy-extender")
    template = deployment["spec"]["template"]
    plane.create_node("home", {"pool": "home"}, gpus=0)
    (container,) = template["spec"]["containers"]
    kept = {"name": container["name"], "image": container["image"], "ports": container["ports"]}
    metadata = {"name": "extender", "namespace": "resourcepolicy", "labels": template["metadata"]["labels"]}
    spec = {"nodeName": "home", "containers": [kept]}
    plane.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    endpoints = "/api/v1/namespaces/resourcepolicy/endpoints/resourcepolicy-extender"
    plane.wait(lambda: plane.api.get(endpoints).get("subsets"), what="the Service to have an endpoint")


def typed(kubeconfig: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """In a shell whose KUBECONFIG leads to the plane."""
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "COLUMNS": "80"}
    command = [str(COMMAND), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def explain(site: Site, *arguments: str) -> str:
    """As the admin."""
    done = typed(site.plane.kubeconfig, "explain", "-n", site.name, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def a_user(site: Site, name: str) -> Path:
    """The kubeconfig of somebody without any right."""
    metadata = {"name": name, "namespace": site.name}
    site.api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    return site.plane.service_account_kubeconfig(site.name, name)


def give(site: Site, name: str, role: Object) -> None:
    """Bind a role to a user, as `kubectl create clusterrolebinding` and `rolebinding` do."""
    metadata = {key: value for key, value in role["metadata"].items() if key == "namespace"}
    site.api.create(
        {
            "apiVersion": role["apiVersion"],
            "kind": f"{role['kind']}Binding",
            "metadata": metadata | {"name": f"{site.name}-{name}"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": role["kind"],
                "name": role["metadata"]["name"],
            },
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": site.name}],
        }
    )


def words(text: str) -> str:
    return " ".join(text.split())


def two_units(site: Site, pool: str) -> None:
    """One without nodes, and one that an autoscaler can grow."""
    second = {"resource": "elastic", "nodeSelector": {"pool": pool}}
    site.create_policy({"nodeSelector": {"pool": "gone"}}, second, name=pool, selector={"app": pool})


def test_the_server_is_found_and_the_autoscalers_part_told(tunnelled: Site) -> None:
    """While the node that was bought boots, and after."""
    site = tunnelled
    two_units(site, "slow")
    site.create_pod("b", labels={"app": "slow"}, nodeSelector={})
    site.plane.wait(lambda: "asks for 1 pod(s) in units[1]" in words(explain(site, "b")), what="the request")
    told = words(explain(site, "b"))
    assert "Held: cluster-autoscaler leaves it to the policy" in told
    assert "Scheduler Unschedulable, " in told
    site.plane.wait(lambda: is_bound(site.pod("b")), what="b to be bound", seconds=90)
    told = words(explain(site, "b"))
    assert "in units[1] since" in told
    assert "no room (O3) it has no node" in told
    assert "used (O1) room on 1 of its 1 node(s)" in told
    assert "the decisions are those of service resourcepolicy/resourcepolicy-extender:http" in told


def test_a_unit_that_cannot_grow_is_told_as_the_watcher_says_it(tunnelled: Site) -> None:
    """W4: its group has all its nodes."""
    site = tunnelled
    two_units(site, "small")
    site.create_pod("first", labels={"app": "small"}, nodeSelector={})
    site.plane.wait(lambda: is_bound(site.pod("first")), what="first to be bound", seconds=60)
    site.create_pod("second", labels={"app": "small"}, nodeSelector={})
    site.plane.wait(
        lambda: "gets no nodes for it now" in words(explain(site, "second")), what="the notice", seconds=60
    )
    assert "Autoscaler Held" in words(explain(site, "second"))


def test_a_reader_reads_all_that_the_commands_tell_and_a_stranger_is_told_what_it_takes(
    tunnelled: Site,
) -> None:
    """With `manifests/reader.yaml` nothing is left out, and no more is granted: no kube-scheduler's verb."""
    site = tunnelled
    site.create_policy({"nodeSelector": {"pool": "gone"}}, name="read", selector={"app": "read"})
    site.create_pod("read", labels={"app": "read"}, nodeSelector={})
    site.plane.create_node("idle", {"pool": "idle"})  # else kube-scheduler asks nobody
    asked_of = "the decisions are those of service resourcepolicy/resourcepolicy-extender:http"
    site.plane.wait(lambda: asked_of in words(explain(site, "read")), what="a decision")
    reader, stranger = a_user(site, "reader"), a_user(site, "stranger")
    roles = list(yaml.safe_load_all((MANIFESTS / "reader.yaml").read_text()))
    site.api.apply(roles)
    for role in roles:
        give(site, "reader", role)
    commands = (
        ("explain", "-n", site.name, "read"),
        ("status", "-n", site.name),
        ("simulate", "--live"),
        ("lint", "--live"),
    )
    for command in commands:
        done = typed(reader, *command)
        assert (done.stderr, "Traceback" in done.stdout) == ("", False), command
        assert "forbidden" not in words(done.stdout)
        done = typed(stranger, *command)
        assert done.returncode != 0
        assert "is forbidden" in words(done.stderr)
        assert "manifests/reader.yaml" in words(done.stderr)
    assert asked_of in words(typed(reader, *commands[0]).stdout)
    asked = "/api/v1/namespaces/resourcepolicy/services/resourcepolicy-extender:http/proxy/filter"
    with pytest.raises(ApiError, match="forbidden"):
        Api(reader).request("POST", asked, {})
