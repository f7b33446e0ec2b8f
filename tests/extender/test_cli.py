"""What a user reads on a mistake: one line, no traceback, exit code 2.

Owns the arguments of `serve` and `watch`. Must not know: what the programs do; lint and simulate have tests
of their own.
"""

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from extender.cli import main

PROGRAMS = ["serve", "watch"]
CONTEXT = """
apiVersion: v1
kind: Config
current-context: me
contexts: [{name: me, context: {cluster: it, user: me}}]
users: [{name: me, user: {token: t}}]
clusters: [{name: it, cluster: %s}]
"""
GOOD = CONTEXT % "{server: 'http://127.0.0.1:1'}"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="resourcepolicy")


def a_file(directory: Path, content: str | bytes, name: str = "file") -> Path:
    path = directory / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def complaint(result: Result) -> str:
    """The one line that says what is wrong."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    usage, _, error = result.output.rpartition("Error: ")
    assert "Error" not in usage
    assert error.strip().count("\n") == 0
    return error.strip()


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("kubeconfig", "said"),
    [
        pytest.param("", "empty", id="empty"),
        pytest.param("- a\n", "kubeconfig", id="a list"),
        pytest.param("word", "kubeconfig", id="a word"),
        pytest.param("5", "kubeconfig", id="a number"),
        pytest.param("a: [", "expected the node content", id="no YAML"),
        pytest.param(b"\xff\xfe\x00\x80", "kubeconfig", id="no text"),
        pytest.param("apiVersion: v1\nkind: Config\n", "current-context", id="no context"),
        pytest.param("current-context: a\ncontexts: null\n", "contexts", id="null contexts"),
        pytest.param(
            CONTEXT % "{server: 'https://127.0.0.1:1', certificate-authority: /nowhere}",
            "/nowhere",
            id="no such certificate",
        ),
        pytest.param(
            CONTEXT % "{server: 'https://127.0.0.1:1', certificate-authority-data: '!!!x'}",
            "kubeconfig",
            id="a certificate that is no base64",
        ),
    ],
)
def test_a_bad_kubeconfig_is_a_users_mistake(
    tmp_path: Path, program: str, kubeconfig: str | bytes, said: str
) -> None:
    path = a_file(tmp_path, kubeconfig)
    said_in = complaint(run(program, "--kubeconfig", path))
    assert said in said_in
    assert str(path) in said_in


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_kubeconfig_outside_a_cluster_is_a_users_mistake(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert "not in a cluster and no kubeconfig" in complaint(run(program))


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param("speed: 9", "speed", id="an unknown key"),
        pytest.param("on_conflict: newest\nreservation: -1", "reservation", id="wrong values, all at once"),
        pytest.param("a: [", "expected the node content", id="no YAML"),
        pytest.param(b"\xff\xfe\xfd", "codec", id="no text"),
        pytest.param("- 1", "file", id="a list"),
    ],
)
def test_bad_settings_are_a_users_mistake(
    tmp_path: Path, program: str, settings: str | bytes, said: str
) -> None:
    kubeconfig = a_file(tmp_path, GOOD, "kubeconfig")
    path = a_file(tmp_path, settings)
    said_in = complaint(run(program, "--kubeconfig", kubeconfig, "--config", path))
    assert said in said_in
    assert str(path) in said_in


@pytest.mark.parametrize(
    "bind",
    ["", "here", "127.0.0.1", ":8888", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:0", "127.0.0.1:65536"],
)
def test_an_address_that_is_none_is_a_users_mistake(tmp_path: Path, bind: str) -> None:
    for program, option in (("serve", "--bind"), ("watch", "--metrics")):
        said = complaint(run(program, "--kubeconfig", a_file(tmp_path, GOOD), option, bind))
        assert "HOST:PORT" in said
        assert "127.0.0.1:8888" in said


def test_an_address_that_is_taken_is_a_users_mistake(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = complaint(run("watch", "--kubeconfig", a_file(tmp_path, GOOD), "--metrics", address))
    assert address in said


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("option", ["--kubeconfig", "--config"])
def test_a_file_that_is_not_there_is_a_users_mistake(tmp_path: Path, program: str, option: str) -> None:
    assert "nowhere" in complaint(run(program, option, tmp_path / "nowhere"))
    assert "directory" in complaint(run(program, option, tmp_path))


@pytest.mark.parametrize(
    "arguments", [["srve"], ["serve", "--bnd", "x"], ["serve", "127.0.0.1:8888"], ["watch", "--bind", "a:1"]]
)
def test_a_word_that_is_none_of_ours_is_a_users_mistake(arguments: list[str]) -> None:
    assert complaint(run(*arguments))


@pytest.mark.parametrize("command", main.commands)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_help_of_each_command_shows_an_example(command: str, flag: str) -> None:
    result = run(command, flag)
    assert result.exit_code == 0
    assert f"Example: resourcepolicy {command}" in result.output


def test_the_help_names_every_command_and_the_version_is_one_line() -> None:
    assert all(command in run("--help").output for command in main.commands)
    assert run("--version").output.startswith("resourcepolicy, version ")
