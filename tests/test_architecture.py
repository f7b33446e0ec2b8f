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
BELOW = {
    "policy": (),
    "cluster": ("policy",),
    "extender": ("policy", "cluster"),
    "watcher": ("policy", "cluster"),
    "command": ("policy", "cluster", "extender", "watcher"),
}
"""Our packages, and the others that each may know."""
OURS = tuple(BELOW)
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
    def package(self) -> str:
        return self.name.partition(".")[0]

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def is_top(self) -> bool:
        """Whether it is the module of a whole package, which is a glossary."""
        return self.name in OURS

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
POLICY = [module for module in MODULES.values() if module.package == "policy"]


def by_name(module: Module) -> str:
    return module.name


def arrows(module: Module) -> set[str]:
    """The modules of ours that it imports; a package's own name says only that it is there."""
    found = {name for name in module.imported if name in MODULES and name not in OURS}
    return found - {module.name}


# Who may import whom.

LAYERS = {
    "policy": [
        {"affinity"},
        {"deletion_cost", "duration", "objects", "quantity", "requests", "sampling", "selectors"},
        {"resourcepolicy"},
        {"options", "reasons", "usage"},
        {"first_refusal", "fit", "history", "match", "units"},
        {"conditions", "snapshot", "verdict"},
        {"census", "lost_gpus", "placement", "planning", "preempt", "prioritize", "standing"},
        {"doubt", "filter", "occupancy", "scale_up"},
        {"expiry", "lint", "simulation", "taken"},
        {"wording"},
        {"explanation"},
    ],
    "cluster": [
        {
            "apiobjects",
            "attempts",
            "changes",
            "clock",
            "connection",
            "index",
            "news",
            "nodes",
            "placed",
            "policies",
            "rounds",
            "settings",
        },
        {"lease", "origins", "reflector"},
        {"adrift"},
        {"cache", "leading"},
        {"informers"},
    ],
    "extender": [
        {
            "body",
            "decisions",
            "explanations",
            "freshness",
            "head",
            "metrics",
            "pods",
            "readiness",
            "recorder",
            "settling",
            "wire",
        },
        {"requeue", "service", "worker"},
        {"app"},
        {"server"},
        {"serving"},
    ],
    "watcher": [
        {"autoscaler_status", "availability", "collection", "controllers", "holds", "outlook"},
        {"autoscaler", "node_groups", "overflow", "placement", "setbacks", "unit_states", "waits"},
        {"counted", "policy_status", "request_objects", "sight"},
        {
            "memory",
            "notices",
            "placeholder_objects",
            "records",
            "release",
            "reporting",
            "status",
            "watcher_metrics",
        },
        {"adapter", "deeds", "events", "forecast", "leaving", "overlooked"},
        {"placeholders", "provisioning", "steps"},
        {"backends"},
        {"journal", "lessons"},
        {"watcher"},
        {"watching"},
    ],
}
"""Of each package, from the bottom: a module imports what is below it, and nothing beside or above."""

LEVEL = {
    f"{package}.{name}": level
    for package, layers in LAYERS.items()
    for level, names in enumerate(layers)
    for name in names
}

LAYERED = [m for m in MODULES.values() if m.package in LAYERS and not m.is_top]

HOMES = {
    "cachetools": {"cluster.cache", "watcher.controllers", "cluster.nodes"},
    "click": {"command.cli"},
    "flask": {"extender.app"},
    "werkzeug": {"extender.app"},
    "gunicorn": {"extender.serving", "extender.worker"},
    "kubernetes": {"cluster.connection"},
    "urllib3": {"cluster.connection"},
    "msgspec": {
        "cluster.apiobjects",
        "watcher.autoscaler_status",
        "watcher.collection",
        "cluster.connection",
        "watcher.controllers",
        "extender.explanations",
        "cluster.informers",
        "watcher.placeholder_objects",
        "watcher.provisioning",
        "watcher.records",
        "cluster.reflector",
        "watcher.release",
        "watcher.request_objects",
        "extender.wire",
    },
    "prometheus_client": {"extender.app", "extender.metrics", "watcher.watcher_metrics"},
    "pydantic": {"cluster.settings", "policy.resourcepolicy", "policy.lint.written"},
    "yaml": {"watcher.autoscaler_status", "cluster.connection", "cluster.settings"},
}
"""Where each library may be known. One that is not here is not used."""

KNOWN_TO = {
    "cluster.cache": {
        "cluster.informers",
        "extender.recorder",
        "extender.requeue",
        "extender.server",
        "extender.service",
        "extender.settling",
        "watcher.overflow",
        "watcher.placement",
        "watcher.policy_status",
        "watcher.waits",
        "watcher.watcher",
        "watcher.watching",
    },
    "cluster.connection": {
        "cluster.informers",
        "cluster.leading",
        "cluster.lease",
        "cluster.reflector",
        "command.cli",
        "extender.freshness",
        "extender.pods",
        "extender.server",
        "watcher.adapter",
        "watcher.autoscaler_status",
        "watcher.backends",
        "watcher.collection",
        "watcher.controllers",
        "watcher.events",
        "watcher.holds",
        "watcher.leaving",
        "watcher.placeholders",
        "watcher.placement",
        "watcher.provisioning",
        "watcher.records",
        "watcher.release",
        "watcher.status",
        "watcher.watcher",
        "watcher.watching",
    },
    "cluster.informers": {"extender.server", "watcher.watching"},
    "extender.metrics": {"extender.app", "extender.requeue", "extender.server"},
    "extender.wire": {"extender.app"},
    "watcher.memory": {
        "watcher.deeds",
        "watcher.forecast",
        "watcher.journal",
        "watcher.lessons",
        "watcher.overlooked",
        "watcher.steps",
        "watcher.watcher",
    },
    "watcher.sight": {
        "watcher.deeds",
        "watcher.forecast",
        "watcher.journal",
        "watcher.lessons",
        "watcher.memory",
        "watcher.overlooked",
        "watcher.steps",
        "watcher.watcher",
    },
}
"""Who may know what holds state or touches the world: nobody else reads the cache, or writes to the API."""


def layer_of(name: str) -> int:
    """By its package and the first part of its place there; a package's own module is a glossary."""
    package, _, place = name.partition(".")
    return LEVEL[f"{package}.{place.partition('.')[0]}"]


def place_of(name: str) -> str:
    """The part of a package that a module is, or is in."""
    return ".".join(name.split(".")[:2])


@pytest.mark.parametrize("module", LAYERED, ids=by_name)
def test_a_package_imports_only_downward_within(module: Module) -> None:
    assert place_of(module.name) in LEVEL, "a new module has no layer yet: say in LAYERS which"
    own = {name for name in arrows(module) if name.split(".")[0] == module.package}
    others = {name for name in own if place_of(name) != place_of(module.name)}
    assert {name for name in others if layer_of(name) >= layer_of(module.name)} == set()


@pytest.mark.parametrize("module", MODULES.values(), ids=by_name)
def test_packages_know_only_those_below(module: Module) -> None:
    allowed = {module.package, *BELOW[module.package]}
    assert {name for name in arrows(module) if name.split(".")[0] not in allowed} == set()


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
    assert LEVEL.keys() <= {place_of(name) for name in MODULES}


@pytest.mark.parametrize("name", KNOWN_TO)
def test_what_holds_state_or_touches_the_world_is_known_to_few(name: str) -> None:
    assert {other.name for other in MODULES.values() if name in arrows(other)} == KNOWN_TO[name]


@pytest.mark.parametrize("module", MODULES.values(), ids=by_name)
def test_the_programs_run_without_the_stage(module: Module) -> None:
    """The commands that help an author are joined in one place."""
    allowed = {"author"} if module.name == "command.cli" else set()
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
