"""The HTTP surface: three verbs for kube-scheduler, two probes, metrics, and what was decided.

The verbs are answered before Flask, whose routing costs more than a decision (docs/design/python-stack.md,
section 4b).
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from werkzeug.exceptions import HTTPException

from extender.decision_codec import encode_explanations
from extender.http import wire
from extender.http.request_body import BodyError, read_body
from extender.metrics import Metrics
from extender.service import Extender, NotReady
from policy.api.options import RefusedNodes
from policy.explain.types import Explanation

__all__ = ["Answer", "Application"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """A body, and for the log and the metrics: what it means, about which pod."""

    body: bytes
    outcome: str
    pod: str = ""
    status: str = "200 OK"


_NOT_POST = ("GET", "PUT", "PATCH", "DELETE", "OPTIONS")
_FAULTS = {
    400: "400 Bad Request",
    408: "408 Request Timeout",
    413: "413 Content Too Large",
    500: "500 Internal Server Error",
    503: "503 Service Unavailable",
}


class Application:
    """The WSGI application, and `reply` for a server that frames requests itself.

    `refresh` brings gauges up to date before they are scraped.
    """

    def __init__(
        self,
        extender: Extender,
        metrics: Metrics,
        not_ready_reason: Callable[[], str],
        body_limit: int,
        refresh: Callable[[], None] = lambda: None,
        refused_nodes: RefusedNodes = RefusedNodes.ALL,
    ) -> None:
        self._extender = extender
        self._metrics = metrics
        self.body_limit = body_limit
        self._refused_nodes = refused_nodes
        self._verbs = {
            "/filter": self._filter,
            "/prioritize": self._prioritize,
            "/preempt": self._preempt,
        }
        self._rest = _rest(not_ready_reason, metrics, refresh, extender.decisions)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path not in self._verbs or environ["REQUEST_METHOD"] != "POST":
            return self._rest.wsgi_app(environ, start_response)
        try:
            answer = self.reply(path, read_body(environ, self.body_limit))
        except BodyError as error:
            answer = _fault(error.status, str(error))
            self._note(path, answer, 0.0)
        # The scheduler reuses its connection only if the body ends where its length says.
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(answer.body))),
        ]
        start_response(answer.status, headers)
        return (answer.body,)

    def reply(self, path: str, body: bytes) -> Answer:
        """Answer what was posted to a verb; no exception leaves this."""
        began = perf_counter()
        answer = self._answer(path, body)
        self._note(path, answer, perf_counter() - began)
        return answer

    def _note(self, path: str, answer: Answer, seconds: float) -> None:
        verb = path[1:]
        self._metrics.answered(verb, answer.outcome, seconds)
        log.info("%s %s: %s, %.1f ms", verb, answer.pod or "-", answer.outcome, seconds * 1e3)

    def _answer(self, path: str, body: bytes) -> Answer:
        try:
            return self._verbs[path](body)
        except wire.DecodeError as error:
            return _fault(400, str(error))
        except NotReady as error:
            return _fault(503, str(error), "NotReady")
        except Exception:
            log.exception("%s: a bug", path)
            return _fault(500, "internal error; the log of the extender has the details", "Bug")

    def _filter(self, body: bytes) -> Answer:
        args = wire.decode_candidates(body)
        pod = f"{args.pod.namespace}/{args.pod.name}"
        try:
            filtered = self._extender.filter(args.pod, args.names)
        except NotReady as error:
            return Answer(wire.encode_error(str(error)), "NotReady", pod)
        if filtered is None:
            return Answer(wire.encode_kept(args, args.names), "passed", pod)
        decision = filtered.decision
        if decision.refused is None:
            return Answer(wire.encode_kept(args, decision.nodes), "placed", pod)
        refusal = decision.waits or decision.refused.first
        body = wire.encode_refused(args, decision.refused, self._refused_nodes)
        return Answer(body, refusal.reason, pod)

    def _prioritize(self, body: bytes) -> Answer:
        args = wire.decode_candidates(body)
        pod = f"{args.pod.namespace}/{args.pod.name}"
        scores = self._extender.prioritize(args.pod, args.names)
        if scores is None:
            return Answer(wire.encode_scores({0: args.names}), "passed", pod)
        return Answer(wire.encode_scores(scores), "scored", pod)

    def _preempt(self, body: bytes) -> Answer:
        args = wire.decode_preemption(body)
        pod = f"{args.pod.namespace}/{args.pod.name}"
        preempted = self._extender.preempt(args.pod, args.victims, args.protected)
        if preempted is None:
            return Answer(wire.encode_victims(args, list(args.victims)), "passed", pod)
        nodes = preempted.decision.nodes
        return Answer(wire.encode_victims(args, nodes), "chosen" if nodes else "none", pod)


def _fault(status: int, message: str, outcome: str = "Malformed") -> Answer:
    return Answer(wire.encode_error(message), outcome, status=_FAULTS[status])


def _rest(
    not_ready_reason: Callable[[], str],
    metrics: Metrics,
    refresh: Callable[[], None],
    decisions: Callable[[str, str], Sequence[Explanation]],
) -> Flask:
    """Everything that is not asked for each pod."""
    app = Flask("resourcepolicy")

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    @app.get("/readyz")
    def readyz() -> tuple[str, int]:
        reason = not_ready_reason()
        return (reason, 503) if reason else ("ok", 200)

    @app.get("/metrics")
    def scrape() -> Response:
        refresh()
        return Response(generate_latest(metrics.registry), content_type=CONTENT_TYPE_LATEST)

    @app.errorhandler(404)
    def not_found(_: Exception) -> tuple[Response, int]:
        message = (
            "there are POST /filter, /prioritize or /preempt; GET /healthz, /readyz, /metrics or /decisions"
        )
        return jsonify(Error=message), 404

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> tuple[Response, int]:
        return jsonify(Error=error.description), error.code or 500

    def not_posted() -> tuple[Response, int]:
        return jsonify(Error="kube-scheduler POSTs this"), 405

    for verb in ("/filter", "/prioritize", "/preempt"):
        app.add_url_rule(verb, view_func=not_posted, methods=_NOT_POST, provide_automatic_options=False)
    app.add_url_rule("/decisions", view_func=_telling(decisions))
    return app


def _telling(decisions: Callable[[str, str], Sequence[Explanation]]) -> Callable[[], tuple[Response, int]]:
    """What was decided about one pod, the newest first."""

    def decided() -> tuple[Response, int]:
        namespace, pod = request.args.get("namespace", ""), request.args.get("pod", "")
        if not (namespace and pod):
            return jsonify(Error="name a pod: /decisions?namespace=NAMESPACE&pod=NAME"), 400
        try:
            body = encode_explanations(decisions(namespace, pod))
        except LookupError as nothing:
            return jsonify(Error=str(nothing)), 404
        return Response(body, content_type="application/json"), 200

    return decided
