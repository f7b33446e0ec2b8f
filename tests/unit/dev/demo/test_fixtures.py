"""The demo plays the guide's policy, and no other."""

import yaml

from dev.demo.decode import POOL_LABEL
from dev.demo.fixtures import (
    CLOUD,
    DEPLOYMENT,
    EDGE,
    GUIDE,
    LABELS,
    autoscaler,
    deployment,
    elastic_group,
    policy,
)


def test_only_the_pools_identities_are_replaced() -> None:
    played, shipped = policy(), yaml.safe_load(GUIDE.read_text())
    pools = [unit["nodeSelector"].pop(POOL_LABEL) for unit in played["spec"]["units"]]
    for unit in shipped["spec"]["units"]:
        del unit["nodeSelector"][POOL_LABEL]
    assert pools == [EDGE.identity, CLOUD.identity]
    assert played == shipped


def test_the_policy_governs_the_deployments_pods() -> None:
    labels = deployment()["spec"]["template"]["metadata"]["labels"]
    assert labels == LABELS
    assert policy()["spec"]["selector"].items() <= labels.items()


def test_the_hpa_scales_the_deployment_by_the_metric_of_its_gpus() -> None:
    spec = autoscaler()["spec"]
    assert spec["scaleTargetRef"]["name"] == deployment()["metadata"]["name"] == DEPLOYMENT
    (metric,) = spec["metrics"]
    assert metric["pods"]["metric"]["name"] == "DCGM_CUSTOM_PROCESS_SM_UTIL"
    assert metric["pods"]["target"] == {"type": "AverageValue", "averageValue": "50"}


def test_the_elastic_group_starts_from_nothing() -> None:
    group = elastic_group()
    assert (group.min_count, group.max_count, group.gpus) == (0, 5, 1)
    assert group.labels == {POOL_LABEL: CLOUD.identity}
