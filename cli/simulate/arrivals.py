"""What is to be simulated: which pods arrive, and in which cluster.

A pod belongs to the workload that its controller, or a ReplicaSet's Deployment, is called; else to the one
that one of its usual labels names.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cli.cluster.snapshot import ClusterSnapshot
from cli.errors import CommandError
from cli.manifests.workloads import workloads_in
from cli.manifests.yaml_positions import documents_in, read
from policy.api import wellknown
from policy.api.objects import Phase, Pod
from policy.api.resourcepolicy import InvalidPolicyError, ResourcePolicy
from policy.scheduling.matching import governing

__all__ = ["Arrivals", "arrivals", "policies_in"]

_NAMING = ("app.kubernetes.io/name", "app.kubernetes.io/instance", "app")
_HASH = "pod-template-hash"
_OURS = (
    wellknown.UNIT,
    wellknown.POD_DELETION_COST,
    wellknown.DELETION_COST_WRITTEN,
    wellknown.POD_SCALE_UP_DELAY,
    wellknown.HELD,
)


@dataclass(slots=True)
class Arrivals:
    """The pods that come, and those that are there already."""

    new: list[Pod] = field(default_factory=list)
    scaled: dict[str, str] = field(default_factory=dict)
    """By uid, the workload of each of its pods."""
    excess: dict[str, int] = field(default_factory=dict)
    """By workload, how many pods it has too many."""


def policies_in(name: str, now: float, there: Iterable[ResourcePolicy]) -> list[ResourcePolicy]:
    """The policies in a file, as old as those that they replace, else made just now.

    Raises:
        CommandError: it holds none, or one that cannot be used.
    """
    created = {policy.key: policy.created for policy in there}
    found = []
    for source, text in read(name):
        for document in documents_in(source, text):
            if document.kind != "ResourcePolicy":
                continue
            try:
                policy = ResourcePolicy.from_manifest(document.content)
            except InvalidPolicyError as error:
                raise CommandError(
                    f"{source}: {error.errors[0]}; `resourcepolicy lint {source}` tells the line and all "
                    "faults"
                ) from None
            age = created.get(policy.key, policy.created or now)
            found.append(policy.model_copy(update={"created": age}))
    if not found:
        raise CommandError(f"{name}: holds no ResourcePolicy; name a file with kind: ResourcePolicy")
    return found


def arrivals(
    scale: Sequence[str],
    pod_file: str | None,
    cluster: ClusterSnapshot,
    now: float,
    there: Sequence[ResourcePolicy],
) -> Arrivals:
    """The pods that `--scale NAME=N` and `--pod FILE` mean.

    Raises:
        CommandError: a workload is not found, or found twice.
    """
    written = _written(pod_file) if pod_file else {}
    wanted = dict(map(_wanted, scale)) or {name: replicas for name, (_, replicas) in written.items()}
    found = Arrivals()
    for name, replicas in wanted.items():
        own = _pods_of(name, cluster)
        found.scaled |= {pod.uid: name for pod in own}
        model = _model(name, written) or max(own, key=lambda p: p.created, default=None)
        if model is None:
            raise CommandError(_not_found(name, cluster, written))
        found.excess[name] = max(len(own) - replicas, 0)
        for number in range(len(own), replicas):
            pod = _fresh(model, name.rpartition("/")[2], number, now, there)
            found.new.append(pod)
            found.scaled[pod.uid] = name
    return found


def _wanted(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if not name or not number.isdecimal():
        raise CommandError(
            f"--scale {text}: write NAME=N, the workload and how many pods it is to have: web=12"
        )
    return name, int(number)


def _written(name: str) -> dict[str, tuple[Pod, int]]:
    """The workloads in a file, by name."""
    found = dict(_workloads(name))
    if not found:
        raise CommandError(
            f"--pod {name}: holds nothing that makes pods; name a file with a Deployment, Job, Pod"
        )
    return found


def _workloads(name: str) -> Iterator[tuple[str, tuple[Pod, int]]]:
    for source, text in read(name):
        for workload in workloads_in(documents_in(source, text)):
            spec = workload.document.at("spec")
            replicas = spec.get("replicas", spec.get("parallelism", 1)) if isinstance(spec, Mapping) else 1
            name = str(workload.document.at("metadata", "name"))
            labels = {**dict.fromkeys(workload.added, name), **workload.pod.labels}  # a hash of its own (C2)
            yield name, (replace(workload.pod, labels=labels), replicas)


def _model(name: str, written: Mapping[str, tuple[Pod, int]]) -> Pod | None:
    """The pod of a workload in the file, which may be called NAMESPACE/NAME as well."""
    namespace, _, short = name.rpartition("/")
    pod, _ = written.get(short, (None, 0))
    return pod if pod is not None and namespace in ("", pod.namespace) else None


def _pods_of(name: str, cluster: ClusterSnapshot) -> list[Pod]:
    """The workload's pods, finished and terminating ones aside."""
    namespace, _, short = name.rpartition("/")
    alive = [p for p in cluster.pods if not (p.finished or p.terminating)]
    alive = [p for p in alive if not namespace or p.namespace == namespace]
    owned = [p for p in alive if _owner(p, cluster) == short]
    found = owned or [p for p in alive if short in (p.labels.get(key) for key in _NAMING) or p.name == short]
    namespaces = sorted({pod.namespace for pod in found})
    if len(namespaces) > 1:
        raise CommandError(
            f"--scale {name}: there is one in {' and in '.join(namespaces)}; write {namespaces[0]}/{short}=N"
        )
    return found


def _owner(pod: Pod, cluster: ClusterSnapshot) -> str:
    kind, name = cluster.owners.get(pod.uid, ("", ""))
    if kind == "ReplicaSet" and _HASH in pod.labels:
        return name.removesuffix(f"-{pod.labels[_HASH]}")
    return name


def _not_found(name: str, cluster: ClusterSnapshot, written: Collection[str]) -> str:
    names = sorted({_owner(pod, cluster) for pod in cluster.pods} - {""})
    there = f"there are {', '.join(names[:5])}" if names else "no pod there has a controller"
    mend = f"--pod has {', '.join(sorted(written))}" if written else "or give its manifest with --pod FILE"
    return f"--scale {name}: no pod of it in the cluster ({there}); {mend}"


def _fresh(model: Pod, name: str, number: int, now: float, there: Sequence[ResourcePolicy]) -> Pod:
    """A new pod like another: nothing on it that was written after it was placed."""
    policy = governing(model, there)
    marks = {key for unit in policy.units for key in unit.pod_labels} if policy else set()
    marks -= policy.selector.keys() if policy else set()
    notes = {key for unit in policy.units for key in unit.pod_annotations} if policy else set()
    return replace(
        model,
        uid=f"simulated/{model.namespace}/{name}/{number}",
        name=f"{name}-{number + 1}",
        created=now,
        labels={key: value for key, value in model.labels.items() if key not in marks},
        annotations={k: v for k, v in model.annotations.items() if k not in notes and k not in _OURS},
        phase=Phase.PENDING,
        node_name="",
        bound_at=None,
        unscheduled_since=None,
        unschedulable=False,
        nominated_node="",
    )
