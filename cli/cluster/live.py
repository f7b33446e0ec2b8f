"""The cluster that a kubeconfig leads to, read once.

Reading workloads is a courtesy: whoever may not list Deployments still gets everything else.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self

import click
import msgspec

from cli.cluster.snapshot import ClusterSnapshot, cluster_of, whole
from cli.errors import CommandError
from cluster.kube.client import ApiError, KubeClient, NotConfigured, Unreachable, connect, namespace_of
from policy.api import wellknown
from policy.lint.documents import Document

__all__ = ["POLICIES", "Session", "in_namespace", "live_cluster", "live_workloads", "read_cluster"]

POLICIES = f"/apis/{wellknown.RESOURCEPOLICY_API}/resourcepolicies"
_CACHED = {"resourceVersion": "0"}
"""A list from the API server's memory, which is enough to look at."""
_WORKLOADS = {
    "Deployment": "/apis/apps/v1/deployments",
    "StatefulSet": "/apis/apps/v1/statefulsets",
    "Job": "/apis/batch/v1/jobs",
}
_NOT_FOUND = 404
_SILENT = "is the API server up, and is it the right context?"
_DISTRUSTED = "does the kubeconfig have the certificate authority of this API server?"
_REFUSED = {
    401: "have the token or the certificate of this context expired?",
    403: "it takes the right to list nodes, pods, policies: manifests/reader.yaml has a role for it",
}
"""What to do about it, by HTTP status."""


def live_cluster(kubeconfig: Path | None) -> ClusterSnapshot:
    """Nodes, pods and policies.

    Raises:
        CommandError: the API server is not reached, or refuses.
    """
    with Session(kubeconfig) as session:
        return read_cluster(session)


def read_cluster(session: "Session", namespace: str | None = None) -> ClusterSnapshot:
    """The same over a connection that is there; pods and policies of one namespace, if it is named."""
    pods, policies = "/api/v1/pods", POLICIES
    if namespace is not None:
        pods, policies = in_namespace(pods, namespace), in_namespace(policies, namespace)
    lists = {"Node": session.get("/api/v1/nodes", _CACHED), "Pod": session.get(pods, _CACHED)}
    try:
        lists["ResourcePolicy"] = session.get(policies, _CACHED)
    except ApiError as error:
        if error.status != _NOT_FOUND:
            raise
    return whole(session.source, cluster_of(session.source, lists))


def in_namespace(path: str, namespace: str) -> str:
    """A collection's path, of one namespace only."""
    group, _, plural = path.rpartition("/")
    return f"{group}/namespaces/{namespace}/{plural}"


def live_workloads(kubeconfig: Path | None) -> list[Document]:
    """Deployments, StatefulSets and Jobs, as far as they may be listed."""
    found: list[Document] = []
    with Session(kubeconfig) as session:
        for kind, path in _WORKLOADS.items():
            try:
                listed = msgspec.json.decode(session.get(path, _CACHED))
            except ApiError as error:
                click.echo(f"{session.source}: {kind}s are left out: {error.message}", err=True)
                continue
            found += _documents(kind, listed["items"] or ())
    return found


def _documents(kind: str, items: Iterable[Mapping[str, object]]) -> Iterator[Document]:
    for item in items:
        document = Document("", {"kind": kind, **item})
        place = f"{kind.lower()}/{document.at('metadata', 'name')} -n {document.at('metadata', 'namespace')}"
        yield Document(place, document.content)


class Session:
    """A connection whose failures are told in one line."""

    def __init__(self, kubeconfig: Path | None, context: str | None = None) -> None:
        self._kubeconfig = kubeconfig or _default()
        self.source = str(self._kubeconfig or "the cluster")
        try:
            self.namespace = namespace_of(self._kubeconfig, context)
            self._connection: KubeClient = connect(self._kubeconfig, context)
        except NotConfigured as error:
            mend = (
                "correct --context, or name one with --kubeconfig"
                if context
                else "name one with --kubeconfig"
            )
            raise CommandError(f"{str(error).rstrip('.')}; {mend}") from None

    def get(self, path: str, query: Mapping[str, str] | None = None, seconds: float = 60) -> bytes:
        """The body of an answer."""
        return self._connection.get(path, query, seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._connection.close()
        if isinstance(error, Unreachable):
            mend = _DISTRUSTED if "CERTIFICATE_VERIFY_FAILED" in str(error) else _SILENT
            raise CommandError(f"{self.source}: {error}; {mend}") from None
        if isinstance(error, ApiError):
            raise CommandError(f"{self.source}: {error}; {_REFUSED.get(error.status, 'try again')}") from None


def _default() -> Path | None:
    """As kubectl: the files of KUBECONFIG, else ~/.kube/config; in a pod neither is there."""
    named = [name for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    there = [name for name in named if Path(name).is_file()]
    if there:
        return Path(os.pathsep.join(there))
    if named:
        raise CommandError(
            f"$KUBECONFIG names {named[0]}, which is no file; correct it, or name one with --kubeconfig"
        )
    home = Path.home() / ".kube" / "config"
    return home if home.is_file() else None
