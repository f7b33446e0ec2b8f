"""Which Go is taken."""

import sys
from pathlib import Path

import pytest

from dev.controlplane.toolchain import Toolchain, ToolchainError, find_toolchain
from tests.unit.dev.controlplane.fake_go import fake_go


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the wheel's Go is, once it is installed."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    return tmp_path / "venv" / "bin"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "path"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    return directory


def never() -> None:
    pytest.fail("nothing was to be installed")


@pytest.mark.parametrize("version", ["go1.26.0", "go1.26.8", "go1.27", "go2.0.1"])
def test_a_new_enough_go_on_path_comes_first(path: Path, wheel: Path, version: str) -> None:
    fake_go(path, version)
    fake_go(wheel)
    found = find_toolchain(never)
    assert found == Toolchain(path / "go", f"go version {version} linux/amd64")


@pytest.mark.parametrize("version", ["go1.25.9", "go1.9", "devel"])
def test_an_old_go_on_path_gives_way_to_the_wheel(path: Path, wheel: Path, version: str) -> None:
    fake_go(path, version)
    fake_go(wheel)
    assert find_toolchain(never).go == wheel / "go"


def test_the_wheel_is_installed_only_where_there_is_no_other(path: Path, wheel: Path) -> None:
    fake_go(path, "go1.20")

    def install() -> None:
        fake_go(wheel)

    assert find_toolchain(install).go == wheel / "go"


@pytest.mark.usefixtures("path", "wheel")
def test_without_any_go_the_error_says_which_is_needed() -> None:
    with pytest.raises(ToolchainError, match=r"Go >= 1\.26\.0"):
        find_toolchain(lambda: None)


def test_go_never_fetches_another_go(tmp_path: Path) -> None:
    environment = fake_go(tmp_path).toolchain.environment
    assert (environment["GOTOOLCHAIN"], environment["CGO_ENABLED"]) == ("local", "0")
