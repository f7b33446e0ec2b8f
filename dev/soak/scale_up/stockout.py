"""A pool that is out of stock: the API server refuses its nodes, as a cloud refuses instances.

Facts: a ValidatingAdmissionPolicy is in force some seconds after it was made, and out of force as late.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from dev.controlplane import ControlPlane
from dev.controlplane.api import ApiError, Object

__all__ = ["out_of_stock"]

API = "admissionregistration.k8s.io/v1"
MESSAGE = "no stock"


@contextmanager
def out_of_stock(plane: ControlPlane, pool: str) -> Iterator[None]:
    """Meanwhile no node with this label can be created."""
    name = f"out-of-stock-{pool}"
    plane.api.create(_policy(name, pool))
    plane.api.create(_binding(name))
    plane.wait(lambda: _is_refused(plane, pool), what="the stock to be out")
    yield
    for kind in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
        plane.api.delete(f"/apis/{API}/{kind}/{name}")
    plane.wait(lambda: not _is_refused(plane, pool), what="the stock to be back")


def _policy(name: str, pool: str) -> Object:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nodes"]}
    refusal = {
        "expression": f"object.metadata.?labels[?'pool'].orValue('') != '{pool}'",
        "message": MESSAGE,
    }
    return {
        "apiVersion": API,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {"matchConstraints": {"resourceRules": [rule]}, "validations": [refusal]},
    }


def _binding(name: str) -> Object:
    return {
        "apiVersion": API,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }


def _is_refused(plane: ControlPlane, pool: str) -> bool:
    probe: Object = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"probe-{pool}", "labels": {"pool": pool}},
    }
    try:
        plane.api.request("POST", "/api/v1/nodes", probe, query={"dryRun": "All"})
    except ApiError as error:
        return MESSAGE in error.message
    return False
