"""Layout A as a test: who may import whom, what may not happen in `policy/`, and how large a piece may get.

Owns the rules that need no run, read from the syntax trees. Must not know: what any module does. A rule that
stands in the way is changed here, in the commit that breaks it, with the reason.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("policy", "extender")
STAGE = ("author", "bench", "campaigns", "controlplane", "demo", "faults", "tests")
"""Ours too, for authors and developers; the programs run without them."""


@dataclass(frozen=True)
class Module:
    """One file, parsed."""

    name: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text())

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @cached_property
    def imported(self) -> frozenset[str]:
        """Full names, those of `from a import b` as `a` and `a.b`, wherever in the file they stand."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{self.name}: a relative import"
                module = node.module or ""
                found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
        return frozenset(found)

    @property
    def libraries(self) -> frozenset[str]:
        """Top-level names of what is imported."""
        return frozenset(name.partition(".")[0] for name in self.imported)

    @property
    def public(self) -> list[str]:
        """Names without an underscore that the module itself defines."""
        return [
            node.name
            for node in self.tree.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
        ]


def modules_of(package: str) -> Iterator[Module]:
    for path in sorted((ROOT / package).rglob("*.py")):
        if not path.name.endswith(".conf.py"):  # gunicorn's, never imported
            dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield Module(dotted.removesuffix(".__init__"), path)


MODULES = {module.name: module for package in OURS for module in modules_of(package)}
POLICY = [module for module in MODULES.values() if module.name.startswith("policy")]


def by_name(module: Module) -> str:
    return module.name


def arrows(module: Module) -> set[str]:
    """The modules of ours that it imports; a package's own name says only that it is there."""
    found = {name for name in module.imported if name in MODULES and name not in OURS}
    return found - {module.name}


# Who may import whom.

LAYERS = [
    {"affinity"},
    {"deletion_cost", "duration", "objects", "quantity", "requests", "sampling", "selectors"},
    {"resourcepolicy"},
    {"options", "reasons", "usage"},
    {"fit", "history", "match", "units"},
    {"conditions", "snapshot", "verdict"},
    {"census", "lost_gpus", "placement", "planning", "preempt", "prioritize", "standing"},
    {"doubt", "filter", "occupancy", "scale_up"},
    {"lint", "simulation", "taken"},
    {"wording"},
    {"explanation"},
]
"""Of `policy/`, from the bottom: a module imports what is below it, and nothing beside or above."""

LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

HOMES = {
    "cachetools": {"extender.cache", "extender.controllers", "extender.nodes"},
    "click": {"extender.cli"},
    "flask": {"extender.app"},
    "werkzeug": {"extender.app"},
    "gunicorn": {"extender.serving", "extender.worker"},
    "kubernetes": {"extender.connection"},
    "urllib3": {"extender.connection"},
    "msgspec": {
        "extender.apiobjects",
        "extender.autoscaler_status",
        "extender.collection",
        "extender.connection",
        "extender.controllers",
        "extender.explanations",
        "extender.informers",
        "extender.placeholder_objects",
        "extender.provisioning",
        "extender.records",
        "extender.reflector",
        "extender.release",
        "extender.request_objects",
        "extender.wire",
    },
    "prometheus_client": {"extender.app", "extender.metrics", "extender.watcher_metrics"},
    "pydantic": {"extender.settings", "policy.resourcepolicy", "policy.lint.written"},
    "yaml": {"extender.autoscaler_status", "extender.connection", "extender.settings"},
}
"""Where each library may be known. One that is not here is not used."""

STRANGERS = {
    "extender.apiobjects": {"cache", "connection", "wire", "app"},
    "extender.body": {"app", "cache", "service", "wire", "server"},
    "extender.availability": {"autoscaler", "cache", "connection"},
    "extender.cache": {"app", "connection", "informers", "metrics", "pods", "service", "wire", "server"},
    "extender.collection": {"autoscaler", "cache", "request_objects"},
    "extender.connection": {"cache", "reflector", "apiobjects", "settings"},
    "extender.events": {"cache", "outlook", "placement", "policy_status", "watcher"},
    "extender.forecast": {"autoscaler_status", "cache", "connection", "status"},
    "extender.decisions": {"app", "cache", "explanations", "service", "wire"},
    "extender.explanations": {"app", "cache", "decisions", "service", "wire"},
    "extender.index": {"cache", "service"},
    "extender.informers": {"app", "requeue", "service", "wire"},
    "extender.node_groups": {"autoscaler", "cache", "connection", "memory", "sight"},
    "extender.notices": {"cache", "connection", "events", "placement", "status", "watcher"},
    "extender.outlook": {"autoscaler", "cache", "connection", "memory", "status", "watcher"},
    "extender.controllers": {"cache", "placement", "watcher"},
    "extender.counted": {"cache", "connection", "steps", "watcher", "watcher_metrics"},
    "extender.placement": {"app", "informers", "recorder", "service", "watcher"},
    "extender.policy_status": {"connection", "placement", "status", "watcher"},
    "extender.reflector": {"apiobjects", "cache", "informers"},
    "extender.release": {"cache", "cli", "memory", "watcher"},
    "extender.requeue": {"app", "connection", "informers", "pods", "service", "wire"},
    "extender.placeholders": {"cache", "memory", "provisioning", "sight", "steps"},
    "extender.provisioning": {"cache", "memory", "placeholders", "sight", "steps"},
    "extender.service": {"app", "body", "connection", "informers", "metrics", "pods", "wire", "server"},
    "extender.settings": {"app", "cache", "cli", "server", "service"},
    "extender.worker": {"app", "cache", "server", "service", "serving", "wire"},
    "extender.status": {"cache", "outlook", "placement", "watcher"},
    "extender.unit_states": {"cache", "connection", "placement", "status", "watcher"},
    "extender.steps": {"cache", "connection", "records", "request_objects"},
    "extender.waits": {"connection", "metrics", "watcher", "watcher_metrics"},
    "extender.watcher_metrics": {"app", "cache", "connection", "metrics", "waits", "watcher"},
    "extender.wire": {"app", "body", "cache", "connection", "service", "server"},
    "extender.app": {"cache", "connection", "informers", "requeue", "server", "serving"},
}
"""What each module must not know of its neighbours, as its docstring says."""


@pytest.mark.parametrize("module", POLICY, ids=by_name)
def test_policy_imports_only_downward(module: Module) -> None:
    place = module.name.split(".")[1:2]
    if not place:
        assert not arrows(module), "the package's own module is a glossary"
        return
    assert place[0] in LEVEL, "a new module has no layer yet: say in LAYERS which"
    above = {
        name
        for name in arrows(module)
        if name.split(".")[1] != place[0] and LEVEL[name.split(".")[1]] >= LEVEL[place[0]]
    }
    assert above == set()


@pytest.mark.parametrize("module", POLICY, ids=by_name)
def test_policy_knows_neither_the_extender_nor_the_world(module: Module) -> None:
    assert not module.libraries - sys.stdlib_module_names - {"policy", "pydantic"}


def test_nothing_imports_in_a_circle() -> None:
    graph = {name: arrows(module) for name, module in MODULES.items()}
    assert list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", MODULES.values(), ids=by_name)
def test_a_library_is_known_only_at_home(module: Module) -> None:
    foreign = module.libraries - sys.stdlib_module_names - {*OURS, *STAGE}
    assert {library for library in foreign if module.name not in HOMES.get(library, ())} == set()


def test_every_library_and_every_module_of_the_tables_is_there() -> None:
    for library, homes in HOMES.items():
        users = {name for name, module in MODULES.items() if library in module.libraries}
        assert users, f"{library} is not used any more"
        assert homes <= MODULES.keys()
    assert STRANGERS.keys() <= MODULES.keys()
    assert {f"extender.{name}" for names in STRANGERS.values() for name in names} <= MODULES.keys()
    assert {f"policy.{name}" for name in LEVEL} <= MODULES.keys()


@pytest.mark.parametrize("name", STRANGERS)
def test_neighbours_that_must_not_know_each_other_do_not(name: str) -> None:
    strangers = {f"extender.{other}" for other in STRANGERS[name]}
    assert arrows(MODULES[name]) & strangers == set()


@pytest.mark.parametrize("module", MODULES.values(), ids=by_name)
def test_the_programs_run_without_the_stage(module: Module) -> None:
    """The commands that help an author are joined in one place."""
    allowed = {"author"} if module.name == "extender.cli" else set()
    assert module.libraries & set(STAGE) <= allowed


# What may not happen in policy/.

WORLDLY = {
    "asyncio", "concurrent", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets",
    "signal", "socket", "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid", "warnings",
}  # fmt: skip
ACTS = {"breakpoint", "eval", "exec", "input", "open", "print"}
CLOCKS = {"now", "today", "utcnow"}


@pytest.mark.parametrize("module", POLICY, ids=by_name)
def test_policy_has_no_clock_no_files_no_threads_and_no_dice(module: Module) -> None:
    assert module.libraries & WORLDLY == set()
    called = [node.func for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    assert {func.id for func in called if isinstance(func, ast.Name)} & ACTS == set()
    assert {func.attr for func in called if isinstance(func, ast.Attribute)} & CLOCKS == set()


@pytest.mark.parametrize("module", POLICY, ids=by_name)
def test_policy_keeps_no_state_between_calls(module: Module) -> None:
    assert not [node for node in ast.walk(module.tree) if isinstance(node, ast.Global | ast.Nonlocal)]


# How a piece looks.

LONGEST_MODULE = 400
LONGEST_FUNCTION = 50
NOT_A_NAME = {"common", "data", "helper", "helpers", "info", "manager", "misc", "util", "utils"}


@pytest.mark.parametrize("module", MODULES.values(), ids=by_name)
def test_a_module_says_what_it_owns_and_what_it_offers(module: Module) -> None:
    lines = (ast.get_docstring(module.tree) or "").splitlines()
    if module.is_package:
        return
    assert len(lines) >= 3
    assert lines[0].endswith("."), "the first line is a sentence of its own"
    assert not lines[1]
    offered = [
        [ast.literal_eval(name) for name in node.value.elts]
        for node in module.tree.body
        if isinstance(node, ast.Assign)
        and [getattr(target, "id", "") for target in node.targets] == ["__all__"]
        and isinstance(node.value, ast.List)
    ]
    assert len(offered) == bool(module.public)
    for names in offered:
        assert names, "something is public, and nothing is offered"


@pytest.mark.parametrize("module", MODULES.values(), ids=by_name)
def test_no_piece_is_too_large_to_read(module: Module) -> None:
    assert len(module.path.read_text().splitlines()) <= LONGEST_MODULE
    lengths = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_no_module_is_named_for_nothing() -> None:
    packages = [*OURS, *(package for package in STAGE if package != "tests")]
    names = [module.name for package in packages for module in modules_of(package)]
    assert [name for name in names if set(name.rpartition(".")[2].split("_")) & NOT_A_NAME] == []
