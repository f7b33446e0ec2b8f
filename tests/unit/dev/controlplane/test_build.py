"""Building: what is missing, once, whole or not at all. Without Go."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dev.controlplane.build import BuildError, build
from dev.controlplane.build_cache import Cache
from dev.controlplane.programs import PROGRAMS, Program, stamp
from dev.controlplane.waiting import wait_for
from tests.unit.dev.controlplane.fake_go import FakeGo, fake_go

BUILD_ONE = """
import sys
from pathlib import Path
from dev.controlplane.build import build
from dev.controlplane.programs import Program
from tests.unit.dev.controlplane.fake_go import FakeGo
root, module, go = map(Path, sys.argv[1:])
print(build(FakeGo(go).toolchain, root, (Program("tool", module, "example.com/tool"),))["tool"])
"""


@pytest.fixture
def go(tmp_path: Path) -> FakeGo:
    return fake_go(tmp_path / "go")


@pytest.fixture
def tool(tmp_path: Path) -> Program:
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.mod").write_text("module tool\n")
    (module / "go.sum").write_text("")
    return Program("tool", module, "example.com/tool")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "programs"


def key(program: Program, go_version: str = "go1.26.8") -> str:
    return Cache(Path("/nowhere"), go_version).key(program)


def a_builder(root: Path, tool: Program, go: FakeGo) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILD_ONE, root, tool.module, go.directory],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def found(root: Path, name: str) -> list[Path]:
    return [path for path in root.rglob(name) if path.is_file()]


def test_the_key_is_the_same_for_the_same_recipe(tool: Program) -> None:
    assert key(tool) == key(replace(tool))


@pytest.mark.parametrize("file", ["go.mod", "go.sum"])
def test_the_key_covers_the_module_files(tool: Program, file: str) -> None:
    before = key(tool)
    (tool.module / file).write_text("other\n")
    assert key(tool) != before


@pytest.mark.parametrize(
    "change",
    [{"package": "example.com/other"}, {"flags": ("-tags", "x")}, {"ldflags": ""}],
    ids=["package", "flags", "ldflags"],
)
def test_the_key_covers_the_recipe(tool: Program, change: dict[str, str]) -> None:
    assert key(tool) != key(replace(tool, **change))  # type: ignore[arg-type]


def test_the_key_covers_the_version_of_go(tool: Program) -> None:
    assert key(tool, "go1.26.8") != key(tool, "go1.27.3")


def test_the_six_programs_have_different_keys() -> None:
    assert len({key(program) for program in PROGRAMS}) == len(PROGRAMS) == 6


def test_kubernetes_programs_are_stamped_with_the_version_in_go_mod() -> None:
    flags = stamp("replace (\n\tk8s.io/kubernetes => k8s.io/kubernetes v1.37.2\n)")
    assert "-X k8s.io/component-base/version.gitVersion=v1.37.2" in flags
    assert "-X k8s.io/client-go/pkg/version.gitMinor=37" in flags


def test_what_is_built_once_is_not_built_again(
    root: Path, tool: Program, go: FakeGo, capsys: pytest.CaptureFixture[str]
) -> None:
    path = build(go.toolchain, root, (tool,))["tool"]
    assert path.read_text() == "whole\n"
    assert "[1/1] tool: built" in capsys.readouterr().err
    assert build(go.toolchain, root, (tool,)) == {"tool": path}
    assert len(go.calls) == 1
    assert not capsys.readouterr().err


def test_a_second_build_waits_for_the_first(root: Path, tool: Program, go: FakeGo) -> None:
    go.hold()
    with a_builder(root, tool, go) as first:
        wait_for(lambda: go.calls, seconds=20, what="the first build")
        with a_builder(root, tool, go) as second:
            assert second.stderr
            assert second.stderr.readline() == "waiting for another build to end ...\n"
            go.go_on()
            assert second.communicate()[0] == first.communicate()[0]
    assert (first.returncode, second.returncode) == (0, 0)
    assert len(go.calls) == 1


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_build_leaves_no_program(
    root: Path, tool: Program, go: FakeGo, sent: signal.Signals
) -> None:
    go.hold()
    with a_builder(root, tool, go) as builder:
        wait_for(lambda: found(root, "tool"), seconds=20, what="half a program")
        builder.send_signal(sent)
        builder.communicate()
    assert builder.returncode != 0
    assert not Cache(root, go.toolchain.version).path(tool).exists()
    go.go_on()
    path = build(go.toolchain, root, (tool,))["tool"]
    assert path.read_text() == "whole\n"
    assert found(root, "tool") == [path]  # nor is anything left by the one that was interrupted


def test_a_failed_build_says_why_and_what_to_do(root: Path, tool: Program, go: FakeGo) -> None:
    go.fail()
    with pytest.raises(BuildError, match=r"(?s)no such module.*GOPROXY.*tool\.log"):
        build(go.toolchain, root, (tool,))
    assert not found(root, "tool")


def test_building_leaves_the_module_files_alone(root: Path, tool: Program, go: FakeGo) -> None:
    (tool.module / "go.mod").chmod(0o444)
    tool.module.chmod(0o555)
    build(go.toolchain, root, (tool,))
    assert {path.name for path in tool.module.iterdir()} == {"go.mod", "go.sum"}
