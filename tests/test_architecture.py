"""What import contracts cannot say: no effects in `policy/`, size of a piece, names.

Who may import whom stands in pyproject.toml, `[tool.importlinter]`; `make check` runs it.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHIPPED = ("policy", "cluster", "extender", "watcher", "cli")
LONGEST_MODULE = 400
LONGEST_FUNCTION = 50
MOST_FILES = 16
NOT_A_NAME = {"common", "data", "helper", "helpers", "info", "manager", "misc", "util", "utils"}
ACTS = {"breakpoint", "eval", "exec", "input", "open", "print"}
CLOCKS = {"now", "today", "utcnow"}


@dataclass(frozen=True)
class Module:
    """One file, parsed."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def package(self) -> str:
        return self.path.relative_to(ROOT).parts[0]

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text())

    @property
    def public(self) -> list[str]:
        """Classes and functions without an underscore that the module defines."""
        defined = [node for node in self.tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
        return [node.name for node in defined if not node.name.startswith("_")]


def modules_in(*packages: str) -> Iterator[Module]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            if not path.name.endswith(".conf.py"):  # read by gunicorn, never imported
                yield Module(path)


MODULES = list(modules_in(*SHIPPED))
POLICY = [module for module in MODULES if module.package == "policy"]


def by_name(module: Module) -> str:
    return module.name


@pytest.mark.parametrize("module", POLICY, ids=by_name)
def test_policy_reads_no_clock_and_no_file_and_prints_nothing(module: Module) -> None:
    called = [node.func for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    assert {func.id for func in called if isinstance(func, ast.Name)} & ACTS == set()
    assert {func.attr for func in called if isinstance(func, ast.Attribute)} & CLOCKS == set()


@pytest.mark.parametrize("module", POLICY, ids=by_name)
def test_policy_keeps_no_state_between_calls(module: Module) -> None:
    assert not [node for node in ast.walk(module.tree) if isinstance(node, ast.Global | ast.Nonlocal)]


@pytest.mark.parametrize("module", MODULES, ids=by_name)
def test_a_module_says_what_it_is_and_what_it_offers(module: Module) -> None:
    first = (ast.get_docstring(module.tree) or "").partition("\n")[0]
    assert first.endswith((".", "`", ":")), "the first line is a sentence of its own"
    offers = any(
        isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["__all__"]
        for node in module.tree.body
    )
    assert offers or not module.public


@pytest.mark.parametrize("module", MODULES, ids=by_name)
def test_no_piece_is_too_large_to_read(module: Module) -> None:
    assert len(module.path.read_text().splitlines()) <= LONGEST_MODULE
    lengths = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


@pytest.mark.parametrize("package", SHIPPED)
def test_no_public_class_has_a_name_twice_in_a_package(package: str) -> None:
    classes = Counter(
        node.name
        for module in modules_in(package)
        for node in module.tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, number in classes.items() if number > 1] == []


def test_no_folder_is_a_heap() -> None:
    files = Counter(module.path.parent for module in modules_in(*SHIPPED) if module.path.stem != "__init__")
    assert {str(folder): number for folder, number in files.items() if number > MOST_FILES} == {}


def test_no_module_is_named_for_nothing() -> None:
    names = [module.name for module in modules_in(*SHIPPED, "dev")]
    assert [name for name in names if set(Path(name).stem.split("_")) & NOT_A_NAME] == []
