"""The main job: the data centre first, the cloud when it is full, and nobody else disturbed."""

from tests.e2e.objects import Site


def test_the_data_centre_is_first(site: Site) -> None:
    """O1: the cloud has more room, which in-tree scores prefer, and gets nothing."""
    site.add_nodes("cloud", 3, gpus=8)
    site.add_nodes("dc", gpus=4)
    site.create_policy(site.unit("dc"), site.unit("cloud"))
    site.create_pods("a", "b", "c", "d")
    assert site.placed("a", "b", "c", "d") == dict.fromkeys("abcd", "dc")


def test_the_cloud_is_used_once_the_data_centre_is_full(site: Site) -> None:
    """O3, O8: and the data centre again, as soon as it has room."""
    site.add_nodes("dc", 2, gpus=1)
    site.add_nodes("cloud", gpus=8)
    site.create_policy(site.unit("dc"), site.unit("cloud"))
    site.create_pods("a", "b", "c")
    assert site.placed("a", "b", "c") == {"a": "dc", "b": "dc", "c": "cloud"}
    site.delete_pod("a")
    site.await_scheduler(site.add_nodes("elsewhere", gpus=0)[0])
    site.create_pods("d", "e")
    assert site.placed("d", "e") == {"d": "dc", "e": "cloud"}


def test_a_pod_without_a_policy_is_untouched(site: Site) -> None:
    """M5, M2: it goes to nodes that the policy beside it would never use, and is asked about all the same."""
    site.add_nodes("dc", gpus=1)
    site.add_nodes("elsewhere", gpus=1)
    site.create_policy(site.unit("dc"), selector={"app": "governed"})
    passed = site.extender.outcome("passed")
    site.create_pods("a", "b", labels={"app": "other"})
    assert set(site.placed("a", "b").values()) == {"dc", "elsewhere"}
    assert site.extender.outcome("passed") >= passed + 2


def test_a_pod_without_a_gpu_never_reaches_the_extender(site: Site) -> None:
    """M8: it is not governed either, although the policy selects it."""
    site.add_nodes("dc", gpus=1)
    site.add_nodes("elsewhere", gpus=0)
    site.create_policy(site.unit("dc", max=0))
    asked = site.extender.asked()
    site.create_pods("a", "b", gpus=0)
    site.placed("a", "b")
    assert site.extender.asked() == asked


def test_120_nodes_in_two_pools_keep_the_order(site: Site) -> None:
    """E5: the last free node of the data centre is found, though a sample would miss it."""
    site.add_nodes("cloud", 60)
    site.add_nodes("dc", 60)
    site.create_policy(site.unit("dc"), site.unit("cloud"))
    names = [f"p{i}" for i in range(62)]
    site.create_pods(*names)
    where = site.placed(*names)
    assert [where[name] for name in names] == ["dc"] * 60 + ["cloud"] * 2


def test_a_pod_that_no_unit_has_room_for_is_told_policy_and_unit(site: Site) -> None:
    """O10: each closed unit is named, with its cap."""
    site.add_nodes("dc", gpus=8)
    site.add_nodes("cloud", gpus=8)
    site.add_nodes("elsewhere", gpus=8)
    site.create_policy(site.unit("dc", max=1), site.unit("cloud", max=1), name="story")
    site.create_pods("a", "b", "c")
    assert site.placed("a", "b") == {"a": "dc", "b": "cloud"}
    scheduled = site.refused("c")
    assert scheduled["reason"] == "Unschedulable"
    for sentence in (
        "1 node(s) in units[0] of ResourcePolicy story, which is full: max 1 pod(s)",
        "1 node(s) in units[1] of ResourcePolicy story, which is full: max 1 pod(s)",
        "1 node(s) in no unit of ResourcePolicy story",
    ):
        assert sentence in scheduled["message"]
