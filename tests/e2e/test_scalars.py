"""What the real API server takes a plain YAML scalar for: lint reads each of them in the same way.

A ConfigMap's data must be text, so that whatever is none is refused.
"""

import json
from http import HTTPStatus

import pytest

from dev.controlplane import ApiError, ControlPlane
from tests.unit.cli.manifests.test_yaml_positions import SCALARS

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: scalars}\ndata:\n  a: "


@pytest.mark.parametrize(("written", "read"), SCALARS)
def test_a_scalar_is_text_or_none(plane: ControlPlane, namespace: str, written: str, read: object) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"

    def stored() -> object:
        response = plane.api.send(
            "POST", path, f"{MAP}{written}\n", query={"dryRun": "All"}, content_type="application/yaml"
        )
        return json.loads(response.data)["data"]["a"]

    if isinstance(read, str) or read is None:
        assert stored() == (read or "")
        return
    with pytest.raises(ApiError) as refused:
        stored()
    assert refused.value.status == HTTPStatus.BAD_REQUEST
    assert f"cannot unmarshal {'bool' if isinstance(read, bool) else 'number'}" in refused.value.message
