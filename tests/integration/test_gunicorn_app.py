"""One worker, whatever anyone asks for: counts have one owner (E10)."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic

import pytest

from extender.http.gunicorn_app import DEFAULT_FILE
from tests.fake_apiserver import FakeApiServer
from tests.integration.server import DEADLINE, await_true, free_port

ASKS_FOR_FOUR = "workers = 4\nworker_class = 'sync'\npreload_app = True\nbind = '0.0.0.0:1'\nthreads = 2\n"
SERVE = """
import sys
from pathlib import Path
from extender.server import Server
from extender.http.gunicorn_app import serve
from cluster.settings import Settings

kubeconfig, bind, file = sys.argv[1:]
serve(lambda: Server(Path(kubeconfig), Settings(handover_grace_seconds=0)), bind, Path(file))
"""


class Greedy:
    """A server whose gunicorn file asks for what is fixed."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port

    def healthy(self) -> bool:
        try:
            with closing(HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)) as connection:
                connection.request("GET", "/healthz")
                return connection.getresponse().status == 200
        except ConnectionError:
            return False

    def workers(self) -> list[str]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return children.read_text().split()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Greedy]:
    file = tmp_path / "gunicorn.conf.py"
    file.write_text(ASKS_FOR_FOUR)
    port = free_port()
    with FakeApiServer() as api:
        arguments = [str(api.kubeconfig(tmp_path)), f"127.0.0.1:{port}", str(file)]
        with subprocess.Popen([sys.executable, "-c", SERVE, *arguments]) as process:
            greedy = Greedy(process, port)
            try:
                await_true(greedy.healthy)
                yield greedy
            finally:
                process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="counts processes in /proc")
def test_four_workers_are_one(server: Greedy) -> None:
    """By file, and by the signal that makes gunicorn start another."""
    one = server.workers()
    assert len(one) == 1
    for _ in range(3):
        server.process.send_signal(signal.SIGTTIN)
    seen = set[str]()
    until = monotonic() + 1.0
    while monotonic() < until:
        seen.update(server.workers())
    assert seen == set(one)
    assert server.healthy()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(DEADLINE) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker in /proc")
def test_a_worker_that_crashes_is_replaced_by_one(server: Greedy) -> None:
    (before,) = server.workers()
    subprocess.run(["/bin/kill", "-KILL", before], check=True)
    await_true(lambda: server.workers() not in ([before], []) and server.healthy())
    assert len(server.workers()) == 1


def test_the_server_reads_the_file_that_operators_are_shown() -> None:
    """A copy would go its own way: the shipped file is a link, here and in the wheel's source."""
    assert DEFAULT_FILE.is_symlink()
    assert DEFAULT_FILE.resolve() == Path(__file__).parents[2] / "config/gunicorn.conf.py"
