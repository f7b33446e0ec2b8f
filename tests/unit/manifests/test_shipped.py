"""What is shipped as YAML, without a cluster: it parses, and is installed.

What only an API server can tell (CEL, stored defaults, RBAC) is in `tests/e2e/test_crd.py`.
"""

from pathlib import Path

import pytest
import yaml

from tests.unit.manifests.shipped import MANIFESTS, SHIPPED, by_path, documents


@pytest.mark.parametrize("path", SHIPPED, ids=by_path)
def test_every_shipped_file_parses(path: Path) -> None:
    assert documents(path) or path.name == "extender.yaml"


@pytest.mark.parametrize("path", SHIPPED, ids=by_path)
def test_no_shipped_file_repeats_a_key(path: Path) -> None:
    """PyYAML keeps the last of two equal keys in silence; kubectl refuses them."""

    def check(node: yaml.Node | None) -> None:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys)), f"{path.name}{node.start_mark.line + 1}: {keys}"
            for _, value in node.value:
                check(value)
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                check(item)

    for document in yaml.compose_all(path.read_text()):
        check(document)


def test_one_command_installs_every_manifest_and_names_the_optional_ones() -> None:
    text = (MANIFESTS / "kustomization.yaml").read_text()
    files = {path.name for path in MANIFESTS.glob("*.yaml")} - {"kustomization.yaml"}
    listed = set(yaml.safe_load(text)["resources"])
    optional = {"hold-at-birth.yaml", "placeholder.yaml", "virtual-node-toleration.yaml"}
    assert files - listed == optional
    assert listed <= files
    assert all(f"# - {name}" in text for name in optional)
