"""What a user reads on a mistake: one line, no traceback, exit code 2."""

import logging
import os
import shutil
import socket
import subprocess
import sysconfig
from pathlib import Path

import pytest
from click import Context
from click.testing import CliRunner, Result

from cli.completion import for_kubectl
from cli.main import _prepare, main
from extender.http.app import log as request_log
from tests.fake_apiserver import FakeApiServer
from tests.unit.cli.snapshots import a_cluster, a_node, a_pod, a_policy, written

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

COMMANDS = main.list_commands(Context(main))


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
    said = complaint(run(program))
    assert said.startswith("not in a cluster and no kubeconfig")
    assert said.endswith("; name one with --kubeconfig")


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param("speed: 9", "speed", id="an unknown key"),
        pytest.param(
            "on_conflict: newest\nreservation_ttl_seconds: -1",
            "reservation_ttl_seconds",
            id="wrong values, all at once",
        ),
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


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_help_of_each_command_shows_an_example(command: str, flag: str) -> None:
    result = run(command, flag)
    assert result.exit_code == 0
    assert f"Example: resourcepolicy {command}" in result.output


def test_the_help_names_every_command_and_the_version_is_one_line() -> None:
    assert all(command in run("--help").output for command in COMMANDS)
    assert run("--version").output.startswith("resourcepolicy, version ")


def test_an_api_server_that_is_not_there_is_a_users_mistake(tmp_path: Path) -> None:
    result = run("release", "--kubeconfig", a_file(tmp_path, GOOD))
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert result.output.endswith("Connection refused; is it up, and is it the right kubeconfig?\n")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        pytest.param("explian", "did you mean explain?", id="a slip"),
        pytest.param("simulat", "did you mean simulate?", id="a letter less"),
        pytest.param("xyzzy", "there are completion, explain, lint, release, serve", id="anything else"),
    ],
)
def test_a_command_that_is_none_is_answered_with_one_that_is(typed: str, meant: str) -> None:
    assert meant in complaint(run(typed))


# As a plugin of kubectl, and behind TAB.

SCRIPTS = Path(sysconfig.get_path("scripts"))


def program(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Under that name, as kubectl and shells start it."""
    return subprocess.run(
        [SCRIPTS / name, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_kubectl_finds_it_and_it_says_how_it_is_called() -> None:
    shown = program("kubectl-resourcepolicy", "explain", "--help").stdout
    assert shown.startswith("Usage: kubectl resourcepolicy explain [OPTIONS] POD")
    refused = program("kubectl-resourcepolicy", "explian")
    assert refused.returncode == 2
    assert "Try 'kubectl resourcepolicy --help' for help." in refused.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_one_line_and_no_verdict_of_lint() -> None:
    """Exit code 1 would say that a policy has an error."""
    with Path("/dev/full").open("w") as full:
        typed = [str(SCRIPTS / "resourcepolicy"), "lint", "--help"]
        result = subprocess.run(
            typed, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert result.returncode == 2
    assert result.stderr == "Error: the output: No space left on device; make room, or send it elsewhere\n"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on PATH")
def test_kubectl_itself_runs_it() -> None:
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    shown = subprocess.run(
        ["kubectl", "resourcepolicy", "status", "--help"],  # noqa: S607  the user's own
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert shown.startswith("Usage: kubectl resourcepolicy status [OPTIONS] [POLICY]")


@pytest.mark.parametrize(
    ("words", "offered", "directive"),
    [
        pytest.param([""], set(COMMANDS), ":4", id="every command"),
        pytest.param(["exp"], {"explain"}, ":4", id="a command begun"),
        pytest.param(["explain", "-o", ""], {"text", "json"}, ":4", id="a choice"),
        pytest.param(["status", "--all"], {"--all-namespaces"}, ":4", id="an option"),
        pytest.param(["explain", "--snapshot", ""], set(), ":0", id="a file, which the shell knows better"),
        pytest.param([], set(COMMANDS), ":4", id="nothing typed"),
        pytest.param(["nonsense", "x", ""], set(COMMANDS), ":4", id="no command of ours"),
    ],
)
def test_kubectl_is_told_what_may_come_next(words: list[str], offered: set[str], directive: str) -> None:
    """The protocol of kubectl_complete-NAME: a candidate a line, then a directive for the shell."""
    *lines, last = for_kubectl(main, words)
    assert {line.partition("\t")[0] for line in lines} == offered
    assert last == directive


def test_kubectl_finds_the_program_that_completes() -> None:
    assert (
        program("kubectl_complete-resourcepolicy", "expl").stdout
        == "explain\tSay why a pod is where it is, and why in...\n:4\n"
    )


def test_names_are_completed_from_the_cluster_and_a_failure_offers_nothing(tmp_path: Path) -> None:
    with FakeApiServer() as api:
        for namespace, name in (("default", "web-1"), ("default", "db-1"), ("shop", "web-2")):
            api.put("/api/v1/pods", namespace, name)
        kubeconfig = str(api.kubeconfig(tmp_path))
        here = ["explain", "--kubeconfig", kubeconfig]
        assert list(for_kubectl(main, [*here, "web"])) == ["web-1", ":4"]
        assert list(for_kubectl(main, [*here, "-n", "shop", ""])) == ["web-2", ":4"]
    assert list(for_kubectl(main, [*here, "web"])) == [":4"], "nobody answers"
    assert list(for_kubectl(main, ["explain", "--kubeconfig", "/nowhere", ""])) == [":4"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_and_the_script_asks_the_program(shell: str) -> None:
    script = program("resourcepolicy", "completion", shell).stdout
    assert f"_RESOURCEPOLICY_COMPLETE={shell}_complete" in script
    asked = program(
        "resourcepolicy",
        _RESOURCEPOLICY_COMPLETE=f"{shell}_complete",
        COMP_WORDS="resourcepolicy sim",
        COMP_CWORD="sim" if shell == "fish" else "1",
    )
    assert "simulate" in asked.stdout
    assert "lint" not in asked.stdout


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [pytest.param({}, True, id="a terminal"), pytest.param({"NO_COLOR": "1"}, False, id="NO_COLOR")],
)
def test_colours_are_for_terminals_whose_user_wants_them(
    environment: dict[str, str], *, coloured: bool
) -> None:
    policy = a_policy({"nodeSelector": {"pool": "own"}})
    snapshot = written(a_cluster(a_node("own-1", "own"), policy, a_pod("p")))
    typed = ["explain", "p", "--snapshot", "-"]
    result = CliRunner(env=environment).invoke(main, typed, input=snapshot, color=True)
    assert ("\x1b[" in result.output) is coloured
    assert "\x1b[" not in CliRunner().invoke(main, typed, input=snapshot).output


@pytest.mark.parametrize("verbose", [True, False])
def test_a_line_per_request_is_logged_only_if_asked_for(*, verbose: bool) -> None:
    """The name of the logger stands in two places: a line per request costs a sixth of a small call."""
    level = request_log.level
    try:
        _prepare(None, verbose=verbose)
        assert request_log.isEnabledFor(logging.INFO) is verbose
    finally:
        request_log.setLevel(level)
