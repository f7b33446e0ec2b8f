"""Node groups as cluster-autoscaler's kwok provider reads them."""

import json
from typing import Any

import pytest

from dev.controlplane import NodeGroup
from dev.controlplane.autoscaler import GPU_LABEL, GROUP_LABEL, provider_config_maps

SIZE = "cluster-autoscaler.kwok.nodegroup"


def content(groups: list[NodeGroup], key: str) -> Any:  # noqa: ANN401 - JSON
    (text,) = [m["data"][key] for m in provider_config_maps(groups) if key in m["data"]]
    return json.loads(text)


def test_the_templates_are_a_list_even_of_one() -> None:
    templates = content([NodeGroup("a")], "templates")
    assert templates["kind"] == "List"
    assert [node["metadata"]["name"] for node in templates["items"]] == ["a"]


def test_a_group_is_the_value_of_its_label() -> None:
    metadata = NodeGroup("a", {"pool": "x"}).template()["metadata"]
    assert metadata["labels"][GROUP_LABEL] == "a"
    assert metadata["labels"]["pool"] == "x"
    assert content([NodeGroup("a")], "config")["nodegroups"]["fromNodeLabelKey"] == GROUP_LABEL


def test_sizes_are_annotations() -> None:
    annotations = NodeGroup("a", max_count=3).template()["metadata"]["annotations"]
    assert annotations[f"{SIZE}/max-count"] == "3"
    assert f"{SIZE}/desired-count" not in annotations


def test_a_minimum_comes_with_a_desired_count() -> None:
    annotations = NodeGroup("a", min_count=2).template()["metadata"]["annotations"]
    assert annotations[f"{SIZE}/min-count"] == annotations[f"{SIZE}/desired-count"] == "2"


def test_a_gpu_group_offers_gpus_under_the_providers_label() -> None:
    group = NodeGroup("a", gpus=4, gpu_type="T4")
    template = group.template()
    assert template["status"]["allocatable"]["nvidia.com/gpu"] == "4"
    assert template["metadata"]["labels"][GPU_LABEL] == "T4"
    gpu = content([group, NodeGroup("b")], "config")["nodes"]["gpuConfig"]
    assert gpu == {"gpuLabelKey": GPU_LABEL, "availableGPUTypes": {"T4": {}}}


@pytest.mark.parametrize(
    "group", [NodeGroup("a"), NodeGroup("a", gpus=1, gpu_type="")], ids=["no GPU", "no type"]
)
def test_other_groups_lack_the_gpu_label(group: NodeGroup) -> None:
    assert GPU_LABEL not in group.template()["metadata"]["labels"]


def test_a_template_is_not_ready_so_that_nothing_binds_before_the_boot() -> None:
    (condition,) = NodeGroup("a").template()["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("Ready", "False")


def test_delays_are_annotations_that_kwok_reads() -> None:
    group = NodeGroup("a", boot_after="6s", gpu_after="9s")
    annotations = group.template()["metadata"]["annotations"]
    assert annotations["controlplane/boot-after"] == "6s"
    assert annotations["controlplane/gpu-after"] == "9s"
