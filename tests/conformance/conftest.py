"""One control plane for all conformance tests, and a namespace for each.

Owns: their life. Must not know: what a test promises.
"""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane import ControlPlane

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Called with the items of the whole session, not only with those below this directory.
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.plane)


@pytest.fixture(scope="session")
def plane(request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    with ControlPlane() as plane:
        # The extender and the watcher are started here, against `plane.extender_address`,
        # and stopped before the plane is.
        yield plane
        # The logs explain what a failed test saw.
        plane.keep = plane.keep or request.session.testsfailed > 0


@pytest.fixture
def namespace(plane: ControlPlane) -> Iterator[str]:
    name = f"test-{secrets.token_hex(4)}"
    plane.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    pods = f"/api/v1/namespaces/{name}/pods"
    for pod in plane.api.items(pods):
        plane.api.delete(f"{pods}/{pod['metadata']['name']}", grace_seconds=0)
    plane.api.delete(f"/api/v1/namespaces/{name}")
