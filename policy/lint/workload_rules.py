"""Rules RP030 to RP035: a workload and its policy that do not agree.

Rules C2, L1, L2, L6, L7, M8.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from policy.api import wellknown
from policy.api.objects import Effect, Taint
from policy.api.resourcepolicy import ResourceKind, Unit
from policy.lint.context import LintContext, found
from policy.lint.documents import Document, Path, PolicyDocument, Workload, mappings
from policy.lint.findings import Code, Finding, Severity
from policy.scheduling.matching import matches
from policy.scheduling.node_fit import tolerated

__all__ = ["workload_findings"]

_REWRITTEN = (wellknown.COMPUTE_CLASS, wellknown.COMPUTE_QOS)
_OPT_OUTS = (wellknown.ECI, wellknown.BURST_RESOURCE)
_VIRTUAL = (ResourceKind.ECI, ResourceKind.ACS)
_TAINT = Taint("virtual-kubelet.io/provider", "alibabacloud", Effect.NO_SCHEDULE)
_TOLERATION = "tolerations: [{key: virtual-kubelet.io/provider, operator: Exists, effect: NoSchedule}]"
_ADMISSION = "MutatingAdmissionPolicy"


def workload_findings(context: LintContext) -> Iterator[Finding]:
    """RP030 to RP035."""
    admitted = _tolerations_are_admitted(context)
    for written in context.policies:
        workloads = list(context.workloads_of(written.policy))
        for workload in workloads:
            yield from _group_label(written, workload)
            yield from _selected(written, workload)
            yield from _deletion_cost(written, workload)
            yield from _not_sent(written, workload, context.schedulers)
        yield from _own_selector(written)
        yield from _opted_out(written, context)
        if not admitted:
            yield from _virtual(written, workloads)


def _group_label(written: PolicyDocument, workload: Workload) -> Iterator[Finding]:
    for key in written.policy.match_label_keys:
        if key in workload.pod.labels or key in workload.added:
            continue
        why = (
            f"{written.name} counts pods by the label {key} (matchLabelKeys), which the pods of this "
            f"{workload.document.kind} lack: each of them is refused, for ever (C2)."
        )
        instead = f"the label {key} here, or matchLabelKeys: [pod-template-hash] for Deployments"
        path = (*workload.template, "metadata", "labels")
        yield found(Code.GROUP_LABEL_MISSING, workload.document, path, why, instead)


def _selected(written: PolicyDocument, workload: Workload) -> Iterator[Finding]:
    for index, unit in enumerate(written.policy.units):
        for key in sorted(workload.selects & _changed(unit, workload.pod.labels).keys()):
            why = (
                f"A pod placed in units[{index}] gets another {key} than {workload.name} selects by: it "
                "loses the pod, makes a new one, and does so without end (L1)."
            )
            path: Path = ("spec", "units", index, "podLabels", key)
            instead = f"a key in podLabels that no workload selects by, or no {key} in its selector"
            yield found(Code.SELECTED_LABEL_WRITTEN, written.document, path, why, instead)
    for key in sorted(workload.selects.intersection(_REWRITTEN)):
        why = (
            f"ACK rewrites {key} when it places a pod: {workload.name} loses the pod and makes a new one "
            "(L1)."
        )
        path = ("spec", "selector")
        yield found(Code.SELECTED_LABEL_WRITTEN, workload.document, path, why, f"a selector without {key}")


def _changed(unit: Unit, labels: Mapping[str, str]) -> Mapping[str, str]:
    """The labels that placing a pod in the unit changes."""
    written, _ = unit.marks
    return {key: value for key, value in written.items() if labels.get(key) != value}


def _own_selector(written: PolicyDocument) -> Iterator[Finding]:
    for index, unit in enumerate(written.policy.units):
        selector = written.policy.selector
        for key in sorted(selector.keys() & _changed(unit, selector).keys()):
            why = (
                f"A pod placed in units[{index}] gets another {key} than the selector of {written.name} asks "
                "for: it is governed no more and counts nowhere, so no cap holds (M2, L1)."
            )
            path = ("spec", "units", index, "podLabels", key)
            instead = f"another key, or the selector's own value {selector[key]}"
            yield found(Code.SELECTED_LABEL_WRITTEN, written.document, path, why, instead)


def _deletion_cost(written: PolicyDocument, workload: Workload) -> Iterator[Finding]:
    if wellknown.POD_DELETION_COST in workload.pod.annotations:
        why = (
            f"The cost is yours and stays, so {written.name} cannot lower it with the unit: scale-in does "
            "not empty the last unit first (L2)."
        )
        path = (*workload.template, "metadata", "annotations", wellknown.POD_DELETION_COST)
        yield found(
            Code.DELETION_COST_SET,
            workload.document,
            path,
            why,
            f"no annotation {wellknown.POD_DELETION_COST}",
        )


def _opted_out(written: PolicyDocument, context: LintContext) -> Iterator[Finding]:
    for workload in context.given.workloads:
        pod = workload.pod
        kinds = {"labels": pod.labels, "annotations": pod.annotations}
        rest = {name: {k: v for k, v in m.items() if k not in _OPT_OUTS} for name, m in kinds.items()}
        willing = replace(pod, labels=rest["labels"], annotations=rest["annotations"])
        if matches(written.policy, pod) or not matches(written.policy, willing):
            continue
        name, key = next((n, key) for n, m in kinds.items() for key in _OPT_OUTS if key in m)
        why = f"{key} takes these pods out of {written.name}: no unit, no cap, no order for them (L6)."
        path = (*workload.template, "metadata", name, key)
        yield found(Code.OPTED_OUT, workload.document, path, why, f"no {name[:-1]} {key}")


def _not_sent(
    written: PolicyDocument, workload: Workload, schedulers: tuple[Document, ...]
) -> Iterator[Finding]:
    for scheduler in schedulers:
        extenders = mappings(scheduler.at("extenders"))
        resources = [r for _, e in extenders for _, r in mappings(e.get("managedResources"))]
        managed = {str(resource.get("name")) for resource in resources}
        if managed and not managed & workload.pod.requests.keys():
            why = (
                f"kube-scheduler sends only pods that request {' or '.join(sorted(managed))}; those of "
                f"{workload.name} request none, so {written.name} does not govern them (M8)."
            )
            path = (*workload.template, "spec")
            instead = (
                f"managedResources in {scheduler.source} with a resource that they request, or without it"
            )
            yield found(Code.NOT_SENT, workload.document, path, why, instead)


def _tolerations_are_admitted(context: LintContext) -> bool:
    """Whether manifests/virtual-node-toleration.yaml, or one like it, is among the documents."""
    return any(document.kind == _ADMISSION for document in context.given.documents)


def _virtual(written: PolicyDocument, workloads: list[Workload]) -> Iterator[Finding]:
    units = enumerate(written.policy.units)
    index = next((i for i, unit in units if unit.resource in _VIRTUAL), None)
    if index is None:
        return
    why = (
        f"units[{index}] has virtual nodes, which are tainted {_TAINT.key}. ACK tolerates that for the pods; "
        "the stock scheduler does not, and never offers such a node to a pod without the toleration (L7)."
    )
    instead = f"{_TOLERATION} in the pod template, or apply manifests/virtual-node-toleration.yaml"
    if not workloads:
        path: Path = ("spec", "units", index, "resource")
        yield found(Code.VIRTUAL_NOT_TOLERATED, written.document, path, why, instead, Severity.INFO)
    for workload in workloads:
        if not tolerated(_TAINT, workload.pod.tolerations):
            path = (*workload.template, "spec", "tolerations")
            yield found(Code.VIRTUAL_NOT_TOLERATED, workload.document, path, why, instead)
