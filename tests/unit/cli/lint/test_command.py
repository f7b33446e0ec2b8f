"""The command `lint`: what it reads, its formats and exit codes, and what a user reads on a mistake.

Nothing here is about rules; test_lint.py has those.
"""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from policy.lint.findings import Code
from tests.fake_apiserver import FakeApiServer, Fault
from tests.unit.cli.lint.examples import EXAMPLES

POLICIES = "/apis/scheduling.alibabacloud.com/v1alpha1/resourcepolicies"
GOOD = next(example.passing for example in EXAMPLES if example.code == Code.NEVER_OPENS)
BAD = next(example.failing for example in EXAMPLES if example.code == Code.UNKNOWN_FIELD)
WARNED = next(example.failing for example in EXAMPLES if example.code == Code.LAST_UNIT_CAPPED)


def lint(*arguments: str | Path, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["lint", *map(str, arguments)], input=stdin)


def a_file(directory: Path, text: str | bytes, name: str = "policy.yaml") -> Path:
    path = directory / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(GOOD, 0, id="nothing found is 0"),
        pytest.param(WARNED, 0, id="a warning is 0"),
        pytest.param(BAD, 1, id="an error is 1"),
        pytest.param("a: [", 2, id="no YAML is 2"),
    ],
)
def test_the_exit_code(tmp_path: Path, text: str, code: int) -> None:
    assert lint(a_file(tmp_path, text)).exit_code == code


def test_stdin_is_read_for_a_dash() -> None:
    result = lint("-", stdin=BAD)
    assert result.output.startswith("<stdin>:8:5: error RP002 spec.units[0].maxResource\n")


def test_a_directory_is_read_file_by_file(tmp_path: Path) -> None:
    a_file(tmp_path, BAD, "b.yml")
    a_file(tmp_path, BAD, "a.yaml")
    a_file(tmp_path, "no: [policy", "notes.txt")
    found = json.loads(lint(tmp_path, "-o", "json").output)
    assert [Path(finding["file"]).name for finding in found] == ["a.yaml", "b.yml"]


def test_a_list_is_linted_item_by_item_at_its_own_lines(tmp_path: Path) -> None:
    items = "".join(f"- {line}\n" if not n else f"  {line}\n" for n, line in enumerate(BAD.splitlines()))
    path = a_file(tmp_path, f"apiVersion: v1\nkind: List\nitems:\n{items}")
    (finding,) = json.loads(lint(path, "-o", "json").output)
    assert (finding["line"], finding["column"], finding["path"]) == (11, 7, "spec.units[0].maxResource")


def test_json_is_yaml(tmp_path: Path) -> None:
    policy = {"apiVersion": "scheduling.alibabacloud.com/v1alpha1", "kind": "ResourcePolicy"}
    path = a_file(tmp_path, json.dumps({**policy, "metadata": {"name": "web"}, "spec": {}}), "policy.json")
    (finding,) = json.loads(lint(path, "-o", "json").output)
    assert finding["code"] == "RP001"
    assert "spec.units" in finding["why"]


def test_that_there_is_no_policy_is_said(tmp_path: Path) -> None:
    """Or a wrong file would look as if all were well."""
    result = lint(a_file(tmp_path, "kind: ConfigMap\nmetadata: {name: a}\n"))
    assert (result.exit_code, result.stdout) == (0, "nothing found\n")
    assert result.stderr == "no ResourcePolicy was among what was read\n"
    assert lint(a_file(tmp_path, GOOD)).stderr == ""


def test_a_policy_in_two_files_or_a_file_named_twice_is_no_copy(tmp_path: Path) -> None:
    one, other = a_file(tmp_path, GOOD, "dev.yaml"), a_file(tmp_path, GOOD, "prod.yaml")
    assert lint(one, one, other).output == "nothing found\n"


def test_a_code_can_be_left_out(tmp_path: Path) -> None:
    result = lint(a_file(tmp_path, BAD), "--ignore", "RP002")
    assert (result.exit_code, result.output) == (0, "nothing found\n")


def test_text_is_uncoloured_unless_on_a_terminal(tmp_path: Path) -> None:
    path = a_file(tmp_path, BAD)
    assert "\x1b" not in lint(path).output
    assert "\x1b[31m" in CliRunner().invoke(main, ["lint", str(path)], color=True).output


def test_json_tells_everything(tmp_path: Path) -> None:
    path = a_file(tmp_path, BAD)
    (finding,) = json.loads(lint(path, "-o", "json").output)
    assert finding.pop("why").startswith("No ResourcePolicy has a field maxResource here.")
    assert finding == {
        "code": "RP002",
        "severity": "error",
        "title": "unknown field",
        "file": str(path),
        "path": "spec.units[0].maxResource",
        "line": 8,
        "column": 5,
        "instead": "maxResources",
    }


def test_sarif_has_each_rule_and_the_place_of_each_result(tmp_path: Path) -> None:
    path = a_file(tmp_path, BAD)
    written = json.loads(lint(path, "-o", "sarif").output)
    (run,) = written["runs"]
    (result,) = run["results"]
    assert written["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [code.value for code in Code]
    assert (result["ruleId"], result["level"]) == ("RP002", "error")
    (location,) = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": str(path)},
        "region": {"startLine": 8, "startColumn": 5},
    }


def test_sarif_names_what_is_no_path_as_a_uri() -> None:
    written = json.loads(lint("-", "-o", "sarif", stdin=BAD).output)
    (location,) = written["runs"][0]["results"][0]["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "%3Cstdin%3E"


def test_github_gets_one_line_for_each_finding_with_its_place(tmp_path: Path) -> None:
    path = a_file(tmp_path, BAD.replace("maxResource:", '"50%, a:b":'))
    (line,) = lint(path, "-o", "github").output.splitlines()
    assert line.startswith(f"::error file={path},title=RP002 unknown field,line=8,col=5::")
    assert "50%25" in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(
            ("no-such.yaml",),
            "Error: no-such.yaml: No such file or directory; name a file that can be read, or - for stdin",
            id="no file",
        ),
        pytest.param(
            (), "Error: nothing to lint; name a FILE with a ResourcePolicy, or --live", id="nothing"
        ),
        pytest.param(
            ("-", "--scheduler-config", "{policy}"),
            "holds no KubeSchedulerConfiguration; name the file",
            id="another configuration",
        ),
        pytest.param(("-", "--snapshot", "-"), "- is named twice", id="stdin twice"),
        pytest.param(("{empty}",), "empty.yaml holds no ResourcePolicy", id="an empty file"),
        pytest.param(("--snapshot", "{nodes}"), "nodes.yaml holds no ResourcePolicy", id="no policy there"),
        pytest.param(
            ("-", "--nodes-start", "soon"), "'soon' is not a duration; write for example 15m", id="time"
        ),
        pytest.param(
            ("-", "--live", "--snapshot", "x"),
            "Error: --live and --snapshot name two clusters; write one of them",
            id="two clusters",
        ),
        pytest.param(
            ("-", "--snapshot", "no-such"), "Error: no-such: No such file or directory", id="no snapshot"
        ),
    ],
)
def test_a_mistake_is_one_line_with_the_fix(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    texts = {"policy": GOOD, "empty": "", "nodes": "kind: Node\nmetadata: {name: n}\n"}
    files = {name: str(a_file(tmp_path, text, f"{name}.yaml")) for name, text in texts.items()}
    result = lint(*(argument.format(**files) for argument in arguments), stdin=GOOD)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            "a:\n\t- b",
            ":2:1: no YAML: found character that cannot start any token; indent with spaces",
            id="a tab",
        ),
        pytest.param("a: {{ .Values.x }}", "helm template … | resourcepolicy lint -", id="a template"),
        pytest.param("a: 'b", ":1:", id="an open quote"),
        pytest.param("[" * 200 + "]" * 200, "nested too deeply", id="a bottomless list"),
        pytest.param("[" * 5000 + "]" * 5000, "nested too deeply", id="an abyss"),
        pytest.param("a: &a [*a]", "no YAML", id="a list that holds itself"),
        pytest.param(b"\xff\xfe\x00", "policy.yaml:1: is no text; save it as UTF-8", id="bytes"),
        pytest.param("a: \x01", "no YAML", id="a control character"),
        pytest.param(
            "kind: Deployment\nspec: {template: {metadata: {labels: {app: true}}}}",
            ":2:8: Deployment None: Expected `str`, got `bool`",
            id="a label that is no text",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_with_the_place(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    result = lint(a_file(tmp_path, text))
    assert result.exit_code == 2
    assert "policy.yaml" in result.stderr
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("directory", ["", "sub"])
def test_a_directory_without_yaml_is_said(tmp_path: Path, directory: str) -> None:
    path = tmp_path / directory
    path.mkdir(exist_ok=True)
    assert "no .yaml, .yml or .json file" in lint(path).stderr


def test_the_live_cluster_is_linted_with_its_workloads(tmp_path: Path) -> None:
    unit = {"max": 2, "nodeSelector": {"pool": "own"}}
    spec = {"selector": {"app": "web"}, "units": [unit], "matchLabelKeys": ["revision"]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}
    with FakeApiServer() as api:
        api.put("/api/v1/nodes", "", "n1")
        api.put(POLICIES, "default", "web", spec=spec)
        workload = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
        api.put("/apis/apps/v1/deployments", "default", "web", spec=workload)
        result = lint("--live", "--kubeconfig", api.kubeconfig(tmp_path), "-o", "json")
    found = {(finding["code"], finding["file"], finding["line"]) for finding in json.loads(result.stdout)}
    assert ("RP030", "deployment/web -n default", None) in found
    assert ("RP042", "resourcepolicy/web -n default", None) in found


def test_a_cluster_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with FakeApiServer() as api:
        kubeconfig = api.kubeconfig(tmp_path)
    result = lint("--live", "--kubeconfig", kubeconfig)
    assert result.exit_code == 2
    assert "is the API server up, and is it the right context?" in result.stderr
    assert result.stderr.count("\n") == 1


def test_no_kubeconfig_at_all_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    result = lint("--live")
    assert result.exit_code == 2
    assert "name one with --kubeconfig" in result.stderr


def test_workloads_that_may_not_be_listed_are_left_out_and_said(tmp_path: Path) -> None:
    with FakeApiServer() as api:
        api.put("/api/v1/nodes", "", "n1")
        api.put(POLICIES, "default", "web", spec={"selector": {"app": "web"}, "units": [{}]})
        api.fail("list", Fault(), Fault(), Fault(), Fault(status=403))
        result = lint("--live", "--kubeconfig", api.kubeconfig(tmp_path), "-o", "json")
    assert result.exit_code == 0
    assert "Deployments are left out" in result.stderr
    assert {finding["code"] for finding in json.loads(result.stdout)} == {"RP041"}


def test_findings_of_the_cluster_have_a_name_and_no_line(tmp_path: Path) -> None:
    snapshot = a_file(
        tmp_path,
        "kind: List\nitems:\n- {kind: Node, metadata: {name: n}}\n- " + "\n  ".join(BAD.splitlines()),
    )
    result = lint("--snapshot", snapshot)
    assert result.output.startswith("resourcepolicy/web -n default: error RP002 spec.units[0].maxResource\n")
    sarif = json.loads(lint("--snapshot", snapshot, "-o", "sarif").output)
    assert "region" not in sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert "line=" not in lint("--snapshot", snapshot, "-o", "github").output


def test_the_servers_settings_are_read_and_not_run(tmp_path: Path) -> None:
    settings = a_file(
        tmp_path, "import no_such_module\nkeepalive = 5\nx.y = 1\nz = [1]\n", "gunicorn.conf.py"
    )
    result = lint("--server-config", settings)
    assert f"{settings}:2:1: error RP062 keepalive" in result.output
    assert "no Python" in lint("--server-config", a_file(tmp_path, "keepalive = ", "broken.py")).stderr
