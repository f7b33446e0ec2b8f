"""What the server decided about a pod, asked of the server itself."""

from dataclasses import dataclass
from urllib.parse import urlencode

import urllib3

from cli.cluster.live import Session
from cli.errors import CommandError
from cluster.kube.client import ApiError, Unreachable
from extender.decision_codec import decode_explanations
from policy.explain.types import Explanation

__all__ = ["DecisionsAnswer", "ask_at", "ask_through"]

_SERVICE = "resourcepolicy-extender:http"
_SECONDS = 5.0
_OK, _NOTHING = 200, 404


@dataclass(frozen=True, slots=True)
class DecisionsAnswer:
    """The answer, and where it is from; or why there is none."""

    server: str
    explanations: tuple[Explanation, ...] = ()
    unavailable: str = ""


def ask_through(session: Session, namespace: str, pod: str, own: str) -> DecisionsAnswer:
    """Ask the Service in our `own` namespace, by the API server's proxy."""
    path = f"/api/v1/namespaces/{own}/services/{_SERVICE}/proxy/decisions"
    server = f"service {own}/{_SERVICE}"
    try:
        body = session.get(path, {"namespace": namespace, "pod": pod}, _SECONDS)
    except ApiError as error:
        # A 404 of the API server itself carries its reason.
        if error.status == _NOTHING and not error.reason:
            return DecisionsAnswer(server, unavailable=_NOT_KEPT)
        unavailable = f"the server could not be asked ({error.message or error})"
        return DecisionsAnswer(
            server, unavailable=f"{unavailable}; --server URL names one that listens elsewhere"
        )
    except Unreachable as error:
        return DecisionsAnswer(server, unavailable=f"the server could not be asked ({error})")
    return _answered(server, body)


def ask_at(url: str, namespace: str, pod: str) -> DecisionsAnswer:
    """Ask a server at its address.

    Raises:
        CommandError: that is no address.
    """
    if not url.startswith(("http://", "https://")):
        raise CommandError(f"--server {url}: write http://HOST:PORT, for example http://127.0.0.1:8888")
    query = urlencode({"namespace": namespace, "pod": pod})
    try:
        with urllib3.PoolManager(retries=False, timeout=_SECONDS) as http:
            response = http.request("GET", f"{url.rstrip('/')}/decisions?{query}")
    except urllib3.exceptions.HTTPError as error:
        return DecisionsAnswer(url, unavailable=f"{url} could not be asked ({error})")
    if response.status == _NOTHING:
        return DecisionsAnswer(url, unavailable=_NOT_KEPT)
    if response.status != _OK:
        return DecisionsAnswer(
            url, unavailable=f"{url} answers {response.status}: is it a `resourcepolicy serve`?"
        )
    return _answered(url, response.data)


_NOT_KEPT = (
    "the server keeps no decision about it: kube-scheduler did not ask since the server started, "
    "or it is too long ago"
)


def _answered(server: str, body: bytes) -> DecisionsAnswer:
    try:
        return DecisionsAnswer(server, tuple(decode_explanations(body)))
    except ValueError:
        return DecisionsAnswer(
            server, unavailable=f"{server} answers what is no list of decisions: is it of this version?"
        )
