"""The steps of the Containerfile, played in a directory in place of an image: what they install works.

Takes part in the runs with a control plane, as it installs what is installed already.
"""

import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEPS = [
    line.split(maxsplit=1)
    for line in (ROOT / "Containerfile").read_text().splitlines()
    if line and not line.startswith("#")
]
BUILD = STEPS[1 : [number for number, (step, _) in enumerate(STEPS) if step == "FROM"][1]]


def played(image: Path) -> None:
    """The steps of the first stage, with `image` as the root of the file system."""
    here = image
    for step, arguments in BUILD:
        words = [word.replace("/opt/", f"{image}/opt/") for word in shlex.split(arguments)]
        match step:
            case "WORKDIR":
                here = image / arguments.lstrip("/")
                here.mkdir(parents=True)
            case "COPY":
                *sources, into = words
                for source in sources:
                    _copy(ROOT / source, here / into / (source if into == "./" else ""))
            case "RUN":
                subprocess.run(words, cwd=here, check=True, capture_output=True, timeout=250)
            case other:
                pytest.fail(f"{other} is not played here")


def _copy(source: Path, into: Path) -> None:
    into.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, into, symlinks=True)
    else:
        shutil.copy(source, into)


@pytest.mark.plane
def test_both_programs_start_from_the_image_with_their_files(tmp_path: Path) -> None:
    """With no checkout beside them."""
    played(tmp_path)
    program = tmp_path / "opt/resourcepolicy/bin/resourcepolicy"
    shutil.rmtree(tmp_path / "src")
    for command in ("serve", "watch"):
        told = subprocess.run(
            [program, command, "--kubeconfig", "none"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode != 0
        assert "none" in told.stderr
        assert "Traceback" not in told.stderr
    files = (
        path.name
        for path in tmp_path.glob("opt/resourcepolicy/lib/python*/site-packages/extender/http/*.conf.py")
    )
    assert list(files) == ["gunicorn.conf.py"]


def test_every_package_that_is_installed_is_in_the_image() -> None:
    """A package that is forgotten here fails only where it is imported."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = [arguments.split()[0] for step, arguments in BUILD if step == "COPY"]
    assert [name for name in copied if name in packages] == packages


def test_the_image_runs_as_the_deployments_do() -> None:
    """A user who is not root, by number, so that the kubelet can tell."""
    assert ["USER", "65532:65532"] in STEPS
