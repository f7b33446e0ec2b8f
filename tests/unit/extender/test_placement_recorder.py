"""A pod's unit is recorded once, after the binding, and survives an API server that refuses."""

from cluster.cache.cache import Cache
from extender.placement_recorder import PlacementRecorder
from policy.api import wellknown
from policy.api.objects import Node, Pod
from policy.api.options import NodeKinds
from policy.api.resourcepolicy import ResourcePolicy
from policy.scheduling.accounting import record_of, recorded_unit
from tests.builders import a_pod
from tests.unit.extender.fixtures import CAPPED, CLOUD, DC, World


def a_cache_with_a_placed_pod(*units: object) -> tuple[Cache, ResourcePolicy]:
    """Placed through the last unit; by default its node is in both."""
    cache = Cache(lambda: 0.0, NodeKinds(), reservation_seconds=60, remembers_since=0.0)
    spec = {"units": list(units) or [{"nodeSelector": {"pool": "a"}}, {}]}
    policy = ResourcePolicy.from_manifest({"metadata": {"name": "p", "namespace": "ns"}, "spec": spec})
    with cache.lock:
        cache.upsert_policy(policy)
        cache.upsert_node(Node("n", labels={"pool": "a"}))
        pod = Pod(uid="u", namespace="ns", name="pod", created=0.0)
        cache.assume(pod, policy, len(policy.units) - 1, ())
        cache.upsert_pod(Pod(uid="u", namespace="ns", name="pod", created=0.0, node_name="n"))
    return cache, policy


def test_a_placed_pod_gets_the_unit_it_was_placed_through_and_not_the_first_of_its_node() -> None:
    cache, policy = a_cache_with_a_placed_pod()
    written: list[str] = []

    def write(_: Pod, record: str) -> bool:
        written.append(record)
        return True

    recorder = PlacementRecorder(cache, write)
    recorder.round()
    recorder.round()
    assert [recorded_unit(record, policy) for record in written] == [1]


def test_a_record_that_was_not_written_stays_due() -> None:
    cache, _ = a_cache_with_a_placed_pod()
    answers = iter([False, True])
    recorder = PlacementRecorder(cache, lambda *_: next(answers))
    recorder.round()
    assert cache.placement_records.unrecorded
    recorder.round()
    assert not cache.placement_records.unrecorded


def test_nothing_is_written_on_a_pod_that_is_gone() -> None:
    cache, _ = a_cache_with_a_placed_pod()
    with cache.lock:
        cache.remove_pod(Pod(uid="u", namespace="ns", name="pod", created=0.0))
    assert not cache.placement_records.unrecorded


def test_a_pod_whose_node_tells_the_unit_costs_no_write() -> None:
    """L3: the API server would work more for the record than for the pod's decision."""
    cache, _ = a_cache_with_a_placed_pod({"nodeSelector": {"pool": "b"}}, {"nodeSelector": {"pool": "a"}})
    assert not cache.placement_records.unrecorded


def test_a_pod_of_a_unit_with_labels_is_recorded_until_they_are_written() -> None:
    """C6: without the record it would not be counted before."""
    cache, _ = a_cache_with_a_placed_pod({"nodeSelector": {"pool": "a"}, "podLabels": {"tier": "own"}})
    assert cache.placement_records.unrecorded


def test_a_record_that_was_copied_from_another_pod_is_no_record() -> None:
    """C7: a pod made from another one's manifest counts where it went, and the copy is written over."""
    world = World(DC, CLOUD, CAPPED)
    first, second = (record_of(CAPPED, unit) for unit in (0, 1))
    copied = {wellknown.UNIT: first}
    assert world.ask(a_pod("copy", annotations=copied), ["cloud-1"]) == 1
    world.publish(a_pod("copy", on="cloud-1", annotations=copied))
    assert [world.used(CAPPED, unit) for unit in (0, 1)] == [0, 1]
    written: list[tuple[str, str]] = []

    def write(pod: Pod, record: str) -> bool:
        written.append((pod.name, record))
        return True

    PlacementRecorder(world.cache, write).round()
    assert written == [("copy", second)]
    world.publish(a_pod("copy", on="cloud-1", annotations={wellknown.UNIT: second}))
    assert [world.used(CAPPED, unit) for unit in (0, 1)] == [0, 1]
    world.tell_gone(a_pod("copy"))
    assert not list(world.cache.placement_records)
