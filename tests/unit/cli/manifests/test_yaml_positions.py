"""Where findings are in text that is written in every odd way, and what its scalars mean.

Nothing here is about rules; a cap of 0 is merely a finding that has a place of its own.
"""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.errors import CommandError
from cli.main import main
from cli.manifests.yaml_positions import decoded, documents_in
from tests.unit.cli.lint.examples import found_in

HEAD = """apiVersion: scheduling.alibabacloud.com/v1alpha1
kind: ResourcePolicy
metadata: {name: web}
"""
SPEC = """spec:
  selector: {app: web}
  units:
  - max: 0
  - nodeSelector: {pool: cloud}
"""
JSON = json.dumps(
    {
        "apiVersion": "scheduling.alibabacloud.com/v1alpha1",
        "kind": "ResourcePolicy",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "units": [{"max": 0}, {"nodeSelector": {"pool": "cloud"}}]},
    },
    indent="\t",
)


LAUGHS = "a: &a [x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]\n" for last, name in pairwise("abcdefgh")
)
"""A few lines that mean 43 million values."""


def indented(text: str, by: str) -> str:
    first, *rest = text.splitlines(keepends=True)
    return by[:-2] + "- " + first + "".join(by + line for line in rest)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param(HEAD + SPEC, (7, 5), id="plain"),
        pytest.param((HEAD + SPEC).replace("\n", "\r\n"), (7, 5), id="CRLF"),
        pytest.param((HEAD + SPEC).replace("\n", "\r"), (7, 5), id="CR alone"),
        pytest.param("# first\n---\n---\n# empty\n---\n" + HEAD + SPEC + "...\n", (12, 5), id="documents"),
        pytest.param("%YAML 1.1\n---\n" + HEAD + SPEC, (9, 5), id="a directive"),
        pytest.param(JSON, (13, 5), id="JSON with tabs"),
        pytest.param(JSON.replace("\n", "").replace("\t", ""), (1, 155), id="JSON in one line"),
        pytest.param(
            HEAD + SPEC.replace("web}", 'web, "a\\/b": "é"}').replace("{app", '{"日本": x, app'),
            (7, 5),
            id="letters of many bytes",
        ),
        pytest.param(
            "apiVersion: v1\nkind: List\nitems:\n" + indented(HEAD + SPEC, "  "), (10, 7), id="a list"
        ),
        pytest.param(
            "apiVersion: scheduling.alibabacloud.com/v1alpha1\nkind: ResourcePolicyList\nitems:\n"
            + indented("metadata: {name: web}\n" + SPEC, "  "),
            (8, 7),
            id="a list of policies, whose items do not say what they are",
        ),
        pytest.param(
            "kind: List\nitems:\n- kind: List\n  items:\n" + indented(HEAD + SPEC, "    "),
            (11, 9),
            id="a list in a list",
        ),
        pytest.param(
            HEAD + SPEC.replace("- max: 0", "- &none {max: 0}") + "  - *none\n", (7, 12), id="an anchor"
        ),
        pytest.param(
            "x: &none {max: 0}\n" + HEAD + SPEC.replace("max: 0", "<<: *none"), (1, 11), id="a merged mapping"
        ),
        pytest.param(
            HEAD + SPEC.replace("max: 0", "max: 5") + SPEC, (12, 5), id="a spec that is written twice"
        ),
    ],
)
def test_a_finding_is_where_it_is_written(text: str, place: tuple[int, int]) -> None:
    found = next(f for f in found_in(text) if f.code == "RP014")
    assert found.place.path == "spec.units[0].max"
    assert (found.place.position.line, found.place.position.column) == place


@pytest.mark.parametrize(
    ("content", "line"),
    [
        pytest.param(("\ufeff" + HEAD + SPEC).encode(), 7, id="UTF-8 with a mark"),
        pytest.param((HEAD + SPEC).encode("utf-16"), 7, id="UTF-16, as PowerShell writes it"),
        pytest.param("\ufeff".encode("utf-16-be") + (HEAD + SPEC).encode("utf-16-be"), 7, id="big endian"),
    ],
)
def test_a_mark_tells_the_encoding(tmp_path: Path, content: bytes, line: int) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(content)
    for arguments, stdin in (([str(path)], b""), (["-"], content)):
        result = CliRunner().invoke(main, ["lint", *arguments, "-o", "json"], input=stdin)
        (found,) = (f for f in json.loads(result.output) if f["code"] == "RP014")
        assert found["line"] == line


def test_each_key_that_is_written_again_is_told_at_its_own_place() -> None:
    text = HEAD + SPEC.replace("max: 0", 'max: 1\n    max: 2\n    "max": 3') + "spec: {units: [{}]}\n"
    found = [f.place.position for f in found_in(text) if f.code == "RP003"]
    assert [(position.line, position.column) for position in found] == [(8, 5), (9, 5), (11, 1)]


def test_a_key_of_a_merged_mapping_may_be_written_again() -> None:
    text = HEAD + SPEC.replace("- max: 0", "- <<: {max: 0}\n    max: 5")
    assert "RP003" not in {finding.code for finding in found_in(text)}


SCALARS = [
    pytest.param("y", True, id="y is a truth value"),
    pytest.param("Off", False, id="so is Off"),
    pytest.param("2020-01-01", "2020-01-01", id="a date is text"),
    pytest.param("2020-13-45", "2020-13-45", id="no date is text"),
    pytest.param("1:30", "1:30", id="a time is text"),
    pytest.param("010", 8, id="octal"),
    pytest.param("0o17", 15, id="octal as in YAML 1.2"),
    pytest.param("08", 8.0, id="no octal is a number all the same"),
    pytest.param("1e3", 1000.0, id="a number with an exponent"),
    pytest.param("1_000", 1000, id="underscores"),
    pytest.param("=", "=", id="an equals sign"),
    pytest.param("<<", "<<", id="a merge key for a value"),
    pytest.param("~", None, id="null"),
    pytest.param('"\\u00e9"', "é", id="an escape"),
]
"""Put to the real API server by tests/e2e/test_scalars.py."""


@pytest.mark.parametrize(("written", "read"), SCALARS)
def test_a_scalar_is_what_the_api_server_reads(written: str, read: object) -> None:
    (document,) = documents_in("f", f"a: {written}\n")
    assert document.content["a"] == read
    assert type(document.content["a"]) is type(read)


def test_a_pair_of_escapes_in_json_is_one_letter() -> None:
    (document,) = documents_in("f", '{"a": "\\ud83d\\ude00"}')
    assert document.content["a"] == "😀"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("- a\n- b\n", "f: is a list; write its items apart by ---, or as kind: List", id="list"),
        pytest.param("a: !!int b\n", "f:1:4: no YAML: 'b' is no int", id="a tag that does not fit"),
        pytest.param(
            LAUGHS,
            "aliases without end",
            id="a billion laughs",
        ),
        pytest.param("a: &a {b: *a}\n", "no YAML: nested too deeply", id="a mapping that holds itself"),
        pytest.param('{"a": "\\ud83d"}', "f:1:10: no YAML", id="half a letter"),
        pytest.param("? [a]\n: b\n", "f:1:3: no YAML: a key that is no text", id="a list for a key"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(CommandError) as mistake:
        documents_in("f", text)
    assert said in mistake.value.message


def test_what_is_no_text_is_told_with_its_line() -> None:
    with pytest.raises(CommandError) as mistake:
        decoded("f", "a: b\nc: é\n".encode("latin-1"))
    assert mistake.value.message == "f:2: is no text; save it as UTF-8"
