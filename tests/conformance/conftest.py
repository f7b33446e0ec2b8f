"""One control plane for all conformance tests, and a namespace for each.

Owns: their life. Must not know: what a test promises.
"""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane import ControlPlane

HERE = Path(__file__).parent
KEPT = pytest.StashKey[Path]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Called with the items of the whole session, not only with those below this directory.
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.plane)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if kept := config.stash.get(KEPT, None):
        terminalreporter.write_line(f"the plane's logs are kept in {kept}")


@pytest.fixture(scope="session")
def plane(request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    with ControlPlane() as plane:
        # The extender and the watcher are started here, against `plane.extender_address`,
        # and stopped before the plane is.
        yield plane
        if request.session.testsfailed:  # the logs explain what the test saw
            plane.keep = True
            request.config.stash[KEPT] = plane.directory


@pytest.fixture
def namespace(plane: ControlPlane) -> Iterator[str]:
    name = f"test-{secrets.token_hex(4)}"
    plane.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    pods = f"/api/v1/namespaces/{name}/pods"
    for pod in plane.api.items(pods):
        plane.api.delete(f"{pods}/{pod['metadata']['name']}", grace_seconds=0)
    plane.api.delete(f"/api/v1/namespaces/{name}")
