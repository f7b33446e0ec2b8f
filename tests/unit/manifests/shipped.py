"""The shipped YAML files, read once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]
ROOT = Path(__file__).parents[3]
MANIFESTS = ROOT / "manifests"
EXAMPLES = sorted((MANIFESTS / "examples").glob("*.yaml"))
SHIPPED = sorted([*MANIFESTS.rglob("*.yaml"), *(ROOT / "config").glob("*.yaml")])


def documents(path: Path) -> list[Json]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document is not None]


def one(path: Path, kind: str, name: str = "") -> Json:
    (found,) = [
        document
        for document in documents(path)
        if document["kind"] == kind and (not name or document["metadata"]["name"] == name)
    ]
    return found


def by_path(path: Path) -> str:
    return str(path.relative_to(ROOT))


CRD = one(MANIFESTS / "crd.yaml", "CustomResourceDefinition")
(VERSION,) = CRD["spec"]["versions"]
SCHEMA: Json = VERSION["schema"]["openAPIV3Schema"]
RBAC = documents(MANIFESTS / "rbac.yaml")
READER = documents(MANIFESTS / "reader.yaml")
SERVICE = one(MANIFESTS / "service.yaml", "Service")
SCHEDULER = one(ROOT / "config" / "kube-scheduler.yaml", "KubeSchedulerConfiguration")


def fields(schema: Json, place: str = "") -> Iterator[tuple[str, Json]]:
    """Every schema below this one with its place: `spec.units[].max`, `spec.selector{}`."""
    for name, child in schema.get("properties", {}).items():
        inner = f"{place}.{name}".lstrip(".")
        yield inner, child
        yield from fields(child, inner)
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if key in schema:
            yield f"{place}{mark}", schema[key]
            yield from fields(schema[key], f"{place}{mark}")


FIELDS = {place: field for place, field in fields(SCHEMA) if place != "metadata"}  # not ours to describe


def identity(document: Json) -> tuple[str, str, str]:
    metadata = document["metadata"]
    return document["kind"], metadata.get("namespace", ""), metadata["name"]


ROLES = {identity(d): d["rules"] for d in RBAC if d["kind"] in ("Role", "ClusterRole")}
