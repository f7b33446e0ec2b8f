"""The ways of installing that README names give a command of its own environment, and leave others alone."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.plane  # each fetches the dependencies anew: not for daily work

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["pipx", "install", "--quiet", str(ROOT)], id="pipx"),
        pytest.param(["uv", "tool", "install", "--quiet", str(ROOT)], id="uv tool"),
    ],
)
def test_an_isolated_installation_has_the_commands(command: list[str], tmp_path: Path) -> None:
    scripts = tmp_path / "bin"
    own = {
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(scripts),
        "UV_TOOL_DIR": str(tmp_path / "uv"),
        "UV_TOOL_BIN_DIR": str(scripts),
    }
    subprocess.run([BIN / command[0], *command[1:]], env={**os.environ, **own}, check=True, timeout=280)
    assert {"resourcepolicy", "kubectl-resourcepolicy"} <= {path.name for path in scripts.iterdir()}
    shown = subprocess.run(
        [scripts / "resourcepolicy", "--version"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert VERSION in shown.stdout
