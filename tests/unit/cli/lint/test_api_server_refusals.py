"""What lint says of objects that the API server would refuse, where no recorded refusal is the example."""

import pytest

from cli.manifests.yaml_positions import documents_in
from policy.lint.api_server_refusals import refusals

HEAD = "apiVersion: scheduling.alibabacloud.com/v1alpha1\nkind: ResourcePolicy\n"


@pytest.mark.parametrize(
    ("text", "path", "what"),
    [
        pytest.param(
            "metadata: {name: Web Policy}\nspec: {units: [{}]}\n",
            ("metadata", "name"),
            "'Web Policy' is no name of an object",
            id="M1: a name with capitals and a space",
        ),
        pytest.param(
            "metadata: {name: p}\nspec: {units: [{}], matchExpressions: [{key: a b, operator: Exists}]}\n",
            ("spec", "matchExpressions", 0, "key"),
            "a b",
            id="M3: a key that no label has",
        ),
        pytest.param(
            "metadata: {name: p}\nspec: {units: [{}], ignorePreviousPod: maybe}\n",
            ("spec", "ignorePreviousPod"),
            "'maybe' is neither true nor false",
            id="C4: a flag that is a word",
        ),
    ],
)
def test_what_the_api_server_refuses_is_told_at_its_place(
    text: str, path: tuple[str | int, ...], what: str
) -> None:
    (document,) = documents_in("p.yaml", HEAD + text)
    (found,) = refusals(document)
    assert found.path == path
    assert what in found.what
