"""What the scheduler counts for a pod, case by case as `resourcehelper.PodRequests` has them."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.api.pod_requests import InitContainer, total_requests

Amounts = dict[str, int]


def init(**requests: int) -> InitContainer:
    return InitContainer(requests)


def sidecar(**requests: int) -> InitContainer:
    return InitContainer(requests, sidecar=True)


@pytest.mark.parametrize(
    ("containers", "inits", "expected"),
    [
        pytest.param([], [], {}, id="nothing"),
        pytest.param(
            [{"cpu": 1}, {"cpu": 2, "gpu": 1}], [], {"cpu": 3, "gpu": 1}, id="containers are summed"
        ),
        pytest.param([{"cpu": 2}], [init(cpu=1)], {"cpu": 2}, id="a smaller init container adds nothing"),
        pytest.param([{"cpu": 2}], [init(cpu=5)], {"cpu": 5}, id="a larger one counts alone"),
        pytest.param(
            [{"cpu": 2}], [init(cpu=3), init(cpu=4)], {"cpu": 4}, id="init containers run one by one"
        ),
        pytest.param([{"cpu": 2}], [init(gpu=1)], {"cpu": 2, "gpu": 1}, id="each resource on its own"),
        pytest.param([{"cpu": 2}], [sidecar(cpu=1)], {"cpu": 3}, id="a sidecar runs beside the containers"),
        pytest.param(
            [{"cpu": 2}],
            [sidecar(cpu=1), init(cpu=4)],
            {"cpu": 5},
            id="a sidecar runs beside later init containers",
        ),
        pytest.param(
            [{"cpu": 2}], [init(cpu=4), sidecar(cpu=1)], {"cpu": 4}, id="and not beside earlier ones"
        ),
        pytest.param(
            [{"cpu": 1}],
            [sidecar(cpu=1), init(cpu=1), sidecar(cpu=2), init(cpu=3)],
            {"cpu": 6},
            id="sidecars add up",
        ),
        pytest.param([{"gpu": 0}], [], {"gpu": 0}, id="a request of zero is a request"),
    ],
)
def test_start_up_or_running_whichever_is_larger(
    containers: list[Amounts], inits: list[InitContainer], expected: Amounts
) -> None:
    assert total_requests(containers, inits) == expected


@pytest.mark.parametrize(
    ("overhead", "pod_level", "expected"),
    [
        pytest.param({"cpu": 1}, None, {"cpu": 3, "gpu": 1}, id="overhead is added"),
        pytest.param(
            {"memory": 7}, None, {"cpu": 2, "gpu": 1, "memory": 7}, id="overhead of another resource too"
        ),
        pytest.param(None, {"cpu": 9}, {"cpu": 9, "gpu": 1}, id="the pod's own figure replaces the sum"),
        pytest.param(None, {"cpu": 1}, {"cpu": 1, "gpu": 1}, id="even a smaller one"),
        pytest.param({"cpu": 1}, {"cpu": 9}, {"cpu": 10, "gpu": 1}, id="and overhead is added to it"),
    ],
)
def test_what_is_said_of_the_pod_as_a_whole(
    overhead: Amounts | None, pod_level: Amounts | None, expected: Amounts
) -> None:
    assert total_requests([{"cpu": 2, "gpu": 1}], (), overhead, pod_level) == expected


cpus = st.integers(0, 5)


@given(st.lists(cpus, max_size=3), st.lists(st.tuples(cpus, st.booleans()), max_size=4))
def test_it_is_the_peak_of_a_simulated_life(
    containers: Sequence[int], inits: Sequence[tuple[int, bool]]
) -> None:
    """Start the init containers in turn; a sidecar stays, any other ends."""
    staying, peak = 0, 0
    for cpu, stays in inits:
        peak = max(peak, staying + cpu)
        staying += cpu if stays else 0
    peak = max(peak, staying + sum(containers))
    written = [InitContainer({"cpu": cpu}, sidecar=stays) for cpu, stays in inits]
    assert total_requests([{"cpu": cpu} for cpu in containers], written).get("cpu", 0) == peak
