"""The scheduler's configuration: what is shipped, but for addresses."""

from pathlib import Path

import yaml

from dev.controlplane.scheduler import SHIPPED, scheduler_configuration

KUBECONFIG = Path("/plane/admin.kubeconfig")
REPLACED = {"clientConnection", "leaderElection", "extenders"}


def test_the_shipped_configuration_is_what_runs() -> None:
    shipped = yaml.safe_load(SHIPPED.read_text())
    running = scheduler_configuration(KUBECONFIG, 20001, None)
    assert {key: running[key] for key in running.keys() - REPLACED} == {
        key: shipped[key] for key in shipped.keys() - REPLACED
    }
    prefixes = [extender.pop("urlPrefix") for extender in running["extenders"]]
    assert prefixes == ["http://127.0.0.1:20001"]
    for extender in shipped["extenders"]:
        del extender["urlPrefix"]
    assert running["extenders"] == shipped["extenders"]


def test_extenders_may_be_replaced_and_keep_their_path() -> None:
    ours = {"urlPrefix": "http://example.com:1/v1", "filterVerb": "filter"}
    running = scheduler_configuration(KUBECONFIG, 20001, [ours])
    assert running["extenders"] == [ours | {"urlPrefix": "http://127.0.0.1:20001/v1"}]
    assert scheduler_configuration(KUBECONFIG, 20001, [])["extenders"] == []
