"""One control plane and one extender for all conformance tests, and a namespace or a site for each."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.controlplane import ControlPlane
from dev.harness.extender import Extender
from dev.harness.program import install
from dev.harness.watcher import Watcher
from tests.e2e.objects import Site

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
        install(plane)
        yield plane
        if request.session.testsfailed:  # the logs explain what the test saw
            plane.keep = True
            request.config.stash[KEPT] = plane.directory


@pytest.fixture(scope="session")
def shared_extender(plane: ControlPlane) -> Iterator[Extender]:
    extender = Extender(plane)
    extender.start()
    yield extender
    extender.kill()


@pytest.fixture
def extender(shared_extender: Extender) -> Iterator[Extender]:
    """May be killed, or started otherwise: the next test has it as usual."""
    yield shared_extender
    shared_extender.restore()


@pytest.fixture(scope="module")
def watcher(plane: ControlPlane) -> Iterator[Watcher]:
    """With its defaults."""
    with Watcher(plane) as watcher:
        yield watcher


@pytest.fixture
def site(plane: ControlPlane, extender: Extender) -> Iterator[Site]:
    site = Site(plane, extender)
    yield site
    site.close()


@pytest.fixture
def namespace(plane: ControlPlane) -> Iterator[str]:
    name = f"test-{secrets.token_hex(4)}"
    plane.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    pods = f"/api/v1/namespaces/{name}/pods"
    for pod in plane.api.items(pods):
        plane.api.delete(f"{pods}/{pod['metadata']['name']}", grace_seconds=0)
    plane.api.delete(f"/api/v1/namespaces/{name}")
