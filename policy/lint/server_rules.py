"""Rule RP062: the web server closes a connection that kube-scheduler is about to use.

Rule E10.
"""

from collections.abc import Iterator

from policy.lint.context import LintContext, found
from policy.lint.findings import Code, Finding

__all__ = ["server_findings"]

_CLIENT_IDLE = 90


def server_findings(context: LintContext) -> Iterator[Finding]:
    """RP062."""
    server = context.given.server
    if server is None:
        return
    keep_alive = server.at("keepalive")
    if isinstance(keep_alive, int) and keep_alive > _CLIENT_IDLE:
        return
    reported = "gunicorn's default of 2 s" if keep_alive is None else f"{keep_alive} s"
    why = (
        f"The server closes idle connections after {reported}, kube-scheduler after {_CLIENT_IDLE} s: a call "
        "that meets the closing is not repeated and costs the pod its attempt (E10)."
    )
    yield found(Code.KEEP_ALIVE, server, ("keepalive",), why, "keepalive = 120")
