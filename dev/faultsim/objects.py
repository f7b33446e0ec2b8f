"""The objects that a schedule speaks of, as the API server would hold them."""

from datetime import UTC, datetime

from dev.faultsim.scenario import GPU, Event, NodeShape, PolicyShape
from dev.faultsim.scheduler_model import SCHEDULER
from dev.faultsim.virtual_clock import EPOCH
from policy.api.objects import Node, Pod
from policy.api.quantity import parse_quantity
from policy.api.resourcepolicy import ResourcePolicy

__all__ = ["node_of", "pod_of", "policy_of"]

_GROUP = "group"
_POOL = "pool"


def node_of(shape: NodeShape) -> Node:
    """A node; one without a pool lacks the label that makes it part of a unit."""
    labels = {_POOL: shape.pool} if shape.pool else {}
    return Node(name=shape.name, labels=labels, allocatable={GPU: parse_quantity(str(shape.gpus))})


def pod_of(event: Event, now: float) -> Pod:
    """The pod that an event creates."""
    scheduler, group = event.label.split("/")
    return Pod(
        uid=event.name,
        namespace="default",
        name=event.name,
        created=float(int(now)),
        labels={SCHEDULER: scheduler, _GROUP: group},
        requests={GPU: parse_quantity(str(event.amount))},
        priority=event.priority,
    )


def policy_of(shape: PolicyShape, generation: int) -> ResourcePolicy:
    """The policy in one of its forms."""
    limit = "maxResources" if shape.by_resources else "max"
    units = [
        {
            "nodeSelector": {_POOL: pool},
            limit: {GPU: str(cap)} if shape.by_resources and cap is not None else cap,
        }
        for pool, cap in zip(shape.pools, shape.caps, strict=True)
    ]
    return ResourcePolicy.from_manifest(
        {
            "metadata": {
                "namespace": "default",
                "name": "policy",
                "generation": generation,
                "creationTimestamp": datetime.fromtimestamp(EPOCH - 100, UTC).isoformat(),
            },
            "spec": {
                "units": units,
                "matchLabelKeys": [_GROUP] if shape.groups else [],
                "ignoreTerminatingPod": shape.ignore_terminating,
                "preemptPolicy": "BeforeNextUnit" if shape.preempts_first else "AfterAllUnits",
                "whenTryNextUnits": {"policy": shape.mode, "timeout": "20s"},
            },
        }
    )
