"""The cluster that a kubeconfig leads to, read once.

Owns which lists are asked for and what is said when one is refused; must not know what is done with them.
Reading workloads is a courtesy: whoever may not list Deployments still gets everything else.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self

import click
import msgspec

from author.cluster import Cluster, cluster_of
from author.mistakes import Mistake
from extender.connection import ApiError, Connection, NotConfigured, Unreachable, connect
from policy.lint.documents import Document

__all__ = ["live_cluster", "live_workloads"]

_POLICIES = "/apis/scheduling.alibabacloud.com/v1alpha1/resourcepolicies"
_WORKLOADS = {
    "Deployment": "/apis/apps/v1/deployments",
    "StatefulSet": "/apis/apps/v1/statefulsets",
    "Job": "/apis/batch/v1/jobs",
}
_NOT_FOUND = 404


def live_cluster(kubeconfig: Path | None) -> Cluster:
    """Nodes, pods and policies.

    Raises:
        Mistake: the API server is not reached, or refuses.
    """
    with _Session(kubeconfig) as session:
        lists = {"Node": session.get("/api/v1/nodes"), "Pod": session.get("/api/v1/pods")}
        try:
            lists["ResourcePolicy"] = session.get(_POLICIES)
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
        return cluster_of(session.source, lists)


def live_workloads(kubeconfig: Path | None) -> list[Document]:
    """Deployments, StatefulSets and Jobs, as far as they may be listed."""
    found: list[Document] = []
    with _Session(kubeconfig) as session:
        for kind, path in _WORKLOADS.items():
            try:
                listed = msgspec.json.decode(session.get(path))
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


class _Session:
    """A connection whose failures are told in one line."""

    def __init__(self, kubeconfig: Path | None) -> None:
        self._kubeconfig = kubeconfig or _default()
        self.source = str(self._kubeconfig or "the cluster")
        try:
            self._connection: Connection = connect(self._kubeconfig)
        except NotConfigured as error:
            raise Mistake(f"{error}; name one with --kubeconfig") from None

    def get(self, path: str) -> bytes:
        return self._connection.get(path, {"resourceVersion": "0"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self._connection.close()
        if isinstance(error, Unreachable):
            raise Mistake(
                f"{self.source}: {error}; is the API server up, and is it the right context?"
            ) from None
        if isinstance(error, ApiError):
            raise Mistake(
                f"{self.source}: {error}; it takes the right to list nodes, pods, policies"
            ) from None


def _default() -> Path | None:
    """As kubectl: the first file of KUBECONFIG, else ~/.kube/config; in a pod neither is there."""
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    path = Path(named) if named else Path.home() / ".kube" / "config"
    return path if path.is_file() else None
