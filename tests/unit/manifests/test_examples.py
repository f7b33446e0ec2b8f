"""The examples: they fit the schema, are policies to the code, and say what they do."""

from pathlib import Path
from typing import Any

import pytest

from policy.api.resourcepolicy import ResourcePolicy
from tests.unit.manifests.shipped import CRD, EXAMPLES, MANIFESTS, SCHEMA, VERSION, Json, by_path, documents


def faults(value: Any, schema: Json, place: str) -> list[str]:  # noqa: ANN401  any JSON
    """What a structural schema finds wrong: types, enums, unknown and missing fields."""
    python = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    expected = python.get(schema.get("type", ""), (int, str))
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        return [f"{place}: {value!r} is no {schema.get('type', 'integer or string')}"]
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{place}: {value!r} is none of {schema['enum']}")
    if isinstance(value, list):
        for index, item in enumerate(value):
            found += faults(item, schema["items"], f"{place}[{index}]")
    if isinstance(value, dict) and "additionalProperties" in schema:
        for key, item in value.items():
            found += faults(item, schema["additionalProperties"], f"{place}[{key}]")
    elif isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        found += [f"{place}.{key}: unknown" for key in value.keys() - known.keys()]
        found += [f"{place}.{key}: missing" for key in set(schema.get("required", ())) - set(value)]
        for key in value.keys() & known.keys():
            found += faults(value[key], known[key], f"{place}.{key}")
    return found


@pytest.mark.parametrize("path", EXAMPLES, ids=by_path)
def test_an_example_fits_the_schema(path: Path) -> None:
    (example,) = documents(path)
    assert example["apiVersion"] == f"{CRD['spec']['group']}/{VERSION['name']}"
    assert example["kind"] == CRD["spec"]["names"]["kind"]
    spec = {"properties": {"spec": SCHEMA["properties"]["spec"]}, "type": "object"}
    assert faults({"spec": example["spec"]}, spec, "") == []


@pytest.mark.parametrize("path", EXAMPLES, ids=by_path)
def test_an_example_is_a_policy_to_the_code(path: Path) -> None:
    (example,) = documents(path)
    assert ResourcePolicy.from_manifest(example).units


@pytest.mark.parametrize("path", EXAMPLES, ids=by_path)
def test_an_example_says_in_its_first_line_what_it_does(path: Path) -> None:
    first, second, *_ = path.read_text().splitlines()
    assert first.startswith("# ")
    assert first.endswith(".")
    assert not second.startswith("#")


def test_the_guides_policy_stands_unchanged() -> None:
    assert documents(MANIFESTS / "examples" / "qwen-chat.yaml") == [
        {
            "apiVersion": "scheduling.alibabacloud.com/v1alpha1",
            "kind": "ResourcePolicy",
            "metadata": {"name": "qwen-chat", "namespace": "default"},
            "spec": {
                "selector": {"app": "isvc.qwen-predictor"},
                "strategy": "prefer",
                "units": [
                    {
                        "resource": "ecs",
                        "nodeSelector": {"alibabacloud.com/nodepool-id": "npxxxxxx"},
                    },
                    {
                        "resource": "elastic",
                        "nodeSelector": {"alibabacloud.com/nodepool-id": "npxxxxxy"},
                    },
                ],
            },
        }
    ]
