"""Pods, nodes, policies and snapshots with defaults, so that a row of a table shows only what matters.

What is not said is ordinary: bound pods were placed after their policy, nodes are ready. Amounts are written
as Kubernetes writes them.
"""

from collections.abc import Collection, Iterable, Mapping

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from policy.api import wellknown
from policy.api.objects import Node, Owner, Phase, Pod, Taint, Toleration
from policy.api.options import NodeKinds
from policy.api.quantity import parse_quantity
from policy.api.resourcepolicy import NextUnits, ResourcePolicy, Unit
from policy.scheduling.accounting import group_of, record_of
from policy.scheduling.pod_history import PodHistory
from policy.scheduling.snapshot import Reservation, Snapshot

__all__ = [
    "LATER",
    "NOW",
    "POLICY_CREATED",
    "a_node",
    "a_pod",
    "a_policy",
    "a_reservation",
    "a_snapshot",
    "a_unit",
    "amounts",
    "recorded_in",
]

POLICY_CREATED = 1_000.0
LATER = 2_000.0
NOW = 10_000.0


def amounts(written: Mapping[str, str]) -> dict[str, int]:
    """`{"cpu": "500m"}` as the integers that decisions use."""
    return {resource: parse_quantity(quantity) for resource, quantity in written.items()}


def a_pod(
    name: str = "asking",
    *,
    on: str = "",
    requests: Mapping[str, str] | None = None,
    namespace: str = "default",
    created: float = LATER,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    node_selector: Mapping[str, str] | None = None,
    tolerations: tuple[Toleration, ...] = (),
    priority: int = 0,
    preempts: bool = True,
    phase: Phase = Phase.PENDING,
    terminating: bool = False,
    bound_at: float | None = None,
    unscheduled_since: float | None = None,
    unschedulable: bool = False,
    nominated_node: str = "",
    owner: Owner | None = None,
) -> Pod:
    """A pod whose uid is its name, pending unless it is `on` a node."""
    return Pod(
        uid=name,
        namespace=namespace,
        name=name,
        created=created,
        labels=labels or {},
        annotations=annotations or {},
        requests=amounts(requests or {}),
        node_selector=node_selector or {},
        tolerations=tolerations,
        priority=priority,
        preempts=preempts,
        phase=phase,
        terminating=terminating,
        node_name=on,
        bound_at=bound_at,
        unscheduled_since=unscheduled_since,
        unschedulable=unschedulable,
        nominated_node=nominated_node,
        owner=owner,
    )


def a_node(
    name: str,
    pool: str = "",
    *,
    labels: Mapping[str, str] | None = None,
    taints: tuple[Taint, ...] = (),
    allocatable: Mapping[str, str] | None = None,
    unschedulable: bool = False,
    ready: bool = True,
) -> Node:
    """A ready node, labelled `pool: <pool>` if one is given."""
    pooled = {"pool": pool} if pool else {}
    return Node(
        name=name,
        labels={**pooled, **(labels or {})},
        taints=taints,
        allocatable=amounts(allocatable or {}),
        unschedulable=unschedulable,
        ready=ready,
    )


def a_unit(pool: str = "", **fields: object) -> Unit:
    """A unit of the nodes labelled `pool: <pool>`; `fields` are named as in Python or as in a manifest."""
    pooled = {"nodeSelector": {"pool": pool}} if pool else {}
    return Unit.model_validate({**pooled, **_as_in_a_manifest(Unit, fields)})


def a_policy(
    *units: Unit,
    name: str = "policy",
    namespace: str = "default",
    mode: NextUnits = NextUnits.LACK_RESOURCE_OR_EXCEED_MAX,
    timeout: str = "15m",
    created: float = POLICY_CREATED,
    **fields: object,
) -> ResourcePolicy:
    """A policy for every pod of its namespace; without units it has the pools `dc` and `cloud`."""
    written = {
        "namespace": namespace,
        "name": name,
        "created": created,
        "units": units or (a_unit("dc"), a_unit("cloud")),
        "whenTryNextUnits": {"policy": mode, "timeout": timeout},
        **_as_in_a_manifest(ResourcePolicy, fields),
    }
    return ResourcePolicy.model_validate(written)


def _as_in_a_manifest(model: type[BaseModel], fields: Mapping[str, object]) -> dict[str, object]:
    """The models ignore what they do not know, so that a slip of the pen here would go unseen."""
    written = {to_camel(name): value for name, value in fields.items()}
    assert written.keys() <= {field.alias for field in model.model_fields.values()}, written
    return written


def recorded_in(policy: ResourcePolicy, unit: int) -> dict[str, str]:
    """The annotations of a pod that was placed through this unit."""
    return {wellknown.UNIT: record_of(policy, unit)}


def a_reservation(pod: Pod, policy: ResourcePolicy, unit: int = 0) -> Reservation:
    """A slot of the unit, held for a pod that is not bound yet."""
    return Reservation(pod, policy.key, unit, group_of(pod.labels, policy), made_at=NOW)


def a_snapshot(
    *policies: ResourcePolicy,
    nodes: Iterable[Node] = (),
    pods: Iterable[Pod] = (),
    reservations: Iterable[Reservation] = (),
    kinds: NodeKinds | None = None,
    histories: Mapping[str, PodHistory] | None = None,
    remembers_since: float = 0.0,
    departed: Collection[str] = (),
) -> Snapshot:
    """What is in the cluster, keyed as decisions look it up."""
    return Snapshot(
        nodes={node.name: node for node in nodes},
        pods={pod.uid: pod for pod in pods},
        policies=policies,
        reservations={reservation.pod.uid: reservation for reservation in reservations},
        kinds=kinds or NodeKinds(),
        histories=histories or {},
        remembers_since=remembers_since,
        departed=frozenset(departed),
    )
