"""The command `explain` on an API server and a server of ours, which fail on demand."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from click.testing import Result

from extender.decision_codec import encode_explanations
from policy.api.objects import Pod
from policy.api.resourcepolicy import NextUnits
from policy.explain.builder import explain as told_by
from policy.scaleup.demand import Demand
from policy.scheduling.decision_record import record_filter
from policy.scheduling.filter import decide
from tests.builders import a_node as node
from tests.builders import a_policy as policy
from tests.builders import a_snapshot, a_unit
from tests.fake_apiserver import FakeApiServer, Fault
from tests.unit.cli.explain.invoke import (
    CAPPED,
    NODES,
    OWN,
    POLICIES,
    Json,
    complaint,
    explain,
    from_snapshot,
    words,
)
from tests.unit.cli.snapshots import GPU, a_cluster, a_pod, a_policy, written
from watcher.provisioner.request_manifests import pod_template, provisioning_request


@pytest.fixture
def api() -> Iterator[FakeApiServer]:
    with FakeApiServer() as api:
        for item in (*NODES, CAPPED, a_pod("p"), a_pod("a", "own-1")):
            metadata = item["metadata"]
            collection = {"Node": "/api/v1/nodes", "Pod": "/api/v1/pods"}.get(item["kind"], POLICIES)
            api.put(collection, metadata.get("namespace", ""), metadata["name"], **item)
        yield api


@pytest.fixture
def answering() -> Iterator[Callable[[int, bytes], str]]:
    """Start a server that answers everything so; its URL."""
    servers: list[HTTPServer] = []

    def start(status: int, body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def live(api: FakeApiServer, directory: Path, pod: str, *options: str | Path) -> Result:
    return explain(pod, "--kubeconfig", api.kubeconfig(directory), *options)


REQUESTS = "/apis/autoscaling.x-k8s.io/v1/provisioningrequests"
ASKING = Pod(
    uid="p", namespace="default", name="p", created=0.0, requests={GPU: 10**9}, labels={"app": "web"}
)


def remembered(
    uid: str = "p",
    *,
    name: str = "web",
    room: bool = False,
    mode: NextUnits = NextUnits.LACK_RESOURCE_OR_EXCEED_MAX,
) -> bytes:
    """What a server remembers of the pod, from a time when all was full, or nothing."""
    at = 1_000.0
    most = None if room else 0
    rule = policy(a_unit("own", max=most), a_unit("cloud", max=most), name=name, mode=mode)
    view = a_snapshot(rule, nodes=[node("own-1", "own"), node("cloud-1", "cloud")])
    pod = Pod(uid=uid, namespace="default", name="p", created=0.0, labels={"app": "web"})
    decision = decide(pod, ["own-1", "cloud-1"], rule, view, at)
    return encode_explanations([told_by(record_filter(pod, 2, rule, decision, view, at), at - 60, 7)])


def test_what_the_server_remembers_is_told_with_its_time(
    api: FakeApiServer, tmp_path: Path, answering: Callable[[int, bytes], str]
) -> None:
    url = answering(200, remembered())
    told = words(live(api, tmp_path, "p", "--server", url).output)
    assert "(1970-01-01 00:16:40Z), the last of 7 alike since" in told
    assert "units[1] ecs pool=cloud: exhausted (O2) full: 0 of max 0 pod(s)" in told
    assert f"Source the decisions are those of {url}" in told


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(
            remembered(room=True),
            "the first that may take it. It is not bound all the same: kube-scheduler says why",
            id="sent, and pending all the same",
        ),
        pytest.param(
            remembered(name="former"),
            "ResourcePolicy default/former governed it then.",
            id="another policy",
        ),
        pytest.param(
            remembered(mode=NextUnits.TIMEOUT), "Tried again when its timer ends", id="a timer that has ended"
        ),
    ],
)
def test_what_was_decided_is_told_against_what_is_so_now(
    api: FakeApiServer, tmp_path: Path, answering: Callable[[int, bytes], str], body: bytes, said: str
) -> None:
    assert said in words(live(api, tmp_path, "p", "--server", answering(200, body)).output)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        pytest.param(404, b'{"Error": "no"}', "the server keeps no decision about it", id="nothing is known"),
        pytest.param(
            200, remembered(uid="old"), "the server remembers only an earlier pod", id="another pod"
        ),
        pytest.param(200, b"<html>", "answers what is no list of decisions", id="no JSON"),
        pytest.param(500, b"", "answers 500: is it a `resourcepolicy serve`?", id="an error"),
    ],
)
def test_without_a_memory_the_api_tells_and_it_is_said_why(
    api: FakeApiServer,
    tmp_path: Path,
    answering: Callable[[int, bytes], str],
    status: int,
    body: bytes,
    said: str,
) -> None:
    result = live(api, tmp_path, "p", "--server", answering(status, body))
    assert result.exit_code == 0, result.output
    assert said in words(result.output)
    assert "exhausted (O2) full: 1 of max 1 pod(s)" in words(result.output)


def test_without_a_server_the_proxy_of_the_api_server_is_asked(api: FakeApiServer, tmp_path: Path) -> None:
    """Here there is no such Service: the API alone tells."""
    told = words(live(api, tmp_path, "p").output)
    asked = [request.path for request in api.requests]
    service = "/api/v1/namespaces/resourcepolicy/services/resourcepolicy-extender:http/proxy/decisions"
    assert service in asked
    assert "from the API alone: the server could not be asked" in told
    assert "; --server URL names one that listens elsewhere." in told


def demand() -> tuple[Json, Json]:
    """The objects of a request for the pod, as the watcher writes them."""
    rule = policy(a_unit("own", max=1), a_unit("cloud", resource="elastic"), name="web")
    wanted = Demand(rule, 1, (ASKING,))
    template = pod_template(wanted, {"metadata": {}, "spec": {"containers": []}}, {}, {})
    return template, provisioning_request([wanted], {})


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        pytest.param([], "asks for 1 pod(s) in units[1], 0s ago", id="asked"),
        pytest.param([{"type": "Accepted", "status": "True"}], "accepted, not answered yet", id="accepted"),
        pytest.param(
            [{"type": "Failed", "status": "True", "reason": "CapacityIsNotFound", "message": "no group"}],
            "failed (CapacityIsNotFound: no group)",
            id="failed",
        ),
        pytest.param(
            [{"type": "Provisioned", "status": "True", "reason": "Ok"}],
            "provisioned: the nodes are",
            id="there",
        ),
    ],
)
def test_what_the_autoscaler_was_asked_and_answered_is_told(
    api: FakeApiServer, tmp_path: Path, conditions: list[Json], said: str
) -> None:
    template, request = demand()
    for written_by_the_api in (template, request):
        written_by_the_api["metadata"]["creationTimestamp"] = datetime.now(UTC).isoformat()
    api.put("/api/v1/podtemplates", "resourcepolicy", template["metadata"]["name"], **template)
    name = request["metadata"]["name"]
    api.put(REQUESTS, "resourcepolicy", name, **request, status={"conditions": conditions})
    told = words(live(api, tmp_path, "p").output)
    assert said in told
    assert f"{name} asks for 1 pod(s) in units[1]" in told


def test_the_newest_word_of_a_scheduler_is_told_and_no_other_event(
    api: FakeApiServer, tmp_path: Path
) -> None:
    for name, reason, at in (
        ("e1", "FailedScheduling", "2026-11-25T10:00:00Z"),
        ("e2", "FailedScheduling", "2026-11-25T11:00:00Z"),
        ("e3", "Pulled", "2026-11-25T12:00:00Z"),
    ):
        api.put("/api/v1/events", "default", name, reason=reason, message=f"said {name}", lastTimestamp=at)
    told = live(api, tmp_path, "p").output
    assert "said e2" in told
    assert "said e1" not in told
    assert "said e3" not in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(
            ["nobody"],
            "no pod nobody in namespace default (there are a, p); name one, or another -n",
            id="no pod",
        ),
        pytest.param(["p", "-n", "x"], "no pod p in namespace x (there is none at all)", id="no namespace"),
        pytest.param(["p", "--server", "127.0.0.1:8888"], "write http://HOST:PORT", id="no URL"),
        pytest.param(["p", "--context", "x"], "name one with --kubeconfig", id="no context"),
        pytest.param(
            ["p", "--snapshot", "-"], "--snapshot asks no cluster: leave --server,", id="two clusters"
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(
    api: FakeApiServer, tmp_path: Path, arguments: list[str], said: str
) -> None:
    assert said in complaint(live(api, tmp_path, arguments[0], *arguments[1:]))


@pytest.mark.parametrize(
    ("snapshot", "said"),
    [
        pytest.param("a: [", "no YAML", id="no YAML"),
        pytest.param(written(a_cluster()), "holds no Node", id="no nodes"),
        pytest.param(written(a_cluster(*NODES)), "no pod p in namespace default", id="no pod"),
    ],
)
def test_a_snapshot_that_is_none_is_a_users_mistake(snapshot: str, said: str) -> None:
    assert said in complaint(explain("p", "--snapshot", "-", stdin=snapshot))


def test_an_api_server_that_is_not_there_is_a_users_mistake(tmp_path: Path) -> None:
    with FakeApiServer() as api:
        kubeconfig = api.kubeconfig(tmp_path)
    assert "is the API server up" in complaint(explain("p", "--kubeconfig", kubeconfig))


@pytest.mark.parametrize(
    ("status", "mend"),
    [
        pytest.param(401, "have the token or the certificate of this context expired?", id="not known"),
        pytest.param(500, "try again", id="an error of its own"),
    ],
)
def test_each_refusal_has_its_own_mend(api: FakeApiServer, tmp_path: Path, status: int, mend: str) -> None:
    api.fail("list", Fault(status))
    said = complaint(live(api, tmp_path, "p"))
    assert said.endswith(mend)


def test_tls_that_fails_is_one_line(api: FakeApiServer, tmp_path: Path) -> None:
    kubeconfig = api.kubeconfig(tmp_path)
    kubeconfig.write_text(kubeconfig.read_text().replace("http://", "https://"))
    assert "SSLError [SSL: " in complaint(explain("p", "--kubeconfig", kubeconfig))


def test_a_context_that_is_none_is_told_those_that_are(api: FakeApiServer, tmp_path: Path) -> None:
    said = complaint(live(api, tmp_path, "p", "--context", "prod"))
    assert "no context prod (there are " in said
    assert said.endswith("correct --context, or name one with --kubeconfig")


FORBIDDEN = Fault(403, body=json.dumps({"reason": "Forbidden", "code": 403, "message": "no right to it"}))


def test_who_may_not_read_policies_is_told_which_right_it_takes(api: FakeApiServer, tmp_path: Path) -> None:
    api.fail("list", Fault(), FORBIDDEN)
    assert "it takes the right to list nodes, pods, policies" in complaint(live(api, tmp_path, "p"))


def test_what_else_may_not_be_read_is_said_and_the_rest_told(
    api: FakeApiServer, tmp_path: Path, answering: Callable[[int, bytes], str]
) -> None:
    """The pod and the policies are read before, the node of a placed pod, events and requests after."""
    api.put("/api/v1/pods", "default", "p", **a_pod("p", "own-1"))
    api.fail("list", Fault(), Fault(), *[FORBIDDEN] * 4)
    told = words(live(api, tmp_path, "p", "--server", answering(200, remembered())).output)
    assert (
        "Pod default/p is on own-1 since 2026-11-01 00:00:00Z. Policy ResourcePolicy default/web Decision"
        in told
    )
    assert told.count("no right to it") == 4


def test_kubeconfig_of_the_environment_is_taken_and_its_mistakes_are_told(
    api: FakeApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", f"/nowhere:{api.kubeconfig(tmp_path)}")
    assert explain("p").output.startswith("Pod default/p ")
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    assert "$KUBECONFIG names /nowhere, which is no file" in complaint(explain("p"))


def settings(directory: Path, content: Mapping[str, object]) -> Path:
    path = directory / "extender.yaml"
    path.write_text(json.dumps(content))
    return path


def test_the_settings_of_the_server_are_its_rules(tmp_path: Path) -> None:
    """M4, M8: with --config, as the server has them."""
    older = a_policy(OWN, name="a", created="2026-10-01T00:00:00Z")

    def told(**content: object) -> str:
        options = ("--config", str(settings(tmp_path, content)))
        return words(from_snapshot("p", older, CAPPED, a_pod("p"), options=options))

    assert "and the setting on_conflict is reject" in told(on_conflict="reject")
    unsent = told(watcher={"managed_resources": ["amd.com/gpu"]})
    assert "It requests none of amd.com/gpu" in unsent
    assert "Decision" not in unsent
