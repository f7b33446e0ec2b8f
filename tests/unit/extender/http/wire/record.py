"""Records what a real kube-scheduler sends: `python -m tests.extender.wire.record` writes `valid/*.json`.

Bodies are kept byte for byte.
"""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from dev.controlplane import ControlPlane, PlaneOptions

__all__ = ["main"]

Json = dict[str, Any]
Question = Callable[[str, Json], bool]

VALID = Path(__file__).with_name("valid")
PODS = "/api/v1/namespaces/default/pods"
GPU = "nvidia.com/gpu"


class Recorder(ThreadingHTTPServer):
    """An extender that agrees to everything and keeps the questions."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, Agreeing)
        self.asked: list[tuple[str, bytes]] = []


class Agreeing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def log_message(self, *_: object) -> None: ...

    def do_POST(self) -> None:
        verb = self.path.rpartition("/")[2]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((verb, body))
        answer = json.dumps(agree(verb, json.loads(body))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


def agree(verb: str, asked: Json) -> object:
    match verb:
        case "filter":
            return {"Nodes": asked["Nodes"], "NodeNames": asked["NodeNames"]}
        case "prioritize":
            return []
    victims = asked["NodeNameToMetaVictims"] or {
        node: {"Pods": [{"UID": pod["metadata"]["uid"]} for pod in listed["Pods"]]}
        for node, listed in asked["NodeNameToVictims"].items()
    }
    return {"NodeNameToMetaVictims": victims}


def about(name: str) -> Callable[[Json], bool]:
    return lambda asked: bool(asked["Pod"]["metadata"]["name"] == name)


def nominated(asked: Json) -> bool:
    return bool(asked["Pod"]["status"].get("nominatedNodeName"))


QUESTIONS: dict[str, Question] = {
    "filter-{mode}": lambda verb, asked: verb == "filter" and about("plain")(asked),
    "prioritize-{mode}": lambda verb, asked: verb == "prioritize" and about("plain")(asked),
    "filter-{mode}-init-container-sidecar-overhead": lambda verb, asked: (
        verb == "filter" and about("rich")(asked)
    ),
    "filter-{mode}-of-a-job": lambda verb, asked: (
        verb == "filter" and asked["Pod"]["metadata"]["name"].startswith("job-")
    ),
    "preempt-{mode}": lambda verb, _: verb == "preempt",
    "filter-{mode}-nominated": lambda verb, asked: verb == "filter" and nominated(asked),
}


def a_pod(name: str, gpus: int, **spec: object) -> Json:
    container = {
        "name": "main",
        "image": "registry.example/model",
        "resources": {"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {GPU: str(gpus)}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, **spec},
    }


def a_rich_pod() -> Json:
    sidecar = {
        "name": "sidecar",
        "image": "i",
        "restartPolicy": "Always",
        "resources": {"requests": {"cpu": "100m"}},
    }
    starting = {"name": "starting", "image": "i", "resources": {"requests": {"memory": "2Gi"}}}
    return a_pod(
        "rich",
        1,
        initContainers=[sidecar, starting],
        runtimeClassName="heavy",
        nodeSelector={"kwok": "fake"},
        tolerations=[{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}],
    )


def a_job() -> Json:
    template = a_pod("job", 0)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "job", "namespace": "default"},
        "spec": {"template": {"spec": {**template["spec"], "restartPolicy": "Never"}}},
    }


def play(plane: ControlPlane) -> None:
    """Fill both GPUs, then ask for one with a higher priority."""
    api = plane.api
    api.create({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": {"name": "urgent"}, "value": 1000,
    })  # fmt: skip
    api.create({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": "heavy",
        "metadata": {"name": "heavy"}, "overhead": {"podFixed": {"cpu": "50m", "memory": "64Mi"}},
    })  # fmt: skip
    for name in ("a", "b"):
        plane.create_node(f"node-{name}", {"pool": name, "kwok": "fake"}, gpus=1)

    def bound(name: str) -> Callable[[], bool]:
        return lambda: bool(api.get(f"{PODS}/{name}")["spec"].get("nodeName"))

    def ready() -> bool:
        return all(
            c["status"] == "True"
            for node in api.items("/api/v1/nodes")
            for c in node["status"]["conditions"]
            if c["type"] == "Ready"
        ) and not any(node["spec"].get("taints") for node in api.items("/api/v1/nodes"))

    plane.wait(ready, what="both nodes")
    plane.wait(lambda: api.get("/api/v1/namespaces/default/serviceaccounts/default"), what="an account")
    for pod in (a_pod("plain", 1), a_rich_pod()):
        api.create(pod)
        plane.wait(bound(pod["metadata"]["name"]), what=pod["metadata"]["name"])
    api.create(a_job())
    api.create(a_pod("urgent", 1, priorityClassName="urgent"))
    plane.wait(bound("urgent"), what="the preemptor")


def record(*, names_only: bool) -> None:
    verbs = {f"{verb}Verb": verb for verb in ("filter", "prioritize", "preempt")}
    extender = {
        "urlPrefix": "http://127.0.0.1",
        **verbs,
        "weight": 1,
        "nodeCacheCapable": names_only,
        "httpTimeout": "5s",
    }
    mode = "names" if names_only else "nodes"
    with (
        ControlPlane(PlaneOptions(extenders=(extender,))) as plane,
        Recorder(plane.extender_address) as recorder,
    ):
        threading.Thread(target=recorder.serve_forever, daemon=True).start()
        play(plane)
        recorder.shutdown()
        write(mode, recorder.asked)


def write(mode: str, asked: list[tuple[str, bytes]]) -> None:
    for name, wanted in QUESTIONS.items():
        body = next(body for verb, body in asked if wanted(verb, json.loads(body)))
        (VALID / f"{name.format(mode=mode)}.json").write_bytes(body)


def main() -> None:
    VALID.mkdir(exist_ok=True)
    for names_only in (True, False):
        record(names_only=names_only)


if __name__ == "__main__":
    main()
