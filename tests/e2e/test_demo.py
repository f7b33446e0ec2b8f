"""`python -m dev.demo` as a user runs it: it ends well, and leaves nothing behind however it ends."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from os import environ
from pathlib import Path

import pytest

from dev.controlplane import Api
from dev.controlplane.waiting import wait_for

pytestmark = pytest.mark.plane

ROOT = Path(__file__).parents[2]
SECONDS = 150
SHOW_CURSOR, HIDE_CURSOR = b"\x1b[?25h", b"\x1b[?25l"
POD_ROW = re.compile(
    r"^qwen-chat-predictor-\S+ +\[(\d)\] (\S+) +(\S+) +(none|-\d+) +[\d.]+ s +(it still runs|[\d.]+ s)$",
    re.MULTILINE,
)
PICTURE = "timeline.svg"


@contextmanager
def demo(directory: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Its own directory for temporary files tells what it started, and what it left."""
    with subprocess.Popen(
        [sys.executable, "-m", "dev.demo", "--timeline", str(directory / PICTURE), *arguments],
        cwd=ROOT,
        env=environ | {"TMPDIR": str(directory)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def read_until(running: subprocess.Popen[str], text: str) -> str:
    assert running.stdout
    for line in running.stdout:
        if text in line:
            return line
    pytest.fail(f"it ended without {text!r}: {running.communicate()[1]}")


def processes_of(directory: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(directory).encode() in entry.read_bytes():
                found.append(entry.read_bytes().decode().replace("\0", " "))
        except OSError:  # it has ended meanwhile
            continue
    return found


def assert_nothing_is_left(directory: Path) -> None:
    wait_for(lambda: not processes_of(directory), seconds=10, what="its programs to go")
    wait_for(lambda: not list(directory.iterdir()), seconds=10, what="its files to go")


def test_it_ends_as_the_guide_tells_it(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        out, err = running.communicate(timeout=SECONDS)
    assert running.returncode == 0, out + err
    rows = [found.groups() for found in POD_ROW.finditer(out)]
    assert sorted((unit, pool, cost, until == "it still runs") for unit, pool, _, cost, until in rows) == [
        ("0", "GPU-V100-Edge", "none", True),
        ("1", "GPU-V100-Elastic", "-100", False),
        ("1", "GPU-V100-Elastic", "-100", False),
    ]
    cloud = {node for unit, _, node, _, _ in rows if unit == "1"}
    assert len(cloud) == 2
    assert all(node.startswith("gpu-v100-elastic-") for node in cloud)
    assert "asked the autoscaler for 2 nodes in GPU-V100-Elastic" in out
    assert not err
    assert out.endswith(f"The timeline as a picture: {tmp_path / PICTURE}\n")
    picture = (tmp_path / PICTURE).read_text()
    assert all(node in picture for node in cloud)
    (tmp_path / PICTURE).unlink()
    assert_nothing_is_left(tmp_path)


@pytest.mark.parametrize(
    ("moment", "sent"),
    [
        ("a control plane on loopback", signal.SIGINT),
        ("nodes: one in", signal.SIGTERM),
        ("resourcepolicy serve", signal.SIGINT),
        ("waiting until", signal.SIGHUP),
        ("the load rises", signal.SIGINT),
        ("asked the autoscaler", signal.SIGTERM),
    ],
)
def test_a_signal_in_the_middle_leaves_nothing_behind(
    tmp_path: Path, moment: str, sent: signal.Signals
) -> None:
    with demo(tmp_path) as running:
        read_until(running, moment)
        assert processes_of(tmp_path) or moment.startswith("a control plane")
        running.send_signal(sent)
        running.send_signal(sent)  # an impatient user does not interrupt the cleaning
        _, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert err == "interrupted; everything is stopped and removed\n"
    assert_nothing_is_left(tmp_path)


def test_a_reader_that_goes_away_ends_it(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        read_until(running, "nodes: one in")
        assert running.stdout
        running.stdout.close()
        assert running.wait(timeout=30) == 130
    assert_nothing_is_left(tmp_path)


@contextmanager
def on_a_terminal(directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The demo, with a terminal of 80 by 24 as its own, and our end of that."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", OWN_TERMINAL],
        cwd=ROOT,
        env=environ | {"TMPDIR": str(directory), "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as running:
        os.close(theirs)
        try:
            yield running, ours
        finally:
            running.kill()


# A session's leader that opens a terminal controls it: Ctrl-C and its closing are then signals to it.
OWN_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from dev.demo.__main__ import main
sys.exit(main())
"""


def read_terminal(ours: int, text: bytes = b"") -> bytes:
    """What comes until `text`, or until the program ends."""
    seen = b""
    while not text or text not in seen:
        try:
            seen += os.read(ours, 65536)
        except OSError:  # so Linux says that nobody has the other end open
            break
    return seen


def test_ctrl_c_on_a_terminal_gives_it_back_as_it_was(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path) as (running, ours):
        assert b"data centre is full" in read_terminal(ours, b"data centre is full")
        os.write(ours, b"\x03")
        rest = read_terminal(ours)
        assert running.wait(timeout=30) == 130
        os.close(ours)
    assert rest.rindex(SHOW_CURSOR) > rest.rfind(HIDE_CURSOR)
    assert b"interrupted; everything is stopped and removed" in rest
    assert_nothing_is_left(tmp_path)


def test_a_terminal_that_closes_ends_it(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path) as (running, ours):
        assert b"data centre is full" in read_terminal(ours, b"data centre is full")
        os.close(ours)
        assert running.wait(timeout=30) == 130
    assert_nothing_is_left(tmp_path)


def test_kept_it_stays_up_until_ctrl_c(tmp_path: Path) -> None:
    with demo(tmp_path, "--keep") as running:
        exported = read_until(running, f"export KUBECONFIG={tmp_path}")
        patch = re.search(r"kubectl patch hpa (\S+) -p '(.*)'", read_until(running, "goes there again"))
        read_until(running, "Ctrl-C here ends it")
        assert patch
        assert_it_goes_there_again(Path(exported.strip().partition("=")[2]), *patch.groups())
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert running.returncode == 0, out + err
    (tmp_path / PICTURE).unlink()
    assert_nothing_is_left(tmp_path)


def assert_it_goes_there_again(kubeconfig: Path, hpa: str, change: str) -> None:
    api = Api(kubeconfig)

    def in_the_cloud() -> int:
        pods = api.items("/api/v1/namespaces/default/pods")
        return sum(pod["spec"].get("nodeName", "").startswith("gpu-v100-elastic-") for pod in pods)

    api.patch(f"/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/{hpa}", json.loads(change))
    wait_for(lambda: in_the_cloud() == 2, seconds=60, what="two pods in the cloud")
    api.close()


def test_a_picture_that_cannot_be_written_is_said_before_anything_starts(tmp_path: Path) -> None:
    with demo(tmp_path, "--timeline", str(tmp_path / "nowhere" / PICTURE)) as running:
        _, err = running.communicate(timeout=30)
    assert running.returncode == 2
    assert "no file can be written at" in err
    assert_nothing_is_left(tmp_path)
