"""YAML as kubectl prints it, fast: a large cluster loads in seconds instead of minutes.

Blocks are found by their indentation; text that is written otherwise is left as it is. Timestamps stay text.
"""

import re
from typing import Any

import yaml

__all__ = ["load", "thinned"]

_STR, _MAP, _SEQ = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "map", "seq"))
_NOT_STR = frozenset("0123456789+-.~ntfyNTFYoO=<")
"""How a plain scalar begins that may be something else than a string."""

# Key at an exact depth below a list item, then every deeper line and, for lists, `- ` at the key's own depth.
_BELOW_ITEM = (
    b"    managedFields",
    b"    images",
    b"    containerStatuses",
    b"    initContainerStatuses",
    b"    nodeInfo",
    b"    addresses",
    b"    capacity",
    b"    daemonEndpoints",
    b"    volumesAttached",
    b"    volumesInUse",
    b"    volumes",
    b"    podIPs",
    b"    hostIPs",
    b"    runtimeHandlers",
    b"      env",
    b"      volumeMounts",
    b"      livenessProbe",
    b"      readinessProbe",
    b"      startupProbe",
    b"      args",
    b"      command",
    b"      securityContext",
    b"      ports",
)


def _block(key: bytes) -> bytes:
    depth = len(key) - len(key.lstrip())
    indent = b" " * depth
    # Nothing but the key on its line: a label may be called `env`, and has a value there.
    return key + rb":\n(?:" + indent + rb"(?:  |- )[^\n]*\n|[ \t]*\n)*"


_APPLIED = (
    rb"      kubectl\.kubernetes\.io/last-applied-configuration: \|[^\n]*\n(?:        [^\n]*\n|[ \t]*\n)*"
)
_BLOCKS = re.compile(b"^(?:" + b"|".join([*map(_block, _BELOW_ITEM), _APPLIED]) + b")", re.MULTILINE)

# The same keys of containers where one comes first, and has the item's dash before it.
_OF_CONTAINERS = [key.strip() for key in _BELOW_ITEM if key.startswith(b"      ")]
_FIRST = re.compile(
    b"^    - (?:" + b"|".join(_OF_CONTAINERS) + rb"):\n(?:      (?:  |- )[^\n]*\n|[ \t]*\n)*", re.MULTILINE
)


def thinned(text: bytes) -> bytes:
    """The same YAML with fewer fields."""
    if not (text.startswith((b"apiVersion: v1\nitems:\n- ", b"apiVersion: v1\nkind: List\n"))):
        return text
    return _FIRST.sub(b"    - thinned: true\n", _BLOCKS.sub(b"", text))


def load(text: bytes) -> list[Any]:
    """The documents in a text.

    Raises:
        yaml.YAMLError: it is no YAML.
    """
    loader = _Loader(thinned(text))
    documents = []
    try:
        while loader.check_node():
            documents.append(loader.plain(loader.get_node()))
    finally:
        loader.dispose()
    return documents


class _Loader(yaml.CSafeLoader):
    """Asks for the type of a scalar only where it may not be a string: that is where the time goes."""

    def descend_resolver(self, current_node: object, current_index: object) -> None:
        """No path decides on a type."""

    def ascend_resolver(self) -> None:
        """As above."""

    def resolve(self, kind: type[yaml.Node], value: str, implicit: Any) -> str:  # noqa: ANN401  (bool, bool)
        if kind is not yaml.ScalarNode:
            return _MAP if kind is yaml.MappingNode else _SEQ
        if not implicit[0] or (value and value[0] not in _NOT_STR):
            return _STR
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        return _STR if tag.endswith(":timestamp") else tag

    def plain(self, node: yaml.Node | None) -> Any:  # noqa: ANN401  any JSON
        if isinstance(node, yaml.ScalarNode):
            return node.value if node.tag == _STR else self.construct_object(node)
        if isinstance(node, yaml.MappingNode):
            if any(key.value == "<<" for key, _ in node.value):
                self.flatten_mapping(node)
            return {str(key.value): self.plain(value) for key, value in node.value}
        return [self.plain(item) for item in node.value] if node else None
