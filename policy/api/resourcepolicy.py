"""The ResourcePolicy of scheduling.alibabacloud.com/v1alpha1, validated once, all errors at once (M6).

User input enters here: this is the only module of the package that uses pydantic. Fields: docs/design/ack.md.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from policy.api.duration import parse_duration
from policy.api.quantity import parse_quantity
from policy.api.selectors import Operator, Requirement

__all__ = [
    "WAIT_LABEL",
    "InvalidPolicyError",
    "NextUnits",
    "PreemptPolicy",
    "RejectedPolicy",
    "ResourceKind",
    "ResourcePolicy",
    "Strategy",
    "Unit",
    "WhenTryNextUnits",
]

WAIT_LABEL = "k8s.aliyun.com/resource-policy-wait-for-ecs-scaling"
_DEFAULT_TIMEOUT = 15 * 60.0


class Strategy(StrEnum):
    """What happens with nodes outside every unit (U6)."""

    PREFER = "prefer"
    REQUIRED = "required"


class ResourceKind(StrEnum):
    """The kind of capacity a unit draws on (U2)."""

    ECS = "ecs"
    ELASTIC = "elastic"
    ECI = "eci"
    ACS = "acs"


class PreemptPolicy(StrEnum):
    """When preemption is tried (P1)."""

    BEFORE_NEXT_UNIT = "BeforeNextUnit"
    AFTER_ALL_UNITS = "AfterAllUnits"


class NextUnits(StrEnum):
    """When a pod may go on to the next unit (O3 to O7)."""

    LACK_RESOURCE_OR_EXCEED_MAX = "LackResourceOrExceedMax"
    EXCEED_MAX = "ExceedMax"
    TIMEOUT_OR_EXCEED_MAX = "TimeoutOrExceedMax"
    LACK_RESOURCE_AND_NO_TERMINATING = "LackResourceAndNoTerminating"
    TIMEOUT = "Timeout"

    @classmethod
    def _missing_(cls, value: object) -> "NextUnits | None":
        # ACK's manual and its Go types spell this mode differently (O6).
        if value == "LackResourceAndNoterminating":
            return cls.LACK_RESOURCE_AND_NO_TERMINATING
        return None


@dataclass(frozen=True, slots=True)
class RejectedPolicy:
    """An object that is no usable policy (M6); `errors` are those of `InvalidPolicyError`."""

    key: str
    generation: int
    errors: tuple[str, ...]
    uid: str = ""


class InvalidPolicyError(ValueError):
    """A policy that cannot be used; `errors` holds every fault as "field: what is wrong"."""

    def __init__(self, errors: tuple[str, ...]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


def _amounts(written: object) -> object:
    """Quantities, which YAML may hold as numbers, as exact integers."""
    if not isinstance(written, Mapping):
        return written
    amounts = {}
    for resource, quantity in written.items():
        try:
            amount = parse_quantity(str(quantity))
        except ValueError as error:
            raise ValueError(f"{resource}: {error}") from None
        if amount < 0:
            raise ValueError(f"{resource} is {quantity}; write 0 or more")
        amounts[resource] = amount
    return amounts


def _without_nulls(written: object) -> object:
    """A null means the default, as for the API server (U2, C9)."""
    if isinstance(written, Mapping):
        return {key: value for key, value in written.items() if value is not None}
    return written


def _agreeing(term: Requirement) -> Requirement:
    takes_values = term.operator in (Operator.IN, Operator.NOT_IN)
    if takes_values != bool(term.values):
        raise ValueError(f"operator {term.operator} {'needs' if takes_values else 'takes no'} values")
    return term


def _moment(written: object) -> object:
    """A timestamp as the API writes it, or as YAML reads it, in Unix seconds."""
    if isinstance(written, str):
        written = datetime.fromisoformat(written)
    return written.timestamp() if isinstance(written, datetime) else written


Labels = Mapping[str, str]
Amounts = Annotated[Mapping[str, int], BeforeValidator(_amounts)]
Moment = Annotated[float, BeforeValidator(_moment)]
Term = Annotated[Requirement, BeforeValidator(_without_nulls), AfterValidator(_agreeing)]
Seconds = Annotated[float, BeforeValidator(lambda t: parse_duration(t) if isinstance(t, str) else t)]


class _Part(BaseModel):
    """A frozen piece of the object."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)

    _drop_nulls = model_validator(mode="before")(_without_nulls)


class Unit(_Part):
    """One entry of `spec.units`."""

    resource: ResourceKind = ResourceKind.ECS
    node_selector: Labels = Field(default_factory=dict)
    max: int | None = Field(default=None, ge=0)
    max_resources: Amounts = Field(default_factory=dict)
    pod_labels: Labels = Field(default_factory=dict)
    pod_annotations: Labels = Field(default_factory=dict)
    spot_instance: bool = False
    """Accepted and kept, without effect (M7)."""
    scale_in_weight: int | None = None
    """Accepted and kept, without effect (M7)."""

    @property
    def capped(self) -> bool:
        """Whether any cap is set (O2)."""
        return self.max is not None or bool(self.max_resources)

    @property
    def waits_for_nodes(self) -> bool:
        """Whether pods may wait here for an autoscaler: both spellings (U4)."""
        return self.resource is ResourceKind.ELASTIC or self.pod_labels.get(WAIT_LABEL) == "true"

    @property
    def marks(self) -> tuple[Labels, Labels]:
        """The labels and annotations that its pods carry; the wait label is a directive (C6)."""
        labels = {key: value for key, value in self.pod_labels.items() if key != WAIT_LABEL}
        return labels, self.pod_annotations

    @property
    def fingerprint(self) -> str:
        """Names this unit in the record on a pod (L3); the same after units are reordered or recapped."""
        # U4: elastic and ecs with the wait label are the same, so an author may go from one to the other.
        virtual = self.resource in (ResourceKind.ECI, ResourceKind.ACS)
        kind = str(self.resource) if virtual else "ordinary"
        identity = [kind, sorted(self.node_selector.items()), *(sorted(m.items()) for m in self.marks)]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:10]


class WhenTryNextUnits(_Part):
    """`spec.whenTryNextUnits`."""

    policy: NextUnits = NextUnits.LACK_RESOURCE_OR_EXCEED_MAX
    timeout: Seconds = Field(default=_DEFAULT_TIMEOUT, gt=0, allow_inf_nan=False)


class ResourcePolicy(_Part):
    """A policy: identity from `metadata`, the rest from `spec`. `created` is in Unix seconds."""

    namespace: str
    name: str
    uid: str = ""
    created: Moment = 0.0
    generation: int = 0
    units: tuple[Unit, ...]
    selector: Labels = Field(default_factory=dict)
    match_expressions: tuple[Term, ...] = ()
    consumer_ref: Mapping[str, Any] = Field(default_factory=dict)
    """Accepted and kept, without effect (M7)."""
    strategy: Strategy = Strategy.PREFER
    preempt_policy: PreemptPolicy = PreemptPolicy.AFTER_ALL_UNITS
    ignore_previous_pod: bool = False
    ignore_terminating_pod: bool = True
    match_label_keys: tuple[str, ...] = ()
    when_try_next_units: WhenTryNextUnits = WhenTryNextUnits()

    @field_validator("units", mode="before")
    @classmethod
    def _units_are_listed(cls, written: object) -> object:
        if not written:
            raise ValueError("is empty; list at least one unit, the preferred first")
        return written

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> Self:
        """The policy in an object as the API server stores it or a user writes it.

        Raises:
            InvalidPolicyError: with every fault of the object.
        """
        metadata, spec = manifest.get("metadata") or {}, manifest.get("spec") or {}
        parts = {"metadata": metadata, "spec": spec}
        odd = tuple(f"{name}: write a mapping" for name, p in parts.items() if not isinstance(p, Mapping))
        if odd:
            raise InvalidPolicyError(odd)
        fields = {
            **spec,
            "namespace": metadata.get("namespace") or "default",
            "name": metadata.get("name") or "",
            "uid": metadata.get("uid") or "",
            "created": metadata.get("creationTimestamp") or 0.0,
            "generation": metadata.get("generation") or 0,
        }
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise InvalidPolicyError(tuple(map(_sentence, error.errors()))) from None


_PLACES = {"created": "metadata.creationTimestamp", "generation": "metadata.generation"}
_MESSAGES = {
    "missing": "is missing",
    "dict_type": "write a mapping",
    "frozen_set_type": "write a list",
    "model_type": "write a mapping",
    "string_type": "write a string",
    "tuple_type": "write a list",
}


def _sentence(error: Any) -> str:  # noqa: ANN401  pydantic's ErrorDetails
    """`spec.units[0].max: …`, the place spelled as in the manifest."""
    first, *steps = error["loc"]
    place = _PLACES.get(first, f"spec.{first}")
    for step in steps:
        place += f"[{step}]" if isinstance(step, int) else f".{step}"
    message = _MESSAGES.get(error["type"], error["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}"
