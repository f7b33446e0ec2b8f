"""How many nodes of a unit are given away to be scored, and which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.scheduling.node_sampling import enough, sampled

SIZES = st.integers(0, 20_000)


@pytest.mark.parametrize(
    ("cluster", "number"),
    [
        pytest.param(0, 0, id="no node"),
        pytest.param(99, 99, id="below 100 all"),
        pytest.param(100, 100, id="100"),
        pytest.param(200, 100, id="48 % are fewer than 100"),
        pytest.param(500, 230, id="46 %"),
        pytest.param(1_000, 420, id="42 %"),
        pytest.param(2_000, 680, id="34 %"),
        pytest.param(5_000, 500, id="10 %"),
        pytest.param(5_625, 281, id="5 %"),
        pytest.param(15_000, 750, id="never less than 5 %"),
    ],
)
def test_enough_is_what_kube_scheduler_looks_for(cluster: int, number: int) -> None:
    """schedule_one.go, numFeasibleNodesToFind, with percentageOfNodesToScore 0."""
    assert enough(cluster) == number


@given(SIZES, SIZES, SIZES)
def test_a_sample_is_enough_different_nodes_of_those_there_are(some: int, others: int, turn: int) -> None:
    nodes = [f"n{i}" for i in range(some)]
    found = sampled(nodes, some + others, turn)
    assert len(found) == min(some, enough(some + others))
    assert len(set(found)) == len(found)
    assert set(found) <= set(nodes)


@given(SIZES, SIZES)
def test_turns_leave_no_node_out(some: int, turn: int) -> None:
    nodes = [f"n{i}" for i in range(some)]
    seen: set[str] = set()
    for _ in range(21):  # 5 % at least, rounded down
        found = sampled(nodes, some, turn)
        seen.update(found)
        turn += len(found)
    assert seen == set(nodes)
